# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of a bundle that a host has: files below one directory, which is a mirror for the host itself and a repository for apt."""

from __future__ import annotations

import contextlib
import json
import os
import tarfile
import typing as t
from pathlib import Path

from .._artifacts.archive import Hashing
from .._errors import HostError
from .._files import make_directory, read, write_atomically
from .._job.system import ALL_OF_THEM, update_lists

__all__ = ("DIRECTORY", "URL", "Part")

DIRECTORY = Path("/var/cache/cfcr/bundle")
URL = f"file://{DIRECTORY}"
APT = Path("/etc/apt")
_RECORD = ".files.json"
_SOURCE = "sources.list.d/cfcr-bundle.list"
# apt_preferences(5): packages of local repositories are preferred to newer ones of others, but replace no newer installed one.
_PREFERENCES = "preferences.d/cfcr-bundle"
_PREFERENCE = 'Package: *\nPin: origin ""\nPin-Priority: 990\n'


class Part:
    """The files that a host must have, by their checksums."""

    def __init__(self, files: t.Mapping[str, str], directory: Path = DIRECTORY, apt: Path = APT) -> None:
        """Take the checksum of each file by its path."""
        self.files, self.directory, self.apt = files, directory, apt
        self.repositories = sorted({path.rpartition("/")[0] for path in files if path.endswith("/Packages")})
        try:
            self.record = json.loads((directory / _RECORD).read_bytes())
        except (OSError, ValueError):
            self.record = {}

    def missing(self) -> list[str]:
        """Return the files that the host does not have as they were written."""
        return sorted(path for path, sha256 in self.files.items() if self.record.get(path) != [sha256, *_stamp(self.directory / path)])

    def obsolete(self) -> list[str]:
        """Return the files of the directory that are not wanted any more."""
        found = [Path(parent, name).relative_to(self.directory).as_posix() for parent, _names, names in os.walk(self.directory) for name in names]
        return sorted(set(found) - {*self.files, _RECORD})

    def is_known_to_apt(self) -> bool:
        """Return whether apt has the repositories as a source."""
        return read(str(self.apt / _SOURCE)) == self._source() and read(str(self.apt / _PREFERENCES)) == _PREFERENCE

    def receive(self, archive: Path) -> None:
        """Write the missing files from an archive that has each under its checksum. All other files stay as they are."""
        wanted: dict[str, list[str]] = {}
        for path in self.missing():
            wanted.setdefault(self.files[path], []).append(path)
        with tarfile.open(archive) as content:
            for entry in content:
                for path in wanted.pop(entry.name, []):
                    self._write(path, entry.name, t.cast("t.BinaryIO", content.extractfile(entry)))
        if wanted:
            raise HostError(f"bundle: found no {', '.join(sorted(path for paths in wanted.values() for path in paths))} in the archive of the controller")

    def tidy(self) -> None:
        """Remove what is not wanted, and tell apt about the rest. The source of apt is there only if apt knows its packages, also after a killed run."""
        source = self.apt / _SOURCE
        source.unlink(missing_ok=True)
        for path in self.obsolete():
            (self.directory / path).unlink()
            with contextlib.suppress(OSError):
                os.removedirs((self.directory / path).parent)
        make_directory(str(self.directory))
        record = {path: [sha256, *_stamp(self.directory / path)] for path, sha256 in self.files.items()}
        write_atomically(str(self.directory / _RECORD), json.dumps(record).encode(), 0o644)
        if not self.repositories:
            return
        write_atomically(str(self.apt / _PREFERENCES), _PREFERENCE.encode(), 0o644)
        new = source.with_suffix(".new")  # a name that apt ignores
        write_atomically(str(new), self._source().encode(), 0o644)
        # Only the lists of this source: others may need a network.
        only = (f"Dir::Etc::sourcelist={new}", "Dir::Etc::sourceparts=/dev/null", "APT::Get::List-Cleanup=false")
        update_lists(*ALL_OF_THEM, *(word for option in only for word in ("-o", option)))
        new.rename(source)

    def _source(self) -> str:
        # Without a signature: the controller has verified that of the bundle, and sends the files over SSH.
        return "".join(f"deb [trusted=yes] file:{self.directory / repository} ./\n" for repository in self.repositories)

    def _write(self, path: str, sha256: str, content: t.BinaryIO) -> None:
        target = self.directory / path
        make_directory(str(target.parent))
        temporary = target.with_name(f".{target.name}.new")
        reader = Hashing(content)
        try:
            with temporary.open("wb") as stream:
                while chunk := reader.read(1 << 20):
                    stream.write(chunk)
            if reader.digest.hexdigest() != sha256:
                raise HostError(f"bundle: {path}: found other content than {sha256} after the transfer. Run again")
            temporary.chmod(0o644)
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
        self.record[path] = [sha256, *_stamp(target)]


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
