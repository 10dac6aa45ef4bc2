# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of site.yml that are killed at a chosen point, and the state that a run leaves, without what differs between two clusters."""

from __future__ import annotations

import difflib
import json
import pathlib
import re
import typing as t

from order_of_points import in_order
from playbook import Run, succeed
from scenario import DIRECTORY, ROOT, addresses, kubectl, on

LOOK = pathlib.Path(__file__).with_name("state_of_host.py")
PLUGINS = ROOT / "tests/interruptions/callback_plugins"
KINDS = "configmaps,daemonsets,deployments,services,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,apiservices,validatingadmissionpolicies"
# Fields that the API server and controllers write.
SERVED = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
# Keys, certificates, what depends on them, and leases, which every cluster has for itself.
RANDOM = [
    (r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", r"(\1)"),
    (r"CFCR_DIGEST=\w+", "(digest)"),
    (r"CFCR_NETWORK_REVISION=\d+", "(revision)"),
    (r"[A-Za-z0-9+/]{40,}={0,2}", "(base64)"),
    (r"\b[0-9a-f]{32,}\b", "(hexadecimal)"),
    (r'kubernetes\.io/revision": "\d+', "revision (a number)"),
    (r'since\\*": [0-9.]+', "since (a time)"),
    (r'"subnet\\*": \\*"[0-9./]+', "subnet (that flannel leased)"),
]


def record(*options: str) -> list[str]:
    """Run site.yml, and return its points in an order that does not depend on which host was faster."""
    path = DIRECTORY / "points"
    path.unlink(missing_ok=True)
    succeed("site.yml", *options, environment=_plugin(CFCR_POINTS_RECORD=str(path)))
    return in_order(path.read_text(encoding="utf-8").splitlines())


def interrupt(point: str, *options: str) -> None:
    """Run site.yml, and kill it at a point."""
    reached = DIRECTORY / "reached"
    reached.unlink(missing_ok=True)
    run = Run("site.yml", *options, environment=_plugin(CFCR_POINTS_HOLD=point, CFCR_POINTS_REACHED=str(reached)))
    run.kill_when(reached.exists, f"reached {point}")


def state() -> dict[str, str]:
    """Return the state of all hosts, of etcd and of the API by name, as comparable text."""
    found: dict[str, t.Any] = {}
    for name in addresses():
        host = look(name)
        found |= {f"{name} {path}": entry for path, entry in host["files"].items()}
        found |= {f"{name} {unit}.service": shown for unit, shown in host["units"].items()}
    found["store"] = sorted(str(path.relative_to(DIRECTORY)) for path in (DIRECTORY / "store").rglob("*") if path.is_file())
    found["etcd members"] = members()
    found |= {f"{obj['kind']} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}": _own(obj) for obj in objects()}
    return {name: _text(value) for name, value in found.items()}


def differences(expected: dict[str, str], found: dict[str, str]) -> str:
    """Return where two states differ."""
    lines = []
    for name in sorted({*expected, *found}):
        before, after = expected.get(name, "(missing)"), found.get(name, "(missing)")
        if before != after:
            sides = (side.replace("\\n", "\n").splitlines() for side in (before, after))
            lines += difflib.unified_diff(*sides, f"{name} undisturbed", f"{name} interrupted", lineterm="", n=1)
    return "\n".join(lines)


def look(name: str) -> dict[str, t.Any]:
    """Return the files, units and certificates of a host."""
    return json.loads(on(name, "python3", "-", input=LOOK.read_text(encoding="utf-8")))


def members() -> list[t.Any]:
    """Return the members of etcd, as etcd-0 knows them."""
    options = ["--endpoints=https://127.0.0.1:2379", "--cacert=/etc/etcd/pki/ca.crt", "--cert=/etc/etcd/pki/server.crt", "--key=/etc/etcd/pki/server.key"]
    listed = json.loads(on("etcd-0", "/opt/cfcr/bin/etcdctl", *options, "--write-out=json", "member", "list"))["members"]
    return [[member["name"], member["peerURLs"], member["clientURLs"], member.get("isLearner", False)] for member in listed]


def objects() -> list[dict[str, t.Any]]:
    """Return the objects that site.yml applies, and the nodes."""
    applied = json.loads(kubectl("get", KINDS, "--all-namespaces", "--selector=applyset.kubernetes.io/part-of", "--output=json"))["items"]
    nodes = json.loads(kubectl("get", "nodes", "--output=json"))["items"]
    return [*applied, *({**node, "spec": {}, "metadata": {"name": node["metadata"]["name"], "labels": node["metadata"]["labels"]}} for node in nodes)]


def _own(obj: dict[str, t.Any]) -> dict[str, t.Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in SERVED}
    own = {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}
    return {**own, "spec": {key: value for key, value in obj["spec"].items() if not key.startswith("clusterIP")}} if obj["kind"] == "Service" else own


def _text(value: t.Any) -> str:
    text = json.dumps(value, indent=1, sort_keys=True)
    for pattern, word in RANDOM:
        text = re.sub(pattern, word, text)
    return text


def _plugin(**variables: str) -> dict[str, str]:
    return {"ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS), "ANSIBLE_CALLBACKS_ENABLED": "interruption_points", **variables}
