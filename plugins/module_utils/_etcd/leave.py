# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove a member from etcd, without risk for the quorum of the others."""

from __future__ import annotations

import shutil
import time
import typing as t
from pathlib import Path

from .._command import run
from . import membership
from .client import Etcd, EtcdError
from .join import POLL_SECONDS, QUORUM_SECONDS, WAITED_FOR, is_active
from .wal import identity

__all__ = ("Leave",)


class Leave:
    """The removal of a member, and of its service and data if this is its host."""

    def __init__(self, params: dict[str, t.Any], *, wait: bool) -> None:
        """Read the state of the cluster and of this host. Refuse a removal that would cost the quorum."""
        self.params = params
        self.etcd = Etcd(params)
        self.etcd.wait_healthy(QUORUM_SECONDS if wait else 0)
        cluster, self.members = membership.read(self.etcd)
        self.cluster_id = f"{cluster:x}"
        self.leaving = next((member for member in self.members if params["name"] in (member.name, f"{member.id:x}")), None)
        own = identity(params["data_directory"])
        staying = [member.id for member in self.members if member != self.leaving]
        is_here = own is not None and own.cluster == cluster and own.member not in staying
        role = ("learner" if self.leaving.learner else "member") if self.leaving else "none"
        self.before = {"name": params["name"], "role": role}
        self.after = {"name": params["name"], "role": "none"}
        if is_here:
            self.before.update(running=is_active(params["unit"]), data="present")
            self.after.update(running=False, data="absent" if params["remove_data"] else "present")
        self.successor = self._successor() if self.leaving else None
        self.steps = self._steps()

    def apply(self) -> None:
        """Hand over leadership, remove the member, and clean up."""
        for step in self.steps:
            getattr(self, f"_{step}")()

    def _successor(self) -> membership.Member | None:
        """Return the next leader if the leader leaves. Refuse if the members that stay have no quorum."""
        health = self.etcd.health(url for member in self.members for url in member.client_urls)
        membership.check_removal(self.leaving, self.members, health)
        if int(self.etcd.call("/v3/maintenance/status").get("leader", 0)) != self.leaving.id:
            return None
        return next(member for member in membership.healthy(self.members, health) if member != self.leaving and not member.learner)

    def _steps(self) -> list[str]:
        steps = []
        if self.successor:
            steps.append("move_leader")
        if self.leaving:
            steps.append("remove")
        if self.before.get("running"):
            steps.append("stop")
        if self.before.get("data") != self.after.get("data"):
            steps.append("delete")
        return steps

    def _move_leader(self) -> None:
        self.etcd.call("/v3/maintenance/transfer-leadership", {"targetID": str(self.successor.id)}, url=self.leaving.client_urls[0])

    def _remove(self) -> None:
        deadline = time.monotonic() + self.params["wait_timeout"]
        while True:
            try:
                self.etcd.call("/v3/cluster/member/remove", {"ID": str(self.leaving.id)})
                return
            except EtcdError as error:
                if error.reason == "member not found":  # the answer to an earlier request was lost
                    return
                if not error.unavailable and error.reason not in WAITED_FOR or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        run("systemctl", "stop", f"{self.params['unit']}.service")

    def _delete(self) -> None:
        shutil.rmtree(Path(self.params["data_directory"], "member"))
