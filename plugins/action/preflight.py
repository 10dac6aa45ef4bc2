# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the inventory and the hosts: collect plain values, apply the rules, and fail once with all problems."""

from __future__ import annotations

import socket
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.release import __version__ as ansible_version

from ..module_utils._credentials.facts import director_facts
from ..module_utils._errors import HostError
from ..module_utils._store.options import STORE
from ..plugin_utils._catalog.catalog import CatalogError, record
from ..plugin_utils._catalog.ports import HOST_GROUPS, ports_of
from ..plugin_utils._controller.clock import offset
from ..plugin_utils._controller.controller_action import ControllerAction
from ..plugin_utils._controller.director import Director, validated
from ..plugin_utils._controller.groups import REMOVED, staying
from ..plugin_utils._controller.preload import preload
from ..plugin_utils._preflight.bundle import check_content, check_parts
from ..plugin_utils._preflight.contract import Contract
from ..plugin_utils._preflight.director import DirectorHost, check_authorities, check_director, check_restore
from ..plugin_utils._preflight.downloads import check_downloads
from ..plugin_utils._preflight.hosts import Host, Limits, check_clocks, check_controller, check_founding, check_hosts, check_limit, check_living, unknown_routes
from ..plugin_utils._preflight.inventory import GROUPS, Inventory, check_inventory, check_names, check_values
from ..plugin_utils._preflight.job import check_job, job_number
from ..plugin_utils._preflight.problems import Problem, failure, last_line, merge, report
from ..plugin_utils._preflight.start import check_ansible, check_confirmation, check_tags
from ..plugin_utils._preflight.versions import check_versions, check_workers, versions_of_cluster
from ..plugin_utils._update.standing import Member, standing

# Every playbook begins with a task of this action, so Ansible imports it before it forks any process.
preload()

_OPTIONS = {
    "scope": {"type": "str", "choices": ["start", "inventory", "hosts"], "required": True},
    "whole": {"type": "bool", "default": True},
    "versions": {"type": "str", "choices": ["same", "recorded", "planned"], "default": "same"},
    "restores": {"type": "bool", "default": False},
    "operating_systems": {"type": "dict", "default": {}},
    "memory_mib": {"type": "dict", "default": {}},
    "disk_mib": {"type": "dict", "default": {}},
    "worker_free_percent": {"type": "int", "default": 15},
    "clock_skew": {"type": "float", "default": 2.0},
}

_RESOLV_CONF = "/etc/resolv.conf"  # the default of addons_resolvers: in a pod, it lists the name servers of its worker


class ActionModule(ControllerAction):
    """Check the inventory, or the hosts with facts."""

    spec = _OPTIONS

    def answer(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Fail with all problems. If the cluster exists and only single hosts have problems, return them by host."""
        if options["scope"] == "start":
            # Nothing else works in an older Ansible.
            problems = list(check_ansible(ansible_version)) or list(self._start(variables))
            # Not an exception, which older versions of Ansible show with an empty traceback.
            told = "; ".join(map(str, problems))
            return {"changed": False, **({"failed": True, "msg": told} if told else {"problems": {}})}
        contract = Contract(self._loader)
        if options["scope"] == "inventory":
            problems, cluster_exists, returned = self._inventory(options, contract, variables), False, {}
        else:
            problems, cluster_exists, returned = self._hosts(options, contract, variables)
        by_host = {name: [problem for problem in problems if problem.subject == name] for name in variables["ansible_play_hosts_all"] if cluster_exists}
        if len(problems) > sum(map(len, by_host.values())):
            raise AnsibleActionFail(report(problems))
        for warning in returned.pop("warnings", []):
            self._display.warning(warning)
        return {"changed": False, "problems": {name: report(its) for name, its in by_host.items() if its}, **returned}

    def _start(self, variables: dict[str, t.Any]) -> t.Iterator[Problem]:
        """Check the tags, the cluster's name if somebody typed it, and whether a job of AWX keeps its state.

        This task has tag always; its other tags are those of the user's playbook, if it imports ours.
        """
        tags = {str(tag) for tag in self._task.tags} - {"always"}
        yield from check_tags(tags, variables.get("ansible_run_tags", ["all"]), variables.get("ansible_skip_tags", []))
        if "confirm_cluster" in variables:
            # The tasks of a first play do not see the defaults of roles.
            typed, cluster = (self._templar.template(variables.get(name, default)) for name, default in (("confirm_cluster", ""), ("cluster_name", "cfcr")))
            yield from check_confirmation(str(typed), str(cluster))
        yield from self._job(Contract(self._loader), variables)

    def _job(self, contract: Contract, variables: dict[str, t.Any]) -> t.Iterator[Problem]:
        """Check the job of AWX, if there is one."""
        if job_number(variables):
            yield from check_job(contract.of(variables["hostvars"].raw_get(variables["inventory_hostname"])))

    def _inventory(self, options: dict[str, t.Any], contract: Contract, variables: dict[str, t.Any]) -> list[Problem]:
        """Check every host of the inventory, also those outside the play."""
        groups, hostvars = staying(variables["groups"]), variables["hostvars"]
        raw = {host: hostvars.raw_get(host) for host in groups["all"]}
        values, problems = {}, {}
        for host in Inventory(groups, {}).hosts(*GROUPS):
            values[host], problems[host] = check_values(contract.of(raw[host]), contract.options)
        return [
            *self._job(contract, variables),
            # The playbooks that may install other versions set it.
            *check_names(raw, {*contract.options, *(["cluster_release"] if options["versions"] != "same" else [])}),
            *merge(problems),
            *check_inventory(Inventory(groups, values, versions=contract.versions, ports=contract.ports, whole=options["whole"])),
            *(problem for bundle in _bundles(values.values()) for problem in check_content(*bundle)),
        ]

    def _hosts(self, options: dict[str, t.Any], contract: Contract, variables: dict[str, t.Any]) -> tuple[list[Problem], bool, dict[str, t.Any]]:
        """Check the hosts of the play that have facts, and the director, also if it is outside the play.

        Return the problems, whether the cluster exists, because a host with a problem must not stop the others then, and the versions of the
        cluster and of an update that is not finished, with warnings.
        """
        hosts = {}
        names, groups = variables["ansible_play_hosts_all"], staying(variables["groups"])
        for name in names:
            values = contract.of(variables["hostvars"].raw_get(name))
            facts = values.get("ansible_facts", {}).get("cfcr_host")
            if facts:
                own_groups = [group for group in values["group_names"] if group in GROUPS]
                networks = {variable: values[variable] for variable in ("cluster_service_cidr", "cluster_pod_cidr")}
                own = (values["cluster_host_address"], *_name_servers(facts, values))
                hosts[name] = Host(facts, own_groups, ports_of(contract.ports, own_groups, values), networks, *own)
        limits = Limits(**{name: options[name] for name in ("operating_systems", "memory_mib", "disk_mib", "worker_free_percent", "clock_skew")})
        shared = contract.of(variables["hostvars"].raw_get(names[0]))
        director = self._gather_director_facts(shared, variables)
        facts = {name: host.facts for name, host in hosts.items()}
        exists = bool(director.facts.get("authorities"))
        members = contract.addresses("etcd", variables) if options["whole"] else None
        version, recorded = str(shared["cluster_kubernetes_version"]), director.facts.get("versions", {})
        # Programs on hosts of a cluster that does not exist yet are left from another one.
        found = {name: its["releases"] for name, its in facts.items() if exists and "error" not in its}
        silent = [name for name in Inventory(groups, {}).hosts(*HOST_GROUPS) if exists and name not in found]
        try:
            versions = versions_of_cluster(version, recorded, found.values(), silent)
            problems = [*check_versions(version, versions)] if options["versions"] == "same" else []
            all_hosts = {name: Member(group, found.get(name)) for group in HOST_GROUPS for name in groups.get(group, ())}
            update = [director.facts.get(name, {}) for name in ("reached", "following")]
            kept = standing(all_hosts, versions, *update)
        except CatalogError as error:
            raise AnsibleActionFail(str(error)) from error
        # An update drains those that are behind, and completes those that it has begun with.
        workers = {name: found[name] for name in groups.get("worker", ()) if name in found and name not in kept and options["versions"] != "planned"}
        # A run of site.yml by itself may start what a restore has stopped, if the operator wants that.
        unfinished = [] if options["restores"] else list(check_restore(director))
        problems += [
            *check_director(director),
            *check_workers(workers, versions),
            *(unfinished if options["versions"] != "same" else ()),
            *check_controller(_source_address(str(shared["cluster_host_address"])), shared),
            *check_limit(facts, _left_out(groups, names) if exists else [], shared),
            *check_hosts(hosts, limits, {entry["unit"] for entry in contract.ports}),
            *check_founding(members if members and not exists else ()),
            *check_living(hosts, members),
            *check_clocks({**facts, director.name: director.facts}, limits),
            *check_authorities(director, facts),
            *check_parts({name: (contract.of(variables["hostvars"].raw_get(name)), host.groups, host.facts) for name, host in hosts.items()}, versions),
            *check_downloads(shared, versions, {host["architecture"] for host in facts.values() if "error" not in host}),
        ]
        own = {address for group in HOST_GROUPS for address in contract.addresses(group, variables).values()}
        # Playbook remove deletes their routes after it has run site.
        leaving = {contract.of(variables["hostvars"].raw_get(name))["cluster_host_address"] for name in groups.get(REMOVED, ())}
        warnings = [
            *(unknown_routes(hosts, own | leaving) if options["whole"] else ()),
            *map(str, unfinished),
        ]
        return problems, exists, {"warnings": warnings, "versions": record(versions), "kept": kept, "updating": any(update)}

    def _gather_director_facts(self, values: t.Mapping[str, t.Any], variables: dict[str, t.Any]) -> DirectorHost:
        """Return the director with its facts, or with the reason why it has none."""
        name = values["cluster_director"]
        try:
            director = Director(self, name, variables)
            if director.is_local:
                return DirectorHost(name, director_facts(validated(STORE, {"store": values["cluster_store"]})))
            sent = time.time()
            reply = director.execute_module("cfcr.kubernetes.director_facts", {"store": values["cluster_store"]})
            received = time.time()
        except (AnsibleError, HostError) as error:
            return DirectorHost(name, {"error": last_line(str(error))})
        if reply.get("failed"):
            return DirectorHost(name, {"error": failure(reply)})
        facts = reply["ansible_facts"]["cfcr_director"]
        return DirectorHost(name, {**facts, "clock_offset": offset(facts["time"], sent, received)})


def _bundles(values: t.Iterable[t.Mapping[str, t.Any]]) -> set[tuple[str, tuple[str, ...]]]:
    """Return directory and signers of the bundles that hosts use. Other rules tell if one of them is missing."""
    using = [each for each in values if each.get("cluster_artifact_source") == "bundle" and each.get("cluster_bundle")]
    return {(each["cluster_bundle"], tuple(each["cluster_bundle_signers"])) for each in using if each.get("cluster_bundle_signers")}


def _left_out(groups: t.Mapping[str, t.Sequence[str]], reached: t.Collection[str]) -> list[str]:
    """Return the hosts with a firewall that a run does not reach, apart from those that the operator has ignored. A director has none."""
    known = {*reached, *groups.get("ignored", ())}
    return [name for name in Inventory(groups, {}).hosts(*HOST_GROUPS) if name not in known]


def _source_address(host: str) -> str | None:
    """Return the address that the controller's packets to a host have. Connecting a UDP socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return None
        return probe.getsockname()[0]


def _name_servers(facts: t.Mapping[str, t.Any], values: t.Mapping[str, t.Any]) -> tuple[list[str], bool]:
    """Return the name servers of a host, without the cluster's resolver, and whether CoreDNS forwards to those of its worker."""
    found = [address for address in facts.get("nameservers", []) if address != values["dns_address"]]
    return values["dns_upstreams"] or found, _RESOLV_CONF in values.get("addons_resolvers", [_RESOLV_CONF])
