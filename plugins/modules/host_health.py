#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_health
short_description: Return the health of a host and its services
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the resources of a host and the health of each of its services. It changes nothing and applies no limits;
    M(cfcr.kubernetes.health_report) does that.
  - It reads which services there are from the descriptors that M(cfcr.kubernetes.job) leaves in C(/etc/cfcr/jobs). Health checks with a
    C(condition), which ask the API about a service, are left out.
  - If a host cannot be reached, or does not answer in time, the module tries again on a new connection before it gives up.
options:
  seconds:
    description: Seconds for all health checks of the host, which run in parallel.
    type: float
    default: 5
  answer_seconds:
    description: Seconds for the answer of the host, including the connection.
    type: float
    default: 15
  confirm_seconds:
    description: Seconds during which a host that does not answer is tried again. It is tried again at least once.
    type: float
    default: 3
  on_failure:
    description:
      - What to do if the host cannot be reached, cannot run the module, or gives an invalid answer.
      - V(report) returns the reason as RV(health.error), so that M(cfcr.kubernetes.health_report) can list all such hosts.
    type: str
    choices: [fail, report]
    default: fail
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
  - cfcr.kubernetes._attributes.action
seealso:
  - module: cfcr.kubernetes.health_report
  - module: cfcr.kubernetes.host_logs
"""

EXAMPLES = r"""
- name: Gather the health of the host
  cfcr.kubernetes.host_health:
  register: host_health

- name: Show the units that are not healthy
  ansible.builtin.debug:
    msg: "{{ host_health.health.jobs.values() | map('dict2items') | flatten | rejectattr('value.healthy') | map(attribute='key') }}"
"""

RETURN = r"""
health:
  description: The health of the host.
  returned: always
  type: dict
  contains:
    error:
      description: Why there is no health.
      returned: when O(on_failure=report) and the host cannot be reached, cannot run the module, or gives an invalid answer
      type: str
      sample: "no answer within 15 seconds"
    invalid:
      description:
        - V(true) if the host answers, but not with its health. The answer does not have the documented form, or the module failed. Somebody may have
          tampered with the host.
      returned: when O(on_failure=report) and the host gives another answer
      type: bool
      sample: true
    attempts:
      description: Number of attempts to get an answer.
      returned: always
      type: int
      sample: 1
    requested_at:
      description: When the controller sent the request that was answered, by its own clock, in seconds since 1970 (UTC).
      returned: success
      type: float
      sample: 1795255000.5
    jobs:
      description:
        - The jobs of the host by name, and the health of the units of each.
        - RV(ignore:state) is systemd's, RV(ignore:since) the time of its last change, RV(ignore:restarts) the number of automatic restarts. An
          RV(ignore:outdated) unit runs with an older configuration than the one on disk, and waits for a restart or a reload.
      returned: success
      type: dict
      sample:
        etcd:
          etcd:
            {state: active, healthy: true, problem: null, since: "2026-11-21T16:20:05Z", restarts: 0, outdated: false}
    etcd:
      description:
        - The etcd member of the host, V(null) if there is none. RV(ignore:problem) tells of alarms and of a missing leader.
          RV(ignore:received) are the bytes that it has received from each member since it started, by the ID of the member.
          RV(ignore:in_use_mib) is the part of the database that has data; the rest is free after a defragmentation. RV(ignore:members) are the
          members that it knows, V(null) if it does not answer its peers.
      returned: success
      type: dict
      sample:
        {role: leader, member_id: 8e9e05c52164694d, has_leader: true, db_mib: 2.1, in_use_mib: 1.4, quota_mib: 2048, problem: null,
         received: {91bc3c398fb3c146: 169369},
         members: [{id: 8e9e05c52164694d, name: etcd-0, peer_urls: ["https://10.0.0.61:2380"], learner: false}]}
    certificates:
      description:
        - Certificates of the jobs by path. RV(ignore:days_left) is a number of whole days, negative if the certificate has expired.
        - A certificate that cannot be read has only an RV(ignore:error).
      returned: success
      type: dict
      sample:
        /etc/etcd/pki/server.crt: {common_name: etcd, issuer: cfcr etcd, not_after: "2027-11-21T16:19:44Z", days_left: 364}
    bundles:
      description: CA bundles of the jobs by path, with their certificates.
      returned: success
      type: dict
      sample:
        /etc/etcd/pki/ca.crt:
          - {common_name: cfcr etcd, issuer: cfcr etcd, not_after: "2036-11-18T16:19:41Z", days_left: 3649}
    drift:
      description: Things of each job that differ from the state in which it left them. Units that are stopped or outdated are in RV(health.jobs).
      returned: success
      type: dict
      sample: {kubelet: [files /etc/kubernetes/kubelet.yaml]}
    dropping_chains:
      description: Chains of nftables that drop forwarded packets by their policy, and so may drop those of pods. Only of hosts with an overlay network.
      returned: success
      type: list
      elements: str
      sample: [ip filter FORWARD]
    routes:
      description:
        - Addresses of other hosts. C(overlay) has those that flannel sends packets of pods to, C(backends) those of HAProxy's configuration.
      returned: success
      type: dict
      sample: {overlay: [10.0.0.21, 10.0.0.22], backends: []}
    releases:
      description: Version of each component in C(/opt/cfcr/bin). A unit that is outdated may still run another one.
      returned: success
      type: dict
      sample: {kubelet: 1.36.3, containerd: 2.4.2}
    load:
      description: The load averages of 1, 5 and 15 minutes.
      returned: success
      type: list
      elements: float
      sample: [0.31, 0.4, 0.38]
    processors:
      description: Number of processors.
      returned: success
      type: int
      sample: 2
    memory:
      description: Memory in MiB, total and available; of a container, within its limit.
      returned: success
      type: dict
      sample: {total_mib: 3912, available_mib: 3120}
    disks:
      description: Size and usage of the file systems that hold growing data, by a path on each. One that does not respond has only an RV(ignore:error).
      returned: success
      type: dict
      sample: {/: {total_mib: 20030, used_percent: 31, inodes_used_percent: 9}}
    uptime:
      description: Seconds since the host booted.
      returned: success
      type: int
      sample: 86400
    boot_id:
      description: ID of the current boot; changes with every reboot.
      returned: success
      type: str
      sample: 5d0bf2d5-5f1c-4c0a-b0d3-2f6b1b2f1f0e/12
    time:
      description: Time of the host's clock when the module ran, in seconds since 1970 (UTC).
      returned: success
      type: float
      sample: 1795255000.25
    clock_offset:
      description: Lower and upper bound of the seconds that the host's clock is ahead of the controller's. The time of the request is the uncertainty.
      returned: success
      type: list
      elements: float
      sample: [-0.4, 0.3]
"""

import datetime
import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._artifacts.release import active
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import metrics, peers
from ansible_collections.cfcr.kubernetes.plugins.module_utils._files import read
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.forwarding import dropping_chains
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.resources import DISKS, disks, resources
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.routes import routes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._in_time import ask_all
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import descriptor, kernel, records, systemd
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import probe as job_probe
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import reload as job_reload
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import expiry
from ansible_collections.cfcr.kubernetes.plugins.module_utils._timestamp import to_timestamp

ETCD = "etcd"
PROPERTIES = ("ActiveState", "SubState", "Result", "MainPID", "NRestarts", "StateChangeTimestampMonotonic", "ActiveEnterTimestampMonotonic")


def own_checks(unit: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return the health checks that ask the unit itself. One with a condition asks the API about the unit."""
    return [check for check in unit["health"] if "condition" not in check]


def unit_health(properties: dict[str, str], problems: list[str | None], outdated: bool, now: datetime.datetime) -> dict[str, t.Any]:
    """Return the health of a unit, given its properties from systemd and the results of its health checks."""
    state = properties["ActiveState"]
    ago = time.monotonic() - int(properties["StateChangeTimestampMonotonic"]) / 1e6
    problem = next(filter(None, problems), None)
    if state != "active":
        details = [text for text in (properties["SubState"], properties["Result"]) if text not in (state, "success", "dead")]
        problem = f"is {state}" + (f" ({', '.join(details)})" if details else "")
    return {
        "state": state,
        "healthy": problem is None,
        "problem": problem,
        "since": to_timestamp(now - datetime.timedelta(seconds=ago)),
        "restarts": int(properties["NRestarts"]),
        "outdated": outdated,
    }


def is_outdated(name: str, pid: int) -> bool:
    """Tell whether a unit runs with an older configuration than the one on disk, and so waits for a restart."""
    if not pid:
        return False
    try:
        text = (systemd.UNITS / f"{name}.service").read_text(encoding="utf-8")
    except OSError:
        return False
    return systemd.running_digest(pid) != systemd.digest(text)


def lost(unit: dict[str, t.Any], properties: dict[str, str]) -> str | None:
    """Return the parts of the unit's state in the kernel that somebody has removed, or None."""
    if "kernel" not in unit or not kernel.is_settled(int(properties["ActiveEnterTimestampMonotonic"]) / 1e6):
        return None
    return "; ".join(kernel.lost(unit["kernel"])) or None


def not_loaded(unit: dict[str, t.Any]) -> str | None:
    """Return which files the unit has not loaded yet, or None."""
    reload = unit["reload"]
    return job_reload.problem(reload, {path: job_reload.digest(read(path)) for path in reload["watch"]})


def certificates(paths: t.Iterable[str], now: datetime.datetime) -> dict[str, t.Any]:
    """Return the certificates in each file, or why they cannot be read."""
    found: dict[str, t.Any] = {}
    for path in paths:
        try:
            found[path] = [dates.summary(now) for dates in expiry.read(Path(path).read_text(encoding="utf-8", errors="replace"))]
        except OSError as error:
            found[path] = [{"error": error.strerror}]
        except ValueError as error:
            found[path] = [{"error": str(error)}]
        if not found[path]:
            found[path] = [{"error": "no certificate in it"}]
    return found


def collect(jobs: list[dict[str, t.Any]], seconds: float) -> dict[str, t.Any]:
    """Run all probes in parallel, and return the answers that come in time."""
    units = {unit["name"]: unit for job in jobs for unit in job["units"]}
    probes: dict[t.Any, t.Callable[[], t.Any]] = {
        (name, number): lambda check=check: job_probe.problem(check)
        for name, unit in units.items()
        for number, check in enumerate(own_checks(unit))
    }
    probes |= {(name, "reload"): lambda unit=unit: not_loaded(unit) for name, unit in units.items() if "reload" in unit}
    probes["drift"] = records.drift
    vxlan = next(filter(None, (unit.get("kernel", {}).get("vxlan") for unit in units.values())), None)
    if vxlan:
        probes["dropping_chains"] = dropping_chains
        probes["routes"] = lambda: routes(vxlan)
    if ETCD in units:
        url = own_checks(units[ETCD])[0]["url"]
        probes["etcd"] = lambda: metrics.ask(url)
        probes["members"] = peers.members
    # A disk or file server that hangs must not block the other probes.
    probes["disks"] = lambda: disks([*DISKS, *(path for job in jobs for path in job["directories"])])
    if units:
        probes["properties"] = lambda: systemd.show(list(units), *PROPERTIES)
    answers = ask_all(probes, seconds)
    late = f"no answer within {seconds:g} seconds"
    properties = answers.get("properties", {})
    if isinstance(properties, Exception) or len(properties) < len(units):
        raise HostError(f"systemd: {properties or late}")
    now = datetime.datetime.now(datetime.timezone.utc)
    healths = {
        name: unit_health(
            properties[name],
            [
                *(_text(answers.get((name, number), f"{check['url']}: {late}")) for number, check in enumerate(own_checks(unit))),
                lost(unit, properties[name]),
            ],
            is_outdated(name, int(properties[name]["MainPID"])) or isinstance(answers.get((name, "reload")), str),
            now,
        )
        for name, unit in units.items()
    }
    measured, member, members = (answers.get(name) for name in ("disks", "etcd", "members"))
    drift, chains, others = (answers.get(name) for name in ("drift", "dropping_chains", "routes"))
    found = certificates((path for job in jobs for path in job["certificates"]), now)
    return {
        "jobs": {job["name"]: {unit["name"]: healths[unit["name"]] for unit in job["units"]} for job in jobs},
        "etcd": {**member, "members": members if isinstance(members, list) else None} if isinstance(member, dict) else None,
        "certificates": {path: chain[0] for path, chain in found.items()},
        "bundles": certificates((path for job in jobs for path in job["bundles"]), now),
        "disks": measured if isinstance(measured, dict) else {"/": {"error": _text(measured) or late}},
        "drift": drift if isinstance(drift, dict) else {},
        "dropping_chains": chains if isinstance(chains, list) else [],
        "routes": others if isinstance(others, dict) else {"overlay": [], "backends": []},
        "releases": active(),
        **resources(),
        "time": time.time(),
    }


def _text(answer: t.Any) -> str | None:
    """Return the text of an exception; another answer is returned as it is."""
    return f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else answer


def main() -> None:
    """Return the health of the host."""
    module = AnsibleModule(
        argument_spec={
            "seconds": {"type": "float", "default": 5},
            "answer_seconds": {"type": "float", "default": 15},
            "confirm_seconds": {"type": "float", "default": 3},
            "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
        },
        supports_check_mode=True,
    )
    try:
        health = collect(descriptor.read_all(), module.params["seconds"])
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, health={"attempts": 1, **health})


if __name__ == "__main__":
    main()
