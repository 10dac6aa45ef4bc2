# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the health report of a cluster from the answers of its hosts, its API and its store."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible.errors import AnsibleError

from ..module_utils._credentials.hosts import Hosts, with_indices
from ..module_utils._credentials.info import SPEC, store_info
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store
from ..plugin_utils._catalog.ports import HOST_GROUPS
from ..plugin_utils._catalog.catalog import CatalogError, load
from ..plugin_utils._controller.controller_action import ControllerAction
from ..plugin_utils._controller.deadline import deadline
from ..plugin_utils._controller.director import Director, validated
from ..plugin_utils._controller.groups import REMOVED
from ..plugin_utils._controller.shapes import Prose
from ..plugin_utils._health.findings import Limits
from ..plugin_utils._health.report import Host, report
from ..plugin_utils._health.text import text
from ..plugin_utils._preflight.contract import Contract, Values
from ..plugin_utils._preflight.problems import failure

_GROUPS = ("proxy", "master", "worker", "etcd", "director")
_IGNORED = "ignored"
_STORE_SECONDS = 15  # as for the answer of a host
_OPTIONS = {
    "hosts": {"type": "dict", "required": True},
    "api": {"type": "dict", "required": True},
    "disk_percent": {"type": "int", "default": 85},
    "memory_percent": {"type": "int", "default": 95},
    "clock_skew": {"type": "float", "default": 2.0},
    "certificate_expires_within_days": {"type": "int", "default": 60},
    "rotation_days": {"type": "int", "default": 2},
    "read_store": {"type": "bool", "default": True},
    "etcd_percent": {"type": "int", "default": 80},
    "backup_hours": {"type": "int", "default": 26},
    "backup_expected": {"type": "bool", "default": False},
}


class ActionModule(ControllerAction):
    """Collect plain values, evaluate them, and return the report. The action reads the store itself."""

    spec = _OPTIONS

    def answer(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the report."""
        limits = Limits(**{field.name: options[field.name] for field in dataclasses.fields(Limits)})
        contract = Contract(self._loader)
        healths = {name: health or {"error": "no answer", "attempts": 1} for name, health in options["hosts"].items()}
        for node in (options["api"].get("nodes") or {}).values():  # texts of the kubelets, which may hold anything
            node.update(message=Prose(300)(node["message"], "message"), version=Prose(60)(node["version"], "version"))
        values = contract.of(variables["hostvars"].raw_get(variables["inventory_hostname"]))
        store = self._read_store(values, variables) if options["read_store"] else {}
        addresses = {group: contract.addresses(group, variables) for group in HOST_GROUPS}
        removed = _removed(addresses, store, variables["groups"])
        addresses = {group: {name: address for name, address in its.items() if name not in removed} for group, its in addresses.items()}
        made = report(
            self._hosts(healths, store.get("hosts", {}), removed, contract, variables),
            options["api"],
            store,
            limits,
            members=addresses["etcd"],
            workers=addresses["worker"].values(),
            topology=values["cluster_topology"],
            addresses={address for its in addresses.values() for address in its.values()},
            releases=_releases(store.get("versions")),
        )
        begin = min((health["requested_at"] for health in healths.values() if "requested_at" in health), default=None)
        made["seconds"] = round(time.time() - begin, 1) if begin else None
        return {"changed": False, **made, "text": text(made)}

    def _read_store(self, values: Values, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the rotations in progress and the indices of hosts, as module credential_info does. A store that fails must not prevent the report."""
        try:
            arguments = {"store": values["cluster_store"], "rotating": True}
            director = Director(self, values["cluster_director"], variables)
            with deadline(_STORE_SECONDS):
                if director.is_local:
                    options = validated(SPEC, arguments)
                    return store_info(open_store(options), options)
                reply = director.execute_module("cfcr.kubernetes.credential_info", arguments)
        except (AnsibleError, HostError) as error:
            reply = {"failed": True, "msg": str(error)}
        return {**reply, "msg": failure(reply)} if reply.get("failed") else reply

    def _hosts(
        self, healths: dict[str, t.Any], recorded: Hosts, removed: t.Container[str], contract: Contract, variables: dict[str, t.Any]
    ) -> dict[str, Host]:
        """Return the hosts that were asked and those that are ignored, in the order of the groups."""
        groups, hosts = variables["groups"], {}
        for group in _GROUPS:
            indices = with_indices(recorded, {group: groups.get(group, [])}, complete=True)
            for name in groups.get(group, []):
                if name in healths or name in groups.get(_IGNORED, []):
                    values = contract.of(variables["hostvars"].raw_get(name))
                    health = None if name in groups.get(_IGNORED, []) else healths[name]
                    hosts[name] = Host(
                        group, indices[name]["index"], values["cluster_host_address"], values["cluster_zone"], health, name in removed
                    )
        return hosts


def _removed(addresses: t.Mapping[str, t.Mapping[str, str]], store: Values, groups: t.Mapping[str, t.Sequence[str]]) -> set[str]:
    """Return the hosts of the inventory that leave or have left. One with another address than the recorded one is another machine."""
    own = {name: address for its in addresses.values() for name, address in its.items()}
    recorded = {name for name, entry in (store.get("removals") or {}).items() if own.get(name) == entry["address"]}
    return recorded | set(groups.get(REMOVED, ()))


def _releases(versions: dict[str, str] | None) -> dict[str, str]:
    """Return the version of each component, given the record of the store. An older collection may not know the components of a newer one."""
    if not versions:
        return {}
    try:
        return {name: component["version"] for name, component in load(versions)["components"].items()}
    except CatalogError:
        return {}
