# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the files, links and units of this host that the collection manages, and its certificates of services and users. Runs on the host."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import stat
import subprocess

DIRECTORIES = [
    "/etc/cfcr", "/etc/cni", "/etc/containerd", "/etc/etcd", "/etc/flannel", "/etc/haproxy", "/etc/kubernetes", "/etc/modules-load.d", "/etc/powerdns",
    "/etc/sysctl.d", "/etc/systemd/resolved.conf.d", "/etc/systemd/system", "/opt/cfcr", "/var/lib/cfcr", "/var/lib/kubelet/pki",
]  # fmt: skip
RELEASES = "/opt/cfcr/releases/"


def describe(path: pathlib.Path) -> list[str]:
    """Return the owner and the mode of a file, and its content or size, or its target."""
    status = path.lstat()
    owner = [pwd.getpwuid(status.st_uid).pw_name, oct(stat.S_IMODE(status.st_mode))]
    if stat.S_ISLNK(status.st_mode):
        return [*owner, os.readlink(path)]
    if not stat.S_ISREG(status.st_mode):
        return owner
    return [*owner, str(status.st_size) if str(path).startswith(RELEASES) else path.read_text(errors="replace")]


def unit_state(name: str) -> list[str]:
    properties = "--property=ActiveState,UnitFileState,NeedDaemonReload"
    return subprocess.run(["systemctl", "show", f"{name}.service", properties], capture_output=True, text=True, check=True).stdout.split()


paths = [path for directory in DIRECTORIES for path in pathlib.Path(directory).rglob("*")] + [pathlib.Path("/etc/resolv.conf")]
jobs = [json.loads(path.read_text()) for path in pathlib.Path("/etc/cfcr/jobs").glob("*.json")]
leaves = [path for path in paths if path.suffix == ".crt" and "ca" not in path.stem.split("-")]
print(
    json.dumps(
        {
            "files": {str(path): describe(path) for path in paths},
            "units": {unit["name"]: unit_state(unit["name"]) for job in jobs for unit in job["units"]},
            "certificates": {str(path): path.read_text() for path in leaves},
        }
    )
)
