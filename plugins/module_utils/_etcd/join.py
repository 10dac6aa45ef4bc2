# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make this host a member of etcd step by step. Each step is decided on the state after the one before."""

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
# How long a host without data waits for the quorum of a cluster that was bootstrapped before. An election takes less.
QUORUM_SECONDS = 10
# An etcd that started with expired certificates serves renewed ones at once, but its JSON gateway reaches it only after gRPC's backoff: up to 120
# seconds, plus a fifth as jitter.
GATEWAY_SECONDS = 150
# Before the cluster is bootstrapped, no member answers. A member that is starting accepts connections and sends nothing.
BOOTSTRAP_PROBE_SECONDS = 1
# etcd's answers while a change of the members must wait: for connections to be five seconds old, for another learner, for data.
WAITED_FOR = (
    "unhealthy cluster",
    "too many learner members in cluster",
    "re-configuration failed due to not enough started members",
    "can only promote a learner member which is in sync with leader",
    "Peer URLs already exists",
    "member not found",
)


class Join:
    """The steps that make this host a member."""

    def __init__(self, params: dict[str, t.Any], *, wait: bool) -> None:
        """Take the options of the module and read the state. With wait, give a cluster without a quorum time for an election."""
        self.params = params
        self.etcd = Etcd(params)
        self.deadline = time.monotonic() + params["wait_timeout"]
        if params["name"] not in params["members"]:
            raise EtcdError(f"members: found {', '.join(params['members']) or 'no members'}, expected {params['name']} among them")
        self.wanted = membership.Wanted(params["name"], params["members"], params["bootstrapped"])
        self.seen = self._look_for_quorum(QUORUM_SECONDS if wait else 0)
        self.step = membership.decide(self.wanted, self.seen)
        self.steps = membership.steps(self.step)
        self.before = membership.actual_state(self.wanted, self.seen, self.step)
        self.after = membership.desired_state(self.wanted)
        self.cluster_id = f"{self.seen.cluster:x}" if self.seen.cluster is not None else ""

    def apply(self) -> None:
        """Take steps until the host is a member."""
        step = self.step
        while step:
            problem = self._take(step)
            if step == "bootstrap":
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
        """Read the state and decide the next step. While the members elect a leader, wait."""
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
        """Return the state of this host and of the cluster."""
        own = identity(self.params["data_directory"])
        patient = own is not None or self.wanted.bootstrapped
        health = self.etcd.health(self.etcd.endpoints, first=True, timeout=None if patient else BOOTSTRAP_PROBE_SECONDS)
        cluster, members = None, ()
        if "" in health.values():
            self.etcd.prefer(next(url for url, reason in health.items() if not reason))
            cluster, members = membership.read(self.etcd)
            if own is None:
                health.update(self.etcd.health(url for member in members for url in member.client_urls))
        return membership.Seen(own, self._bootstrap_file.exists(), is_active(self.params["unit"]), cluster, members, health)

    def _look_for_quorum(self, seconds: float) -> membership.Seen:
        """Read the state until there is a quorum or the time is up. A host with data, or one that may bootstrap the cluster, needs no quorum."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self._look_through_gateway(GATEWAY_SECONDS if seconds else 0)
            if seen.identity or seen.cluster is not None or not self.wanted.bootstrapped or time.monotonic() > deadline:
                return seen
            time.sleep(POLL_SECONDS)

    def _look_through_gateway(self, seconds: float) -> membership.Seen:
        """Read the state. If a member is healthy but its JSON gateway is unavailable, retry until the time is up."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._look()
            except EtcdError as error:
                if not error.unavailable or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    # The steps, by their names in membership.py.

    def _bootstrap(self) -> None:
        """Bootstrap the cluster together with the others, without waiting for them."""
        self._start_without_data("new", self.wanted.members.items())

    def _set_aside(self) -> None:
        """Move away the data of a member that the cluster has removed."""
        run("systemctl", "stop", f"{self.params['unit']}.service")
        self._move_data()

    def _remove(self) -> None:
        """Remove the entry of the member that this host was before it lost its data."""
        self.etcd.call("/v3/cluster/member/remove", {"ID": str(membership.entry(self.wanted, self.seen).id)})

    def _add(self) -> None:
        """Join the running cluster as a learner."""
        answer = self.etcd.call("/v3/cluster/member/add", {"peerURLs": [self.wanted.peer_url], "isLearner": True})
        own = int(answer["member"]["ID"])
        self._start_without_data("existing", membership.initial_cluster(self.wanted, membership.parse(answer), own))

    def _start(self) -> None:
        """Start the member that has data."""
        systemd.start([self.params["unit"]])

    def _settle(self) -> None:
        """Remove the bootstrap file. From now on the data identifies the cluster."""
        self._bootstrap_file.unlink(missing_ok=True)

    def _update(self) -> None:
        """Update the peer URL of this member in the cluster."""
        body = {"ID": str(self.seen.identity.member), "peerURLs": [self.wanted.peer_url]}
        self.etcd.call("/v3/cluster/member/update", body)

    def _promote(self) -> None:
        """Make the learner a voter."""
        self.etcd.call("/v3/cluster/member/promote", {"ID": str(self.seen.identity.member)})

    def _start_without_data(self, state: str, initial: t.Iterable[tuple[str, str]]) -> None:
        """Start etcd without data, wait until it has a write-ahead log, and remove the bootstrap file that allowed this start."""
        self._move_data()
        text = membership.bootstrap_environment(state, self.params["initial_cluster_token"], initial)
        write_atomically(str(self._bootstrap_file), text.encode(), 0o644)
        try:
            systemd.restart(self.params["unit"])
            while identity(self.params["data_directory"]) is None:
                if time.monotonic() > self.deadline:
                    raise EtcdError(f"{self.params['unit']} does not start: {systemd.journal(self.params['unit'])}")
                time.sleep(POLL_SECONDS)
        finally:
            self._bootstrap_file.unlink(missing_ok=True)

    def _move_data(self) -> None:
        """Rename existing data, so that the new member does not use it. The data directory itself may be a mount point."""
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
    """Return whether the unit is active, or about to be."""
    return run("systemctl", "show", "--property", "ActiveState", "--value", f"{unit}.service").startswith("activ")
