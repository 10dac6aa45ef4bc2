# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Render docs/benchmarks.md from measurements."""

from __future__ import annotations

import statistics
import typing as t
from collections import Counter

VALIDATION = "ansible.builtin.validate_argument_spec"
LONGEST = 15

UPDATES = """\
## Updates
Measured by the tests of scenario `update` (2026-12-01), not by `make bench`: nine hosts on a machine of this size. Clients write and read an object each
five times a second, watch them, and send two requests a second to a NodePort of three pods.

| | time | API requests that failed | acknowledged writes lost | HTTP requests that failed |
|---|---:|---:|---:|---:|
| 1.35.4 to 1.36.3, without clients | 232 s | | | |
| the same with clients, killed twice and resumed, while other tests ran | 340 s | 0 of 2857 | 0 of 1411 | 0 of 680 |
| the way back to 1.35.4 | 193 s | 0 of 1850 | 0 of 916 | 0 of 412 |
| a canary that fails and goes back, on an earlier tree | 85 s | | | |
| 1.35.4 to 1.36.3, to 1.37.1 and to 1.37.2, killed 20 times, while other tests ran | 40 min | 0 of 17,162 | 0 of 8,427 | 0 of 4,577 |
| one worker of a patch, not drained | 21 s | | | |

The versions of all API servers and kubelets and the members of etcd were sampled five times a second: no sample violated the skew policy, and in none were
two members of etcd down. kubespray and kubeasz publish no such figures.
"""

# Durations of other projects, measured once on a machine of the same size, with the same binaries.
PEERS = """\
## Other projects
From the project's study of other projects (kubeasz 3.7.0 of 2026-08-09, eight hosts: 2 masters, 3 workers, 3 etcd; 2 cores, containers as hosts, the same
binaries; kubespray's own documentation). They were not run again here.

| | fresh | second run |
|---|---:|---:|
| kubeasz, without overlay network, DNS and proxy | 179 s | 221 s, 179 changed, both API servers not ready for 64 s |
| kubeasz, results of tasks | 561 ok, 1079 skipped | |
| kubespray, 3 machines, everything cached (docs/developers/vagrant.md) | 13 to 15 min | |
| a bare shell script, nine hosts, without add-ons, images and DNS | 12 to 13 s | |
"""

INTRODUCTION = """\
# Benchmarks
For operators and developers: the duration of a run, compared with a bare shell script that does the same.

`make bench` wrote this page on {date}; do not edit it. Each number is one run. Other work on the machine slows down everything alike, so compare the
ratios first.

| | |
|---|---|
| machine | {cores} cores, {memory} GiB of memory, Linux {kernel}; load average {load} at the start |
| versions | {versions} |

The hosts are containers of this machine, so its cores do the work of Ansible and of all hosts. Three runs are measured:

- **floor**: a bare shell script (`tests/bench/floor`), with one ssh per host, all at once. It downloads the same artifacts from the same mirror and verifies
  them, creates the same certificates with openssl, installs the same configuration and starts the same services. `tools/bench` recorded them on the hosts
  that site.yml had just configured. The script ends when every service is healthy, every node Ready and every add-on available.
- **fresh**: `site.yml` on new hosts, with a warm artifact mirror and no open connection.
- **second run**: `site.yml` again right afterwards, with nothing to change.

Processor time is that of the controller and all hosts together. It hardly depends on other work on the machine.
"""

ROUND_TRIPS = """\
A round trip is one command that Ansible runs on a host by ssh. Tasks that only validate arguments need none, and neither do tasks on a director that is the
controller.
"""

BEYOND = """\
On this machine every further worker shares the cores with all others, so the floor grows as well. Beyond the floor, each further worker
costs a fresh run {:.2f} s (goal: below 1 s).
"""


class Cost(t.NamedTuple):
    """The cost of a run: seconds by the clock, and processor time of the controller and of all hosts."""

    seconds: float
    controller: float
    hosts: float

    @property
    def cpu(self) -> float:
        """Return the total processor time, on which other work has little influence."""
        return self.controller + self.hosts


class Run(t.NamedTuple):
    """One run of site.yml."""

    cost: Cost
    events: list[dict[str, t.Any]]
    round_trips: Counter[str]


class Measurement(t.NamedTuple):
    """Measurements of one cluster: two runs, the floor, and the seconds until each stage of the floor."""

    workers: int
    hosts: int
    fresh: Run
    second: Run
    floor: Cost
    reached: dict[str, float]

    @property
    def costs(self) -> tuple[Cost, Cost, Cost]:
        """Return the costs of the floor and of the two runs."""
        return self.floor, self.fresh.cost, self.second.cost


def render(measurements: list[Measurement], facts: dict[str, t.Any]) -> str:
    """Return the page. Its details are those of the first measurement."""
    first = measurements[0]
    parts = [INTRODUCTION.format(**facts), _summary(first), _effort(first)]
    if len(measurements) > 1:
        parts.append(_growth(measurements))
    parts += [_longest("fresh", first.fresh), _longest("second run", first.second), UPDATES, PEERS]
    return "\n".join(parts)


def tasks(run: Run) -> list[dict[str, t.Any]]:
    """Return the tasks of a run in order, each with its duration in seconds and its results."""
    found: list[dict[str, t.Any]] = []
    for event in run.events:
        if event["event"] == "result":
            found[-1]["results"].append(event["outcome"])
            continue
        if found:
            found[-1]["seconds"] = event["time"] - found[-1]["time"]
        if event["event"] == "task":
            found.append({**event, "seconds": 0.0, "results": []})
    return found


def _table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[t.Any]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def _summary(measured: Measurement) -> str:
    aims = ("", "at most 3.5 times the floor (45 s)", "at most 12 s")
    rows = [
        (name, _seconds(cost.seconds), _ratio(cost.seconds, measured.floor.seconds), _seconds(cost.cpu), _ratio(cost.cpu, measured.floor.cpu), aim)
        for name, cost, aim in zip(("floor", "fresh", "second run"), measured.costs, aims)
    ]
    reached = ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in measured.reached.items())
    head = ("", "time", "ratio to the floor", "processor time", "ratio to the floor", "aim")
    return f"## {measured.hosts} hosts\n{_table(head, rows)}\nThe floor reached: {reached}.\n"


def _ratio(value: float, floor: float) -> str:
    return f"{value / floor:.1f}"


def _effort(measured: Measurement) -> str:
    runs = (measured.fresh, measured.second)
    rows = [
        ("tasks", *(len(tasks(run)) for run in runs)),
        ("of which validate arguments", *(sum(task["action"] == VALIDATION for task in tasks(run)) for run in runs)),
        *((f"results: {outcome}", *(_outcomes(run)[outcome] for run in runs)) for outcome in ("ok", "changed", "skipped")),
        ("remote round trips, all hosts", *(sum(run.round_trips.values()) for run in runs)),
        ("remote round trips per host: fewest, median, most", *(_spread(list(run.round_trips.values())) for run in runs)),
        ("processor time of the controller", *(_seconds(run.cost.controller) for run in runs)),
        ("processor time of the hosts", *(_seconds(run.cost.hosts) for run in runs)),
    ]
    return f"## Tasks and round trips of a run\n{_table(('', 'fresh', 'second run'), rows)}\n{ROUND_TRIPS}"


def _outcomes(run: Run) -> Counter[str]:
    return Counter(outcome for task in tasks(run) for outcome in task["results"])


def _spread(values: list[int]) -> str:
    return f"{min(values)}, {statistics.median(values):g}, {max(values)}"


def _growth(measurements: list[Measurement]) -> str:
    rows = [
        (one.workers, one.hosts, *(_seconds(cost.seconds) for cost in one.costs), _ratio(one.fresh.cost.seconds, one.floor.seconds),
         *(_seconds(cost.cpu) for cost in one.costs), f"{max(one.fresh.round_trips.values())}, {max(one.second.round_trips.values())}")
        for one in measurements
    ]
    first, last = measurements[0], measurements[-1]
    workers = last.workers - first.workers
    growth = [[(after - before) / workers for before, after in zip(*costs)] for costs in zip(first.costs, last.costs)]
    time = [seconds for seconds, _controller, _hosts in growth]
    cpu = [controller + hosts for _clock, controller, hosts in growth]
    rows.append(("**each further worker**", "", *(f"{value:.2f} s" for value in time), "", *(f"{value:.2f} s" for value in cpu), ""))
    head = ("workers", "hosts", "floor", "fresh", "second run", "fresh to floor", "processor time: floor", "fresh", "second run", "most round trips of a host")
    return f"## Growth\n{_table(head, rows)}\n{BEYOND.format(time[1] - time[0])}"


def _longest(title: str, run: Run) -> str:
    total: Counter[str] = Counter()
    results: Counter[str] = Counter()
    for task in tasks(run):
        name = "(validation of arguments, all roles)" if task["action"] == VALIDATION else task["name"].removeprefix("cfcr.kubernetes.")
        total[name] += task["seconds"]
        results[name] += len(task["results"])
    longest = total.most_common(LONGEST)
    rows = [(name, results[name], _seconds(seconds), f"{100 * seconds / run.cost.seconds:.0f} %") for name, seconds in longest]
    known = sum(total.values())
    rest = [
        (f"({len(total) - len(longest)} other tasks)", "", _seconds(known - sum(seconds for _name, seconds in longest)), ""),
        ("(start and end of ansible-playbook)", "", _seconds(run.cost.seconds - known), ""),
    ]
    return f"## Where the time goes: {title}\n{_table(('task', 'results', 'time', 'share'), [*rows, *rest])}"
