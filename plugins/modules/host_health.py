#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_health
short_description: Ask a host and its services how they are
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns how a host is, and how each of its services says that it is, and judges nothing. It changes nothing.
  - It knows the services by what M(cfcr.kubernetes.job) left in C(/etc/cfcr/jobs), and is given nothing but how long it may take. A service
    is asked for its own health only, not for what others say of it.
  - A host that is not reached, or that does not answer in time, is asked again before that is taken for granted.
options:
  seconds:
    description: How long the services of the host are given to answer.
    type: float
    default: 5
  answer_seconds:
    description: How long the host is given to answer, connection included.
    type: float
    default: 15
  confirm_seconds:
    description: How long a host that did not answer is asked again, at least once.
    type: float
    default: 3
  on_failure:
    description:
      - What happens when the host cannot be reached, or cannot run the module.
      - V(report) returns the reason as RV(health.error), so that M(cfcr.kubernetes.health_report) can list all hosts that have one.
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
- name: Ask the host how it is
  cfcr.kubernetes.host_health:
  register: asked

- name: Show the services that are not well
  ansible.builtin.debug:
    msg: "{{ asked.health.jobs.values() | map('dict2items') | flatten | rejectattr('value.healthy') | map(attribute='key') }}"
"""

RETURN = r"""
health:
  description: How the host is.
  returned: always
  type: dict
  contains:
    error:
      description: Why there is nothing else.
      returned: when O(on_failure=report) and the host cannot be reached or cannot run the module
      type: str
      sample: "no answer within 15 seconds"
    asked:
      description: How often the host was asked until it answered, or until it was given up.
      returned: always
      type: int
      sample: 1
    asked_at:
      description: When the question was sent that was answered, in seconds since 1970 (UTC), by the controller's clock.
      returned: success
      type: float
      sample: 1795255000.5
    jobs:
      description: The jobs of the host, and the units of each.
      returned: success
      type: dict
      sample:
        etcd:
          etcd:
            {state: active, healthy: true, problem: null, since: "2026-11-21T16:20:05Z", restarts: 0, outdated: false}
    etcd:
      description:
        - How the member of etcd stands that runs on the host, V(null) where there is none. The problem is an alarm or that it has no leader.
      returned: success
      type: dict
      sample: {role: leader, member_id: 8e9e05c52164694d, has_leader: true, db_mib: 2.1, quota_mib: 2048, problem: null}
    certificates:
      description: What each certificate says, by path; the days left are whole ones, negative after its end. A damaged one has an C(error).
      returned: success
      type: dict
      sample:
        /etc/etcd/pki/server.crt: {common_name: etcd, issuer: cfcr etcd, not_after: "2027-11-21T16:19:44Z", days_left: 364}
    authorities:
      description: What the certificates in each bundle of authorities say, by path.
      returned: success
      type: dict
      sample:
        /etc/etcd/pki/ca.crt:
          - {common_name: cfcr etcd, issuer: cfcr etcd, not_after: "2036-11-18T16:19:41Z", days_left: 3649}
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
      description: Memory in MiB, in all and available.
      returned: success
      type: dict
      sample: {total_mib: 3912, available_mib: 3120}
    disks:
      description: Size and use of each file system that holds what grows, by a path on it.
      returned: success
      type: dict
      sample: {/: {total_mib: 20030, used_percent: 31, inodes_percent: 9}}
    uptime:
      description: Seconds since the host was started.
      returned: success
      type: int
      sample: 86400
    boot_id:
      description: Changes with every start of the host.
      returned: success
      type: str
      sample: 5d0bf2d5-5f1c-4c0a-b0d3-2f6b1b2f1f0e/12
    clock:
      description: The host's clock, in seconds since 1970 (UTC), while the module ran.
      returned: success
      type: float
      sample: 1795255000.25
    clock_offset:
      description: How many seconds the host's clock is ahead of the controller's, as the least and the most that it can be.
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
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import metrics
from ansible_collections.cfcr.kubernetes.plugins.module_utils._files import read
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.resources import DISKS, disks, vitals
from ansible_collections.cfcr.kubernetes.plugins.module_utils._in_time import ask_all
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import descriptor, systemd
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import probe as job_probe
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import reload as job_reload
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import expiry

ETCD = "etcd"
PROPERTIES = ("ActiveState", "SubState", "Result", "MainPID", "NRestarts", "StateChangeTimestampMonotonic")


def own_probes(unit: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return how a unit is asked for its own health: what has a condition asks the API what that thinks of it."""
    return [health for health in unit["health"] if "condition" not in health]


def unit_health(shown: dict[str, str], answers: list[str | None], outdated: bool, now: datetime.datetime) -> dict[str, t.Any]:
    """Return how a unit is, given what systemd shows of it and what it answered."""
    state = shown["ActiveState"]
    ago = time.monotonic() - int(shown["StateChangeTimestampMonotonic"]) / 1e6
    problem = next((answer for answer in answers if answer), None)
    if state != "active":
        said = [text for text in (shown["SubState"], shown["Result"]) if text not in (state, "success", "dead")]
        problem = f"is {state}" + (f" ({', '.join(said)})" if said else "")
    return {
        "state": state,
        "healthy": problem is None,
        "problem": problem,
        "since": (now - datetime.timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "restarts": int(shown["NRestarts"]),
        "outdated": outdated,
    }


def is_outdated(name: str, pid: int) -> bool:
    """Tell whether a unit runs with another configuration than the one that is there, and waits for a restart."""
    if not pid:
        return False
    try:
        text = (systemd.UNITS / f"{name}.service").read_text(encoding="utf-8")
    except OSError:
        return False
    return systemd.running_digest(pid) != systemd.digest(text)


def not_loaded(unit: dict[str, t.Any]) -> str | None:
    """Return which files a unit waits to be reloaded for."""
    reload = unit["reload"]
    return job_reload.problem(reload["url"], {path: job_reload.digest(read(path)) for path in reload["watch"]})


def certificates(paths: t.Iterable[str], now: datetime.datetime) -> dict[str, t.Any]:
    """Return what certificates say, or what is wrong with them."""
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


def look(jobs: list[dict[str, t.Any]], seconds: float) -> dict[str, t.Any]:
    """Ask everything at once, and return what was answered in time."""
    units = {unit["name"]: unit for job in jobs for unit in job["units"]}
    questions: dict[t.Any, t.Callable[[], t.Any]] = {
        (name, number): lambda health=health: job_probe.problem(health)
        for name, unit in units.items()
        for number, health in enumerate(own_probes(unit))
    }
    questions |= {(name, "reload"): lambda unit=unit: not_loaded(unit) for name, unit in units.items() if "reload" in unit}
    if ETCD in units:
        probe = own_probes(units[ETCD])[0]
        questions["etcd"] = lambda: metrics.ask(probe["url"])
    # A hanging disk, or a file server that is gone, is found here.
    questions["disks"] = lambda: disks([*DISKS, *(path for job in jobs for path in job["directories"])])
    if units:
        questions["shown"] = lambda: systemd.show(list(units), *PROPERTIES)
    answers = ask_all(questions, seconds)
    late = f"no answer within {seconds:g} seconds"
    shown = answers.get("shown", {})
    if isinstance(shown, Exception) or len(shown) < len(units):
        raise HostError(f"systemd: {shown or late}")
    now = datetime.datetime.now(datetime.timezone.utc)
    healths = {
        name: unit_health(
            shown[name],
            [_said(answers.get((name, number), f"{probe['url']}: {late}")) for number, probe in enumerate(own_probes(unit))],
            is_outdated(name, int(shown[name]["MainPID"])) or isinstance(answers.get((name, "reload")), str),
            now,
        )
        for name, unit in units.items()
    }
    measured, member = answers.get("disks"), answers.get("etcd")
    leaves = certificates((path for job in jobs for path in job["certificates"]), now)
    return {
        "jobs": {job["name"]: {unit["name"]: healths[unit["name"]] for unit in job["units"]} for job in jobs},
        "etcd": member if isinstance(member, dict) else None,
        "certificates": {path: found[0] for path, found in leaves.items()},
        "authorities": certificates((path for job in jobs for path in job["authorities"]), now),
        "disks": measured if isinstance(measured, dict) else {"/": {"error": _said(measured) or late}},
        **vitals(),
        "clock": time.time(),
    }


def _said(answer: t.Any) -> str | None:
    """Return an answer as a text; what went wrong is one."""
    return f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else answer


def main() -> None:
    """Ask the host and its services how they are."""
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
        health = look(descriptor.read_all(), module.params["seconds"])
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, health={"asked": 1, **health})


if __name__ == "__main__":
    main()
