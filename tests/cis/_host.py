# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print what the controls ask of one host, as JSON. It runs on the host, with its Python."""

import glob
import grp
import hashlib
import json
import os
import pwd
import re
import stat
import subprocess
import sys

UNITS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
FILES = ("/etc/cfcr/cni/*", "/etc/etcd/pki/*", "/etc/kubernetes/*", "/etc/kubernetes/pki/*", "/etc/systemd/system/*.service", "/var/lib/etcd")
DOCUMENTS = ("admission.yaml", "audit-policy.yaml", "authentication.yaml", "encryption.yaml", "kube-proxy.yaml")


def flags(unit):
    """Return the flags of the running process of a unit; None if it does not run."""
    pid = subprocess.run(["systemctl", "show", "--property=MainPID", "--value", unit], check=True, capture_output=True, text=True).stdout.strip()
    if pid in ("", "0"):
        return None
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as stream:
        words = stream.read().split("\0")[1:-1]
    return {name[2:]: value for name, _equals, value in (word.partition("=") for word in words)}


def status(path):
    found = os.stat(path)
    owner, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    return {"mode": f"{stat.S_IMODE(found.st_mode):04o}", "owner": owner, "group": group}


def digest(path):
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def document(path):
    """Return a file without the values of secrets."""
    with open(path, encoding="utf-8") as stream:
        return re.sub(r"(secret:).*", r"\1 removed", stream.read())


paths = sorted({path for pattern in (*FILES, *sys.argv[1:]) for path in glob.glob(pattern)})
documents = [path for path in (f"/etc/kubernetes/{name}" for name in DOCUMENTS) if os.path.exists(path)]
json.dump(
    {
        "units": {unit: found for unit in UNITS if (found := flags(unit)) is not None},
        "files": {path: status(path) for path in paths},
        "documents": {path: document(path) for path in documents},
        "authorities": {path: digest(path) for path in paths if path.endswith("ca.crt")},
    },
    sys.stdout,
)
