# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overlay network's leases in etcd."""

from __future__ import annotations

import base64
import json
import sys

from scenario import DIRECTORY, ROOT, addresses, on

sys.path.insert(0, str(ROOT / "collections"))
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.options import find_store  # noqa: E402  as the director finds it

CONFIG, SUBNETS = "/coreos.com/network/config", "/coreos.com/network/subnets"


def etcdctl(*arguments: str) -> str:
    """Run etcdctl as etcd's user root."""
    store = find_store({"backend": "local", "directory": str(DIRECTORY / "store"), "passphrase": None, "versions": 10})
    password = store.get("credentials/etcd-root").secret()["password"]
    pki = "/etc/etcd/pki"
    files = [f"ETCDCTL_CACERT={pki}/ca.crt", f"ETCDCTL_CERT={pki}/server.crt", f"ETCDCTL_KEY={pki}/server.key"]
    user = ["ETCDCTL_USER=root", f"ETCDCTL_PASSWORD={password}"]
    return on("etcd-0", "env", *files, *user, "/opt/cfcr/bin/etcdctl", "--endpoints=https://127.0.0.1:2379", *arguments)


def lease(name: str) -> str | None:
    """Return the key of a host's lease."""
    answer = json.loads(etcdctl("get", "--prefix", SUBNETS, "--write-out=json"))
    for item in answer.get("kvs", []):
        if json.loads(base64.b64decode(item["value"]))["PublicIP"] == addresses()[name]:
            return base64.b64decode(item["key"]).decode()
    return None
