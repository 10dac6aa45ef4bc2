# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of an update."""

from __future__ import annotations

DOCUMENTATION = r"""
name: update_plan
short_description: Plan the update of a cluster
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Takes a report of M(cfcr.kubernetes.health_report), and returns the plan of playbook C(update). It contacts no host and changes nothing.
  - Fails with every reason if the update breaks a rule, such as the version skew policy of Kubernetes.
options:
  _input:
    description: The report.
    type: dict
    required: true
  now:
    description: The versions of the cluster.
    type: dict
    required: true
  to:
    description: The version of Kubernetes to update to, or the versions of each project.
    type: raw
    required: true
  policies:
    description: O(ignore:canaries) and O(ignore:max_in_flight) by group, as whole numbers or percentages of the group.
    type: dict
    default: {}
  watch_times:
    description: The values of the hosts by variable, each as seconds, or as the lowest and the highest number of seconds such as V(10-300).
    type: dict
    default: {}
  rollback:
    description: Whether to go back.
    type: bool
    default: false
  emulate:
    description: Whether masters with a new minor emulate the old one until all of them have it.
    type: bool
    default: true
  configuration:
    description: Whether the plan has every host, also those with the wanted versions.
    type: bool
    default: false
  packages:
    description: The result of M(cfcr.kubernetes.host_packages) in check mode, by host. Without it, packages stay as they are.
    type: dict
  reboot:
    description: Which hosts reboot after their packages were upgraded, V(auto), V(always) or V(never).
    type: str
    default: auto
  recreate:
    description: Hosts and groups to recreate, or only V(true) for all hosts.
    type: list
    elements: str
    default: []
  machines:
    description: The states of the machines of role iaas by host. Without it, hosts cannot be recreated.
    type: dict
  volumes:
    description: RV(cfcr.kubernetes.kubernetes_cluster_info#module:volumes).
    type: dict
  drain:
    description: V(auto), V(always) or V(never).
    type: str
    default: auto
  skip_drain:
    description: Workers that are not drained.
    type: list
    elements: str
    default: []
  hosts:
    description: The hosts of the play. Others are left out, because preflight has named a problem of theirs. By default all hosts that answer.
    type: list
    elements: str
  former:
    description:
      - The record of the update before, as M(cfcr.kubernetes.update_record) returns it. If it is not finished, masters may emulate a minor, and the API may
        not answer until the next run.
    type: dict
    default: {}
  obstacles:
    description: The result of M(cfcr.kubernetes.kubernetes_obstacles_info).
    type: dict
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ health_report | cfcr.kubernetes.update_plan(cluster_release, '1.37') }}"
"""

RETURN = r"""
_value:
  description:
    - C(steps) has the steps in their order. Each has a C(phase), the C(group) of its hosts, the C(versions) that they get, C(emulated), the minor that
      masters emulate, C(batches), lists of hosts, C(drain), the reason by worker, C(packages), by host their C(count) and why it will C(reboot),
      and C(recreate), a list of hosts. C(options) has the variables that the steps depend on.
    - C(from) and C(to) are versions, C(id) names the plan, C(left_out) has the reason by host. C(warnings) says what the operator should know, C(unplanned)
      which hosts are behind although O(former) is not finished and has them in no step. These two are no part of the plan that the store keeps.
  type: dict
"""

import re

from ansible.errors import AnsibleFilterError

from ..module_utils._store.updates import reached_in
from ..plugin_utils._catalog.catalog import CatalogError, load, record, releases
from ..plugin_utils._update.plan import ALL, COMPONENTS, Host, Policy, Refused, Release, Request, plan

_NUMBER = re.compile(r"[0-9]{1,4}|[0-9]{1,2}%|100%")
_WATCH_TIME = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
_WATCH_SECONDS = 3600  # BOSH's milliseconds are more
_WHEN = ("auto", "always", "never")
_TRUE = (["true"], ["yes"], ["on"], ["1"])
GROUPS = ("etcd", "master", "proxy", "worker")


def update_plan(
    report,
    now,
    to,
    policies=None,
    watch_times=None,
    rollback=False,
    emulate=True,
    configuration=False,
    packages=None,
    reboot="auto",
    recreate=(),
    machines=None,
    volumes=None,
    drain="auto",
    skip_drain=None,
    hosts=None,
    former=None,
    obstacles=None,
):
    """Return the plan."""
    for option, value in (("drain", drain), ("reboot", reboot)):
        if value not in _WHEN:
            raise AnsibleFilterError(f"update_{option}: found {value!r}, expected one of {', '.join(_WHEN)}")
    for option, values in (watch_times or {}).items():
        for value in values:
            _check_watch_time(option, str(value))
    emulating = {name for name, its in reached_in(former or {}).items() if its["emulated"]}
    found = {
        name: _host(its, hosts is None or name in hosts)._replace(emulates=name in emulating)
        for name, its in report["hosts"].items()
        if its["group"] in GROUPS and its["state"] != "removed"
    }
    unknown = [name for name in skip_drain or [] if name not in found]
    if unknown:
        raise AnsibleFilterError(f"update_skip_drain: found {', '.join(unknown)}, expected hosts of the cluster")
    words = [ALL] if [word.lower() for word in recreate] in _TRUE else recreate
    if unknown := [word for word in words if word not in (ALL, *GROUPS, *found)]:
        raise AnsibleFilterError(f"update_recreate: found {', '.join(unknown)}, expected true, hosts of the cluster, or groups of {', '.join(GROUPS)}")
    try:
        locks = {name: _release(name) for name in releases() if name.count(".") == 1}
        request = Request(
            now=_release(now),
            to=_release(to),
            locks=locks,
            policies={group: _policy(its) for group, its in (policies or {}).items()},
            rollback=rollback,
            begun=bool(former) and not former["finished"],
            planned={name for step in (former or {}).get("steps", ()) for batch in step["batches"] for name in batch},
            emulate=emulate,
            configuration=configuration,
            packages=packages,
            reboot=reboot,
            recreate=words,
            machines=machines,
            volumes=volumes or {},
            drain=drain,
            skip_drain=skip_drain or (),
            api_problem=_api_problem(report),
            obstacles=obstacles,
        )
        return plan(_recorded(found, former) if request.begun else found, request)
    except (CatalogError, Refused) as error:
        raise AnsibleFilterError(str(error)) from error


def _api_problem(report):
    """Return why the API does not list nodes, or nothing."""
    if report["cluster"]["nodes"] is not None:
        return ""
    return "; ".join(its["found"] for its in report["findings"] if its["kind"] in ("access", "endpoint")) or "no list of nodes"


def _release(release):
    catalog = load(release if isinstance(release, dict) else str(release))
    return Release(record(catalog["versions"]), {name: its["version"] for name, its in catalog["components"].items()})


def _host(row, in_play):
    node = row.get("node") or {}
    host = Host(
        row["group"], row["zone"] or "", row.get("releases"), (row.get("etcd") or {}).get("role") == "leader", address=row.get("address") or "",
        kubelet=node["version"] if node.get("ready") else "",
    )  # fmt: skip
    # An ignored host may well run, so the rules count it.
    if row["state"] == "ignored":
        return host._replace(releases=None, silence="is in group ignored")
    return host if in_play or host.releases is None else host._replace(releases=None, silence="has a problem that is named above")


def _check_watch_time(option, value):
    found = _WATCH_TIME.fullmatch(value)
    low, high = (int(number or found[1]) for number in found.groups()) if found else (1, 0)
    if not low <= high <= _WATCH_SECONDS:
        raise AnsibleFilterError(f"{option}: found {value!r}, expected seconds such as 10-300, the lower number first, and {_WATCH_SECONDS} at most")


def _policy(its):
    for name, value in its.items():
        if not _NUMBER.fullmatch(str(value)):
            raise AnsibleFilterError(f"update_{name}: found {value!r}, expected a whole number or a percentage such as 10%")
    return Policy(str(its["canaries"]), str(its["max_in_flight"]))


def _recorded(hosts, former):
    """Return the hosts with what they have by the record of the update that is not finished, if that differs."""
    reached, found = reached_in(former), {}
    emulating = any(its["emulated"] for its in reached.values())
    for name, host in hosts.items():
        components = _release(reached[name]["versions"] if name in reached else former["from"]).components
        recorded = {component: components[component] for component in COMPONENTS[host.group]}
        differs = any((host.releases or recorded).get(component) != version for component, version in recorded.items())
        # A master that has joined while the others emulate does so as well, although no plan has it.
        emulates = host.emulates or (emulating and differs and host.group == "master" and name not in reached)
        found[name] = host._replace(recorded=recorded if differs else None, emulates=emulates)
    return found


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"update_plan": update_plan}
