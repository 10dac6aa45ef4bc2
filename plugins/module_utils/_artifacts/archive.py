# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives that depend on their content only, and those of programs, laid out as upstream projects publish them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
import typing as t
from pathlib import Path

__all__ = ("Hashing", "add_hashed", "add_text", "entry_of", "open_tar", "sha256", "write_image", "write_tarball")

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CAPABILITIES = {"net_bind_service": 10}  # see capabilities(7)
IMAGE_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Hashing:
    """A stream that is hashed while it is read."""

    def __init__(self, stream: t.Any) -> None:
        """Take the stream."""
        self.stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return what the stream returns."""
        chunk = self.stream.read(size)
        self.digest.update(chunk)
        return chunk


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def open_tar(stream: t.BinaryIO) -> tarfile.TarFile:
    """Return an archive that is written to a stream."""
    archive = tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)
    archive.copybufsize = 1 << 20
    return archive


def entry_of(name: str, mode: int = 0o644, size: int = 0) -> tarfile.TarInfo:
    """Return a member without owner and time, so that it depends only on its content."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, size
    return entry


def add_text(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file with this content."""
    archive.addfile(entry_of(name, size=len(content)), io.BytesIO(content))


def add_hashed(archive: tarfile.TarFile, name: str, size: int, stream: t.Any) -> str:
    """Add a file with the content of a stream, and return its SHA-256. Raise an OSError if there is less than the size."""
    reader = Hashing(stream)
    archive.addfile(entry_of(name, size=size), t.cast("t.BinaryIO", reader))
    return reader.digest.hexdigest()


def write_tarball(target: Path, members: dict[str, Path]) -> None:
    """Write a tar.gz of programs by member name. It is not compressed, since every host unpacks it and a local mirror is near."""
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 0, raw, mtime=0) as stream, open_tar(stream) as archive:
        for name, program in sorted(members.items()):
            _add_program(archive, name, program)


def write_image(target: Path, program: Path, image: dict[str, t.Any], architecture: str) -> None:
    """Write an archive as `docker save` does, of an image with one layer: the program, and the files that programs expect."""
    layer = target.with_suffix(".layer")
    with layer.open("wb") as stream, open_tar(stream) as archive:
        _add_program(archive, image["program"], program, image["capability"])
        _add_directory(archive, "tmp", 0o1777)
        _add_directory(archive, "etc", 0o755)
        add_text(archive, "etc/passwd", b"root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")
        add_text(archive, "etc/group", b"root:x:0:\nnobody:x:65534:\n")
        add_text(archive, "etc/nsswitch.conf", b"hosts: files dns\n")
        if image["certificates"]:
            _add_directory(archive, "etc/ssl", 0o755)
            _add_directory(archive, "etc/ssl/certs", 0o755)
            add_text(archive, "etc/ssl/certs/ca-certificates.crt", CERTIFICATES.read_bytes())
    layer_digest = sha256(layer)
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {
                "User": image["user"],
                "Env": [IMAGE_PATH],
                "Entrypoint": [f"/{image['program']}"],
                "Cmd": image["arguments"],
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        }
    )
    config_name, layer_name = f"{hashlib.sha256(config).hexdigest()}.json", f"{layer_digest}/layer.tar"
    manifest = _json([{"Config": config_name, "RepoTags": [image["reference"]], "Layers": [layer_name]}])
    with target.open("wb") as stream, open_tar(stream) as archive:
        add_text(archive, "manifest.json", manifest)
        add_text(archive, config_name, config)
        with layer.open("rb") as content:
            archive.addfile(entry_of(layer_name, 0o644, layer.stat().st_size), content)
    layer.unlink()


def _json(value: t.Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _add_program(archive: tarfile.TarFile, name: str, program: Path, capability: str = "") -> None:
    entry = entry_of(name, 0o755, program.stat().st_size)
    if capability:
        # struct vfs_ns_cap_data of the kernel, revision 2, effective, as `setcap cap_…=+ep` writes it.
        value = struct.pack("<5I", 0x02000001, 1 << CAPABILITIES[capability], 0, 0, 0)
        entry.pax_headers = {"SCHILY.xattr.security.capability": value.decode("ascii")}
    with program.open("rb") as content:
        archive.addfile(entry, content)


def _add_directory(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = entry_of(name, mode)
    entry.type = tarfile.DIRTYPE
    archive.addfile(entry)
