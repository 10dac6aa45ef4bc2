# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The member of etcd whose snapshot becomes a backup."""

from __future__ import annotations

import re

from ansible_collections.cfcr.kubernetes.plugins.filter.backup_member import FilterModule

backup_member = FilterModule().filters()["backup_member"]

QUORUM = {"voters": 3, "healthy": 3, "needed": 2, "reached": True}


def member(name, **changes):
    return {"name": name, "healthy": True, "learner": False, "client_urls": [f"https://{name}:2379"], **changes}


def answer(*members, leader="etcd-0", reached=True, **changes):
    return {"quorum": {**QUORUM, "reached": reached}, "leader": leader, "members": list(members), "problems": {}, **changes}


THREE = [member(f"etcd-{number}") for number in range(3)]


def test_a_follower_is_chosen():
    asked = {f"etcd-{number}": answer(*THREE) for number in range(3)}
    assert backup_member(asked) == {"host": "etcd-1", "url": "https://etcd-1:2379", "problem": ""}
    assert backup_member({name: {**its, "leader": "etcd-1"} for name, its in asked.items()})["host"] == "etcd-0"


def test_the_leader_is_better_than_nothing():
    assert backup_member({"etcd-0": answer(THREE[0])})["host"] == "etcd-0"
    assert backup_member({"etcd-0": answer(*THREE), "etcd-1": {"unreachable": True, "msg": "no route"}})["host"] == "etcd-0"


def test_members_that_cannot_serve_are_left_out():
    members = [THREE[0], member("etcd-1", healthy=False), member("etcd-2", learner=True), member("etcd-3", client_urls=[]), member("etcd-4")]
    assert backup_member({name: answer(*members) for name in ("etcd-0", "etcd-1", "etcd-2", "etcd-3", "etcd-4")})["host"] == "etcd-4"


def test_a_host_without_quorum_is_no_witness():
    alone = answer(reached=False, problems={"https://etcd-1:2379": "connection refused"})
    assert backup_member({"etcd-0": alone, "etcd-1": answer(*THREE), "etcd-2": answer(*THREE)})["host"] == "etcd-1"
    problem = backup_member({"etcd-0": alone, "etcd-1": {"failed": True, "msg": "timed out"}})["problem"]
    assert re.search("found no quorum, expected one.*etcd-0: https://etcd-1:2379: connection refused. etcd-1: timed out", problem)


def test_names_of_members_that_no_host_has():
    assert "expected one of etcd-0, etcd-1, etcd-2" in backup_member({"other": answer(*THREE)})["problem"]
    assert "no host was asked" in backup_member({})["problem"]
