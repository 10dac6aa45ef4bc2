# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record the result of site.yml, so that the floor can bring up the same cluster without Ansible.

The cluster is thus defined in one place: after a change of a role, the next measurement uses it in the floor as well.
"""

from __future__ import annotations

import base64
import json
import subprocess
import tarfile
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

Json = t.Dict[str, t.Any]

HERE = Path(__file__).resolve().parent


def record(inventory: Json, events: list[Json], state: Path, target: Path) -> None:
    """Write the record of a cluster: the files on every host, and the arguments of its modules."""
    given = [(event["host"], event["action"].rpartition(".")[2], event["arguments"]) for event in events if event.get("arguments")]
    hosts = sorted(inventory["_meta"]["hostvars"])
    target.mkdir()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: _record_host(state, target / host, host), hosts))
    for host in hosts:
        jobs = [arguments for name, action, arguments in given if name == host and action == "job"]
        _write(target / host / "packages", sorted({package for job in jobs for package in job.get("packages", [])}))
        _write(target / host / "health", [_health(health) for job in jobs for unit in job.get("units", []) for health in unit.get("health", [])])
        _write(target / host / "images", _images(inventory["_meta"]["hostvars"][host]))
    for host, action, arguments in given:
        if action in ("etcd_auth", "etcd_key"):
            requests = _key_requests(arguments) if action == "etcd_key" else _auth_requests(arguments)
            path = target / host / "etcd-requests"
            before = path.read_text().splitlines() if path.exists() else []
            # Keys come first, before authentication is enabled.
            _write(path, sorted(before + requests, key=lambda line: line.startswith("/v3/auth/")))
        if action == "manifest":
            items = {"apiVersion": "v1", "kind": "List", "items": arguments["objects"]}
            (target / "addons.json").write_text(json.dumps(items))
    _write(target / "hosts", hosts)
    _write(target / "settings", [f'{name}="{value}"' for name, value in _settings(inventory).items()])


def _write(path: Path, lines: t.Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def _record_host(state: Path, target: Path, host: str) -> None:
    target.mkdir()
    command = ["ssh", "-F", str(state / "ssh_config"), host, "python3 -"]
    with (HERE / "record_host.py").open("rb") as script, (target / "record.tar").open("wb") as output:
        subprocess.run(command, stdin=script, stdout=output, check=True)
    with tarfile.open(target / "record.tar") as archive:
        archive.extractall(target, filter="data")
    (target / "record.tar").unlink()


def _health(health: Json) -> str:
    return "|".join(health.get(key) or "" for key in ("url", "ca_path", "certificate_path", "key_path", "condition"))


def _images(variables: Json) -> list[str]:
    mirror = variables["cluster_artifact_mirror"]
    checksums = variables["cluster_artifact_checksums"]
    return [f"{mirror}/{path} {sha256}" for path, sha256 in checksums.items() if path.startswith("images/")]


def _settings(inventory: Json) -> dict[str, str]:
    variables = inventory["_meta"]["hostvars"]
    members = {host: variables[host]["ansible_host"] for host in inventory["etcd"]["hosts"]}
    first = next(iter(variables.values()))
    initial = ",".join(f"{host}=https://{address}:2380" for host, address in members.items())
    bootstrap = {"INITIAL_CLUSTER": initial, "INITIAL_CLUSTER_STATE": "new", "INITIAL_CLUSTER_TOKEN": first["cluster_name"]}
    return {
        "etcd_endpoint": f"https://{next(iter(members.values()))}:2379",
        "etcd_bootstrap": " ".join(f"ETCD_{name}={value}" for name, value in bootstrap.items()),
        "internal_api": "https://master.cfcr.internal:8443",
        "public_api": f"https://{first['cluster_api_host']}:8443",
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _request(path: str, body: Json) -> str:
    return f"{path}|{json.dumps(body)}"


def _key_requests(arguments: Json) -> list[str]:
    return [_request("/v3/kv/put", {"key": _base64(arguments["key"]), "value": _base64(arguments["value"])})]


def _auth_requests(arguments: Json) -> list[str]:
    requests = []
    for role in arguments["roles"]:
        requests.append(_request("/v3/auth/role/add", {"name": role["name"]}))
        for permission in role["permissions"]:
            key = permission["key"]
            keys = {"key": _base64(key), **({"range_end": _base64(key[:-1] + chr(ord(key[-1]) + 1))} if permission.get("prefix") else {})}
            requests.append(_request("/v3/auth/role/grant", {"name": role["name"], "perm": {"permType": "READWRITE", **keys}}))
    for user in arguments["users"]:
        secret = {"password": "@password@"} if user["name"] == "root" else {"options": {"no_password": True}}
        requests.append(_request("/v3/auth/user/add", {"name": user["name"], **secret}))
        requests += [_request("/v3/auth/user/grant", {"user": user["name"], "role": role}) for role in user["roles"]]
    return [*requests, _request("/v3/auth/enable", {})]
