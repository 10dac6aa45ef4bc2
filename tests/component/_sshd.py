# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real server of OpenSSH on loopback, which accepts one key of the user who runs the tests."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import time
import typing as t

from _etcd import free_ports

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
PidFile {directory}/pid
AuthorizedKeysFile {directory}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
{more}
"""


@dataclasses.dataclass(frozen=True)
class Server:
    """Where the server listens, the key that it accepts, one that it does not, and the file with its host key."""

    port: int
    key: pathlib.Path
    other_key: pathlib.Path
    known_hosts: pathlib.Path


@contextlib.contextmanager
def sshd_running(directory: pathlib.Path, more: str = "") -> t.Iterator[Server]:
    """Run the server."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "found no sshd; run tools/machine"
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    (port,) = free_ports(1)
    (directory / "config").write_text(CONFIG.format(port=port, directory=directory, more=more))
    key = (directory / "host.pub").read_text().split()[:2]
    (directory / "known").write_text(f"[127.0.0.1]:{port} {' '.join(key)}\n")
    os.makedirs("/run/sshd", exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", directory / "config"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Server(port, directory / "user", directory / "other", directory / "known")
    finally:
        process.terminate()
        process.wait()
