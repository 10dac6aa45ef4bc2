# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backend in a directory on the director: one file of mode 0600 for each document with its versions, replaced under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import typing as t

from .._errors import HostError
from .._files import make_directory, write_atomically
from .store import Conflict, Document

__all__ = ("LocalBackend",)


class LocalBackend:
    """A directory."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self._directory = os.path.expanduser(options["directory"])
        self._kept_versions = options["versions"]

    def __str__(self) -> str:
        return self._directory

    def where(self, name: str) -> str:
        return os.path.join(self._directory, f"{name}.json")

    def names(self, kind: str) -> list[str]:
        directory = os.path.join(self._directory, kind)
        try:
            return sorted(entry[: -len(".json")] for entry in os.listdir(directory) if entry.endswith(".json"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise HostError(f"{directory}: cannot be read: {error.strerror}") from error

    def read(self, name: str) -> Document | None:
        versions = self.history(name)
        return versions[-1] if versions else None

    def history(self, name: str) -> list[Document]:
        return [Document(version["version"], version) for version in _load(self.where(name))]

    def write(self, name: str, content: dict[str, t.Any], version: int) -> None:
        path = self.where(name)
        try:
            with self._lock():
                versions = _load(path)
                if version != (versions[-1]["version"] if versions else 0):
                    raise Conflict(name)
                if os.path.dirname(path) != self._directory:
                    _prepare(os.path.dirname(path))
                kept = [*versions, {"version": version + 1, **content}][-self._kept_versions :]
                owner = pwd.getpwuid(os.geteuid()).pw_name
                write_atomically(path, json.dumps({"versions": kept}, indent=1).encode() + b"\n", 0o600, owner)
        except OSError as error:
            raise HostError(f"{path}: cannot be written: {error.strerror}; it is unchanged") from error

    @contextlib.contextmanager
    def _lock(self) -> t.Iterator[None]:
        if not os.path.isdir(self._directory):
            make_directory(self._directory, 0o700)
        descriptor = os.open(os.path.join(self._directory, ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _prepare(directory: str) -> None:
    """Create the directory of a kind, and remove temporary files of killed runs; the lock keeps other writers out."""
    make_directory(directory, 0o700)
    for entry in os.scandir(directory):
        if entry.name.startswith(".") and entry.name.endswith(".tmp"):
            os.unlink(entry.path)


def _load(path: str) -> list[dict[str, t.Any]]:
    """Return the versions in a file."""
    try:
        with open(path, "rb") as stream:
            content = json.load(stream)
        versions = content["versions"]
        if not versions or not all(isinstance(version["version"], int) for version in versions):
            raise ValueError("not a file of a store")
        return versions
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError(f"{path}: damaged, restore it from a backup ({error}); nothing was changed") from error
