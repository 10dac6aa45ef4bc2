# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory of an SFTP server as a target, by OpenSSH's sftp. The login is a key, and the server's host key must be known."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import typing as t

from .._command import search_path
from .._errors import HostError
from .retention import PARTIAL

__all__ = ("SftpTarget",)

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONNECT_SECONDS = 15
_ECHO = "sftp> "
# The settings of the user do not matter, so that a run by the timer does the same as one from a shell.
_OPTIONS = (
    "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", f"ConnectTimeout={_CONNECT_SECONDS}",
    "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
)  # fmt: skip


class SftpTarget:
    """An existing directory."""

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        """Take the options of the target."""
        for option in ("host", "user"):
            if not re.fullmatch(r"[A-Za-z0-9_:.][A-Za-z0-9_:.-]*", options[option]):
                raise HostError(f"targets: found {option} {options[option]!r}, expected letters, digits and _ : . -")
        if re.search(r'["\\\x00-\x1f]', options["path"]):
            raise HostError(f"targets: found path {options['path']!r}, expected one without quotes and backslashes")
        self._path = options["path"]
        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
        self.name = f"sftp {options['user']}@{host}:{options['port']}{'' if self._path.startswith('/') else ' '}{self._path}"
        files = {"IdentityFile": os.path.expanduser(options["key_path"]), "UserKnownHostsFile": os.path.expanduser(options["known_hosts_path"])}
        for option, path in zip(("key_path", "known_hosts_path"), files.values()):
            if not os.access(path, os.R_OK) or '"' in path:
                raise HostError(f"{self.name}: {option}: found no readable file {path}, expected one on the director")
        given = [argument for name, path in files.items() for argument in ("-o", f'{name}="{path}"')]
        self._command = ["sftp", *_OPTIONS, *given, "-P", str(options["port"]), "-b", "-", f"{options['user']}@{host}"]

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the files."""
        found = {}
        for line in self._run("ls -lna").splitlines():
            fields = line.split(None, 8)
            if len(fields) == 9 and fields[0].startswith("-") and fields[4].isdigit():
                found[fields[8]] = int(fields[4])
        return found

    def put(self, path: str, name: str) -> None:
        """Write a file under another name, and give it its name once it is complete. This rename never replaces a file."""
        if name in self.sizes():
            raise HostError(f"{self.name}: found {name}, expected no such file yet")
        partial = f"{name}{PARTIAL}"
        try:
            self._run(f"put -f {_local(path)} {partial}", f"chmod 0600 {partial}", f"rename -l {partial} {name}", directory=os.path.dirname(path))
        except HostError:
            with contextlib.suppress(HostError):
                self.remove(partial)
            raise

    def get(self, name: str, path: str) -> None:
        """Read a file."""
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._run(f"get {name} {_local(path)}", directory=os.path.dirname(path))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._run(f"rm {name}")

    def _run(self, *lines: str, directory: str | None = None) -> str:
        """Run commands in the directory of the target, and return their output."""
        commands = "\n".join((f'cd "{self._path}"', *lines)) + "\n"
        environment = {"PATH": search_path(os.environ.get("PATH", os.defpath)), "LC_ALL": "C"}
        try:
            # Directors have no AnsibleModule, and so no run_command.
            # pylint: disable-next=ansible-bad-function
            done = subprocess.run(self._command, input=commands, cwd=directory, env=environment, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise HostError(f"{self.name}: found no program sftp on the director; install it (Debian package openssh-client)") from error
        if done.returncode:
            said = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip()) or f"exit code {done.returncode}"
            raise HostError(f"{self.name}: {said}")
        return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(_ECHO))


def _local(path: str) -> str:
    """Return the name of a file in the directory where sftp runs. It takes other characters for patterns."""
    name = os.path.basename(path)
    if not _PLAIN_NAME.fullmatch(name):
        raise ValueError(name)
    return name
