# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubeconfigs: their structure, and the file with a certificate of the store for an administrator."""

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

__all__ = ("KubeconfigFile", "kubeconfig")

_MODE = 0o600


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


class KubeconfigFile:
    """A kubeconfig with a certificate of the store: its state, its wanted state, and the change."""

    def __init__(self, options: dict[str, str], credential: Credential) -> None:
        self.name, self._options, self._credential = options["path"], options, credential
        if credential.type != "certificate":
            raise HostError(f"credential {credential.name}: found a kubeconfig for type {credential.type}, expected type certificate")
        self.before, self._owner = self._read()
        reissued = credential.before != credential.after
        self.after = _summary("with the new certificate" if reissued else _digest(self._content()), _MODE)

    def make(self) -> None:
        """Write the file and keep its owner."""
        try:
            make_directory(os.path.dirname(self.name), 0o700)
            write_atomically(self.name, self._content(), _MODE, pwd.getpwuid(self._owner).pw_name)
        except OSError as error:
            raise HostError(f"{self.name}: cannot be written: {error.strerror}") from error

    def _read(self) -> tuple[dict[str, str] | None, int]:
        """Return a summary of the file without secrets, and its owner."""
        try:
            with open(self.name, "rb") as stream:
                status = os.fstat(stream.fileno())
                return _summary(_digest(stream.read()), stat.S_IMODE(status.st_mode)), status.st_uid
        except FileNotFoundError:
            return None, os.geteuid()
        except OSError as error:
            raise HostError(f"{self.name}: cannot be read: {error.strerror}") from error

    def _content(self) -> bytes:
        values = {name: base64.b64encode(value.encode()).decode() for name, value in self._credential.values().items()}
        structure = kubeconfig(
            self._options["cluster"],
            self._options["server"],
            {"certificate-authority-data": values["bundle"]},
            self._options["cluster"],
            {"client-certificate-data": values["certificate"], "client-key-data": values["private_key"]},
        )
        return json.dumps(structure, indent=2).encode() + b"\n"


def _summary(content: str, mode: int) -> dict[str, str]:
    return {"content": content, "mode": f"{mode:04o}"}


def _digest(content: bytes) -> str:
    return f"sha256 {hashlib.sha256(content).hexdigest()}"
