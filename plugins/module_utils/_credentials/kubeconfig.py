# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubeconfigs: their structure, their file, and the file with a certificate of the store for an administrator."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import stat
import typing as t

from .._errors import HostError
from .._files import make_directory, write_atomically

if t.TYPE_CHECKING:
    from .credentials import Credential

__all__ = ("MODE", "KubeconfigFile", "digest", "embedded", "kubeconfig", "self_contained", "write")

MODE = 0o600


def kubeconfig(cluster: str, server: str, authority: dict[str, str], user: str, client: dict[str, str]) -> dict[str, t.Any]:
    """Return the structure for one user of one cluster. The caller gives CA and client certificate by file or by value."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, **authority}}],
        "users": [{"name": user, "user": client}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    }


def embedded(cluster: str, server: str, bundle: str, certificate: str, private_key: str) -> dict[str, t.Any]:
    """Return a kubeconfig that holds CA bundle, certificate and key."""
    authority, public, private = (base64.b64encode(pem.encode()).decode() for pem in (bundle, certificate, private_key))
    client = {"client-certificate-data": public, "client-key-data": private}
    return kubeconfig(cluster, server, {"certificate-authority-data": authority}, cluster, client)


def self_contained(cluster: str, server: str, bundle: str, certificate: str, private_key: str) -> bytes:
    """Return the content of a file with such a kubeconfig."""
    return json.dumps(embedded(cluster, server, bundle, certificate, private_key), indent=2).encode() + b"\n"


def write(path: str, content: bytes, owner: int) -> None:
    """Write a file that nobody but its owner can read."""
    try:
        make_directory(os.path.dirname(path), 0o700)
        write_atomically(path, content, MODE, pwd.getpwuid(owner).pw_name)
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error


def digest(content: bytes) -> str:
    """Return the content of a file for a diff, without its secrets."""
    return f"sha256 {hashlib.sha256(content).hexdigest()}"


class KubeconfigFile:
    """A kubeconfig with a certificate of the store: its state, its wanted state, and the change."""

    def __init__(self, options: dict[str, str], credential: Credential) -> None:
        self.name, self._options, self._credential = options["path"], options, credential
        if credential.type != "certificate":
            raise HostError(f"credential {credential.name}: found a kubeconfig for type {credential.type}, expected type certificate")
        self.before, self._owner = self._read()
        reissued = credential.before != credential.after
        self.after = _summary("with the new certificate" if reissued else digest(self._content()), MODE)

    def make(self) -> None:
        """Write the file and keep its owner."""
        write(self.name, self._content(), self._owner)

    def _read(self) -> tuple[dict[str, str] | None, int]:
        """Return a summary of the file without secrets, and its owner."""
        try:
            with open(self.name, "rb") as stream:
                status = os.fstat(stream.fileno())
                return _summary(digest(stream.read()), stat.S_IMODE(status.st_mode)), status.st_uid
        except FileNotFoundError:
            return None, os.geteuid()
        except OSError as error:
            raise HostError(f"{self.name}: cannot be read: {error.strerror}") from error

    def _content(self) -> bytes:
        values = self._credential.values()
        return self_contained(self._options["cluster"], self._options["server"], values["bundle"], values["certificate"], values["private_key"])


def _summary(content: str, mode: int) -> dict[str, str]:
    return {"content": content, "mode": f"{mode:04o}"}
