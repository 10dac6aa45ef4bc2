# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making this host a member of etcd: one step after the other, each decided on what is seen then."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from .._command import run
from .._files import write_atomically
from .._job import systemd
from . import membership
from .client import Etcd, EtcdError
from .wal import identity

__all__ = ("Join", "is_active")

POLL_SECONDS = 0.1
# How long a host without data waits for a cluster that was founded before: longer than an election takes.
QUORUM_SECONDS = 10
# Before the cluster is founded nobody answers, and a member that is starting accepts connections and stays silent.
FOUNDING_PROBE_SECONDS = 1
# What etcd answers while a change of the members must wait: for connections of five seconds' age, for another learner, for data.
WAITED_FOR = (
    "unhealthy cluster",
    "too many learner members in cluster",
    "re-configuration failed due to not enough started members",
    "can only promote a learner member which is in sync with leader",
    "Peer URLs already exists",
    "member not found",
)


class Join:
    """What this host is, what it must become, and how."""

    def __init__(self, params: dict[str, t.Any], *, wait: bool) -> None:
        """Take the options of the module and read the state; with wait, give a cluster without quorum the time of an election."""
        self.params = params
        self.etcd = Etcd(params)
        self.deadline = time.monotonic() + params["wait_timeout"]
        if params["name"] not in params["members"]:
            raise EtcdError(f"{params['name']} is not in members ({', '.join(params['members']) or 'which is empty'})")
        self.wanted = membership.Wanted(params["name"], params["members"], params["founded"])
        self.seen = self._look_for_quorum(QUORUM_SECONDS if wait else 0)
        self.step = membership.decide(self.wanted, self.seen)
        self.steps = membership.steps(self.step)
        self.before = membership.standing(self.wanted, self.seen, self.step)
        self.after = membership.target(self.wanted)
        self.cluster_id = f"{self.seen.cluster:x}" if self.seen.cluster is not None else ""

    def apply(self) -> None:
        """Take steps until there is nothing left to do."""
        step = self.step
        while step:
            problem = self._take(step)
            if step == "found":
                return
            if problem:
                self._wait(f"{step}: {problem}")
            step = self._next_step(step)

    def _take(self, step: str) -> str | None:
        """Take a step, or return why it must wait."""
        try:
            getattr(self, f"_{step}")()
        except EtcdError as error:
            if not error.unavailable and error.reason not in WAITED_FOR:
                raise
            return str(error)
        return None

    def _next_step(self, done: str) -> str | None:
        """Look again and decide. Members without a leader, while they elect one, are a reason to wait, not to decide."""
        while True:
            try:
                self.seen = self._look()
                if self.seen.cluster is not None or done in ("start", "settle"):
                    return membership.decide(self.wanted, self.seen)
                problem = "no member knows a leader"
            except EtcdError as error:
                if not error.unavailable:
                    raise
                problem = str(error)
            self._wait(f"after {done}: {problem}")

    def _look(self) -> membership.Seen:
        """Return what there is on this host and in the cluster."""
        own = identity(self.params["data_directory"])
        patient = own is not None or self.wanted.founded
        health = self.etcd.health(self.etcd.endpoints, first=True, timeout=None if patient else FOUNDING_PROBE_SECONDS)
        cluster, members = None, ()
        if "" in health.values():
            self.etcd.prefer(next(url for url, reason in health.items() if not reason))
            cluster, members = membership.read(self.etcd)
            if own is None:
                health.update(self.etcd.health(url for member in members for url in member.client_urls))
        return membership.Seen(own, self._bootstrap_file.exists(), is_active(self.params["unit"]), cluster, members, health)

    def _look_for_quorum(self, seconds: float) -> membership.Seen:
        """Look until there is a quorum or the time is over; a host with data needs none, nor does one that may found it."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self._look()
            if seen.identity or seen.cluster is not None or not self.wanted.founded or time.monotonic() > deadline:
                return seen
            time.sleep(POLL_SECONDS)

    # The steps, by their names in _etcd_membership.

    def _found(self) -> None:
        """Found the cluster together with the others, without waiting for them."""
        self._bootstrap("new", self.wanted.members.items())

    def _set_aside(self) -> None:
        """Move the data of a member away that the cluster has removed."""
        run("systemctl", "stop", f"{self.params['unit']}.service")
        self._move_data()

    def _remove(self) -> None:
        """Remove the entry of the member that this host was before it lost its data."""
        self.etcd.call("/v3/cluster/member/remove", {"ID": str(membership.entry(self.wanted, self.seen).id)})

    def _add(self) -> None:
        """Become a learner of the living cluster."""
        answer = self.etcd.call("/v3/cluster/member/add", {"peerURLs": [self.wanted.peer_url], "isLearner": True})
        own = int(answer["member"]["ID"])
        self._bootstrap("existing", membership.initial_cluster(self.wanted, membership.parse(answer), own))

    def _start(self) -> None:
        """Start the member that has data."""
        systemd.start([self.params["unit"]])

    def _settle(self) -> None:
        """Remove the bootstrap file: the data says from here on which cluster this is."""
        self._bootstrap_file.unlink(missing_ok=True)

    def _update(self) -> None:
        """Tell the others where this member is now."""
        body = {"ID": str(self.seen.identity.member), "peerURLs": [self.wanted.peer_url]}
        self.etcd.call("/v3/cluster/member/update", body)

    def _promote(self) -> None:
        """Make the learner a voter."""
        self.etcd.call("/v3/cluster/member/promote", {"ID": str(self.seen.identity.member)})

    def _bootstrap(self, state: str, initial: t.Iterable[tuple[str, str]]) -> None:
        """Start etcd without data, wait until it has a log, and remove the bootstrap file that allowed this start."""
        self._move_data()
        text = membership.bootstrap(state, self.params["initial_cluster_token"], initial)
        write_atomically(str(self._bootstrap_file), text.encode(), 0o644)
        try:
            systemd.restart(self.params["unit"])
            while identity(self.params["data_directory"]) is None:
                if time.monotonic() > self.deadline:
                    raise EtcdError(f"{self.params['unit']} does not start; it says: {systemd.journal(self.params['unit'])}")
                time.sleep(POLL_SECONDS)
        finally:
            self._bootstrap_file.unlink(missing_ok=True)

    def _move_data(self) -> None:
        """Rename what there is, so that a new member takes nothing for its own. The directory itself may be a mount point."""
        data = Path(self.params["data_directory"], "member")
        if data.exists():
            data.rename(data.with_name(f"member.removed-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09}"))

    @property
    def _bootstrap_file(self) -> Path:
        return Path(self.params["bootstrap_file"])

    def _wait(self, problem: str) -> None:
        if time.monotonic() > self.deadline:
            raise EtcdError(f"{self.wanted.name} has not joined within {self.params['wait_timeout']:g} seconds: {problem}")
        time.sleep(POLL_SECONDS)


def is_active(unit: str) -> bool:
    """Say whether systemd runs the unit, or is about to."""
    return run("systemctl", "show", "--property", "ActiveState", "--value", f"{unit}.service").startswith("activ")
