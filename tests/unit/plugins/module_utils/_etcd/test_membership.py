# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import membership
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import EtcdError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.membership import Member, Seen, Wanted
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.wal import Identity

CLUSTER = 0xC
PEERS = {name: f"https://{name}:2380" for name in "abc"}


def member(name, number, *, learner=False, started=True, peer=None):
    return Member(number, name, (peer or PEERS[name],), (f"https://{name}:2379",) if started else (), learner)


A, B, C = (member(name, number) for number, name in enumerate("abc", 1))
ALL = (A, B, C)
HEALTHY = {f"https://{name}:2379": "" for name in "abc"}
DOWN = "connection refused"


def seen(*members, identity=None, health=None, **values):
    cluster = CLUSTER if members else None
    defaults = {"bootstrap_file": False, "active": True}
    return Seen(identity=identity, cluster=cluster, members=members, health={**HEALTHY, **(health or {})}, **{**defaults, **values})


MINE = Identity(member=1, cluster=CLUSTER)
GONE = {"https://a:2379": DOWN}


@pytest.mark.parametrize(
    ("bootstrapped", "found", "step"),
    [
        pytest.param(False, seen(), "bootstrap", id="no data, no cluster"),
        pytest.param(True, seen(*ALL, health=GONE), "remove", id="disk lost"),
        pytest.param(False, seen(*ALL, health=GONE), "remove", id="disk lost before the cluster ID was recorded"),
        pytest.param(True, seen(B, C), "add", id="never joined, or removed"),
        pytest.param(False, seen(B, C), "add", id="scale-out"),
        pytest.param(False, seen(member("a", 1, started=False), B, C), "bootstrap", id="bootstrap member that starts late"),
        pytest.param(True, seen(member("a", 1, started=False), B, C), "remove", id="not started, may have run before"),
        pytest.param(False, seen(member("", 9, learner=True, started=False, peer=PEERS["a"]), B, C), "remove", id="abandoned learner"),
        pytest.param(True, seen(member("a", 9, learner=True), B, C, health=GONE), "remove", id="learner that lost its disk"),
        pytest.param(True, seen(*ALL, identity=MINE), None, id="member"),
        pytest.param(True, seen(identity=MINE), None, id="member without quorum"),
        pytest.param(False, seen(identity=MINE), None, id="member before the cluster ID is recorded"),
        pytest.param(True, seen(*ALL, identity=MINE, active=False), "start", id="stopped"),
        pytest.param(True, seen(identity=MINE, active=False), "start", id="all stopped"),
        pytest.param(True, seen(*ALL, identity=MINE, bootstrap_file=True), "settle", id="interrupted after the log was created"),
        pytest.param(True, seen(member("a", 1, learner=True), B, C, identity=MINE), "promote", id="learner"),
        pytest.param(True, seen(member("a", 1, peer="https://old:2380"), B, C, identity=MINE), "update", id="new peer URL"),
        pytest.param(True, seen(B, C, identity=MINE), "set_aside", id="removed with data"),
        pytest.param(True, seen(member("a", 7), B, C, identity=MINE), "set_aside", id="replaced with data"),
    ],
)
def test_the_next_step_follows_from_the_state_of_the_cluster(bootstrapped, found, step):
    wanted = Wanted("a", PEERS, bootstrapped)
    assert membership.decide(wanted, found) == step
    assert (membership.actual_state(wanted, found, step) != membership.desired_state(wanted)) is (step is not None)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param(
            seen(health={f"https://{name}:2379": DOWN for name in "abc"}),
            "a has no data, and the cluster, which was bootstrapped before, has no quorum: https://a:2379: connection refused; "
            "https://b:2379: connection refused; https://c:2379: connection refused. Bring 2 of its 3 members back, or restore it "
            "from a backup.",
            id="no quorum",
        ),
        pytest.param(seen(*ALL), "https://a:2379: is healthy, although the data directory of a has no data", id="wrong directory"),
        pytest.param(
            seen(*ALL, health={**GONE, "https://c:2379": DOWN}),
            "a cannot be removed: 1 of the 2 other members are healthy, 2 are needed "
            "(b: https://b:2379 is healthy; c: https://c:2379 connection refused)",
            id="two members down",
        ),
        pytest.param(seen(*ALL, identity=Identity(1, 0xD)), "a has data of cluster d, expected data of cluster c", id="member of another cluster"),
    ],
)
def test_an_unsafe_step_is_refused(found, message):
    with pytest.raises(EtcdError) as error:
        membership.decide(Wanted("a", PEERS, True), found)
    assert message in str(error.value)


def test_a_learner_can_always_be_removed_and_the_last_member_never():
    learner = member("a", 9, learner=True)
    membership.check_removal(learner, (learner, B), {})
    with pytest.raises(EtcdError, match="there is no other member"):
        membership.check_removal(A, (A,), HEALTHY)


def test_initial_cluster_includes_members_that_have_not_started():
    joining = Member(9, "", (PEERS["a"],), (), True)
    unstarted = Member(2, "", (PEERS["b"],), (), False)
    two_urls = Member(3, "c", (PEERS["c"], "https://c2:2380"), (), False)
    initial = membership.initial_cluster(Wanted("a", PEERS, True), (joining, unstarted, two_urls), 9)
    assert initial == [("a", PEERS["a"]), ("b", PEERS["b"]), ("c", PEERS["c"]), ("c", "https://c2:2380")]
    assert membership.bootstrap_environment("existing", "t", initial[:2]) == (
        "ETCD_INITIAL_CLUSTER=a=https://a:2380,b=https://b:2380\nETCD_INITIAL_CLUSTER_STATE=existing\nETCD_INITIAL_CLUSTER_TOKEN=t\n"
    )


def test_steps_lead_to_a_voter():
    assert membership.steps("set_aside") == ["set_aside", "add", "promote"]
    assert membership.steps(None) == []
