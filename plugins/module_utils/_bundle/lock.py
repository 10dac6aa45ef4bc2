# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a bundle, bundle.json: every file with its checksum, its origin, its licence and its purpose."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from pathlib import Path

from .._errors import HostError

__all__ = ("BLOBS", "FORMAT", "LOCK", "MIRROR", "File", "Lock", "blob", "broken", "digest_of", "parse", "render")

FORMAT = 1
LOCK = "bundle.json"
BLOBS = "blobs/sha256"
MIRROR = "mirror"
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~@%-]*(/[A-Za-z0-9_][A-Za-z0-9._+~@%-]*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS = ("name", "made", "collection", "architectures", "distributions", "kubernetes", "since")


class File(t.NamedTuple):
    """A file of a bundle. Its content is the blob that is named after its checksum."""

    sha256: str
    size: int
    url: str  # where it comes from: a URL of its project, or a package URL (purl)
    licence: str  # an SPDX expression, or NOASSERTION
    purpose: str


class Lock(t.NamedTuple):
    """The content of a bundle. Paths of files are those of a mirror."""

    name: str
    made: str
    collection: str  # version
    architectures: list[str]
    distributions: list[str]  # code names
    kubernetes: list[str]  # versions
    since: str  # SHA-256 of the lock whose blobs are left out, or nothing
    files: dict[str, File]

    @property
    def blobs(self) -> dict[str, int]:
        """The size of each blob of all files, by checksum."""
        return {file.sha256: file.size for file in self.files.values()}


def render(lock: Lock) -> bytes:
    """Return the text of a lock."""
    files = [{"path": path, **file._asdict()} for path, file in sorted(lock.files.items())]
    return (json.dumps({"format": FORMAT, **lock._asdict(), "files": files}, indent=1) + "\n").encode()


def parse(text: bytes, where: str = LOCK) -> Lock:
    """Return the lock that a text has."""
    try:
        found = json.loads(text)
        form = found["format"]
        if form != FORMAT:
            raise HostError(f"{where}: found format {form!r}, expected {FORMAT}: use the version of the collection that the bundle contains")
        files = {entry["path"]: File(*(entry[name] for name in File._fields)) for entry in found["files"]}
        for path, file in files.items():
            if not (_PATH.fullmatch(path) and _SHA256.fullmatch(file.sha256) and isinstance(file.size, int)):
                raise HostError(f"{where}: found the file {path!r} with {file.sha256!r}, expected a relative path and a SHA-256")
        return Lock(*(found[name] for name in _FIELDS), files)
    except (ValueError, LookupError, TypeError) as error:
        raise HostError(f"{where}: found no lock of a bundle: {type(error).__name__}: {error}") from error


def digest_of(text: bytes) -> str:
    """Return the checksum by which a delta names the lock of its older bundle."""
    return hashlib.sha256(text).hexdigest()


def blob(directory: Path, sha256: str) -> Path:
    """Return the path of a blob in the directory of an unpacked bundle."""
    return directory / BLOBS / sha256


def broken(directory: Path, lock: Lock) -> dict[str, str]:
    """Return the files of an unpacked bundle that cannot be used by path, with what was found: no blob, or another checksum."""
    states = {sha256: _state(blob(directory, sha256)) for sha256 in lock.blobs}
    return {path: states[file.sha256] for path, file in sorted(lock.files.items()) if states[file.sha256] != file.sha256}


def _state(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        return f"no readable blob ({error.strerror})"
    return digest.hexdigest()
