# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pack texts of a host into an archive that the controller accepts: plain ustar, within the limits of plugin_utils/_controller/log_archive.py."""

from __future__ import annotations

import io
import tarfile

__all__ = ("LEFT_OUT", "pack")

LEFT_OUT = "state/left-out.txt"
MOST_PACKED_BYTES = 24 * 2**20
MOST_BYTES = 150_000_000


def pack(texts: dict[str, str], now: float, most_packed: int = MOST_PACKED_BYTES, most: int = MOST_BYTES) -> tuple[bytes, list[str]]:
    """Return a tar.gz and the names of its files. If there is too much, the largest texts lose their first lines, and LEFT_OUT says so."""
    contents = {name: text.encode(errors="replace") for name, text in texts.items()}
    too_long = [name for name in contents if not _has_room(name)]
    left_out = [f"{name}: all of it, the name is too long" for name in too_long]
    contents = {name: content for name, content in contents.items() if name not in too_long}
    while True:
        kept = _shortened(contents, most)
        size = sum(map(len, kept.values()))
        gone = {name: len(content) - len(kept[name]) for name, content in contents.items()}
        shortened = [f"{name}: the first {number} of {len(contents[name])} bytes" for name, number in gone.items() if number]
        if left_out or shortened:
            kept[LEFT_OUT] = "".join(f"{line}\n" for line in sorted(left_out + shortened)).encode(errors="replace")
        packed = _packed(kept, now)
        if len(packed) <= most_packed:
            return packed, sorted(kept)
        # The size after compression can only be estimated, so repeat until it fits.
        most = size * most_packed // len(packed) * 9 // 10


def _has_room(name: str) -> bool:
    try:
        tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT)
    except ValueError:
        return False
    return True


def _shortened(contents: dict[str, bytes], most: int) -> dict[str, bytes]:
    """Return the ends of the contents, within this many bytes together. Contents above a common size are cut to that size."""
    room = most
    for index, size in enumerate(sorted(map(len, contents.values()))):
        share = room // (len(contents) - index)
        if size > share:
            return {name: _end(content, share) for name, content in contents.items()}
        room -= size
    return dict(contents)


def _end(content: bytes, most: int) -> bytes:
    """Return the last lines of a content that fit."""
    if len(content) <= most:
        return content
    return content[len(content) - most - 1 :].partition(b"\n")[2]


def _packed(contents: dict[str, bytes], now: float) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, int(now)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
