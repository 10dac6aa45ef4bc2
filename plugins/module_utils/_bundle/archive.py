# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a bundle: a compressed tar of lock, signature and blobs, perhaps in parts."""

from __future__ import annotations

import gzip
import tarfile
import typing as t
from pathlib import Path

from .._artifacts.archive import add_hashed, add_text, entry_of, open_tar
from .._errors import HostError
from .lock import BLOBS, LOCK, MIRROR, Lock, render
from .signature import SIGNATURE

__all__ = ("delta", "existing", "write")

_PART, _MOST_PARTS = ".{:03}", 1000
# Programs in Go shrink to 36 % of their size. Level 6 makes it 32 %, and takes four times as long.
_LEVEL = 1


def delta(lock: Lock, since: Lock | None) -> dict[str, str]:
    """Return the path of each blob that the file has, by checksum: those that the older bundle does not have."""
    left_out = since.blobs if since else {}
    return {file.sha256: path for path, file in sorted(lock.files.items(), reverse=True) if file.sha256 not in left_out}


def existing(target: Path) -> list[Path]:
    """Return the file of a bundle, or its parts."""
    parts = sorted(target.parent.glob(f"{target.name}.[0-9][0-9][0-9]"))
    return [target] if target.is_file() else parts


def write(target: Path, lock: Lock, signature: bytes, blobs: dict[str, str], tree: Path, part_size: int = 0) -> list[Path]:
    """Write the file of a bundle, in parts if it is larger than their size. Readers see all of it or nothing; return what was written.

    Links below mirror/ lead from the paths of a mirror to the blobs.
    """
    text = render(lock)
    temporary = target.with_name(f".{target.name}.new")
    _remove(temporary)
    sink = _Parts(temporary, part_size)
    try:
        with gzip.GzipFile("", "wb", _LEVEL, sink, mtime=0) as stream, open_tar(stream) as archive:
            add_text(archive, LOCK, text)
            add_text(archive, SIGNATURE, signature)
            for sha256, path in sorted(blobs.items()):
                with (tree / path).open("rb") as content:
                    found = add_hashed(archive, f"{BLOBS}/{sha256}", (tree / path).stat().st_size, content)
                if found != sha256:
                    raise HostError(f"{path}: found other content than a moment ago, expected that nobody else writes to {tree}: run again")
            for path, file in sorted(lock.files.items()):
                _link(archive, f"{MIRROR}/{path}", f"{'../' * (path.count('/') + 1)}{BLOBS}/{file.sha256}")
    except BaseException:
        sink.close()
        _remove(temporary)
        raise
    sink.close()
    _remove(target)
    made = []
    for written in sink.written:
        made.append(target.with_name(target.name + written.name[len(temporary.name) :]))
        written.rename(made[-1])
    return made


def _remove(target: Path) -> None:
    for path in (target, *target.parent.glob(f"{target.name}.[0-9][0-9][0-9]")):
        path.unlink(missing_ok=True)


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = entry_of(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


class _Parts:
    """A file, or several of a size at most, that are its parts in the order of their names."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        self.written: list[Path] = []
        self.stream: t.BinaryIO | None = None
        self.left = 0

    def write(self, content: bytes) -> int:
        """Write to the last part, and begin the next one where that is full."""
        view = memoryview(content)
        while view:
            if self.stream is None or (self.size and not self.left):
                self._next()
            some = view[: self.left] if self.size else view
            self.stream.write(some)
            self.left -= len(some)
            view = view[len(some) :]
        return len(content)

    def flush(self) -> None:
        """Write what is buffered."""
        if self.stream:
            self.stream.flush()

    def close(self) -> None:
        """End the last part."""
        if self.stream:
            self.stream.close()

    def _next(self) -> None:
        self.close()
        if len(self.written) == _MOST_PARTS:
            raise HostError(f"bundle_part_size: found {self.size} bytes, expected more: the bundle would have more than {_MOST_PARTS} parts")
        name = self.path.name + _PART.format(len(self.written)) if self.size else self.path.name
        self.written.append(self.path.with_name(name))
        self.stream = self.written[-1].open("wb")
        self.left = self.size
