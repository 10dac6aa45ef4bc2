# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The downgrade of etcd, against members that are described by their status."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import EtcdError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import downgrade as module

URLS = ["https://10.0.0.1:2379", "https://10.0.0.2:2379"]


class Cluster:
    """Members that follow a downgrade some questions after it was enabled."""

    endpoints = URLS

    def __init__(self, versions=("3.7.3", "3.7.3"), follows=3, target=""):
        self.versions, self.follows, self.target, self.called = dict(zip(URLS, versions)), follows, target, []
        self.cancels = True

    def call(self, path, body=None, url=None):
        if path == "/v3/maintenance/downgrade":
            self.called.append((body["action"], body.get("version")))
            self.target = {"ENABLE": body.get("version"), "CANCEL": "" if self.cancels else self.target}.get(body["action"], self.target)
            return {}
        if self.versions[url] is None:
            raise EtcdError("refused", unavailable=True)
        self.follows -= bool(self.target)
        info = {"downgradeInfo": {"enabled": True, "targetVersion": f"{self.target}.0"}} if self.target else {}
        return {"version": self.versions[url], "storageVersion": f"{self.target}.0" if self.target and self.follows < 0 else "3.7.0", **info}


@pytest.fixture(autouse=True)
def pause(monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0)


def test_it_is_enabled_and_awaited():
    cluster = Cluster()
    assert module.downgrade(cluster, "3.6", 60, check_mode=False) == {"changed": True, "storage": dict.fromkeys(URLS, "3.6.0")}
    assert cluster.called == [("VALIDATE", "3.6"), ("ENABLE", "3.6")]
    assert not module.downgrade(cluster, "3.6", 60, check_mode=False)["changed"] and len(cluster.called) == 2


@pytest.mark.parametrize("versions", [("3.6.16", "3.6.16"), ("3.6.16", "3.7.3")])
def test_with_a_member_of_that_minor_there_is_nothing_to_prepare(versions):
    cluster = Cluster(versions)
    assert not module.downgrade(cluster, "3.6", 60, check_mode=False)["changed"] and cluster.called == []


def test_check_mode_asks_only():
    cluster = Cluster()
    assert module.downgrade(cluster, "3.6", 60, check_mode=True)["changed"] and cluster.called == []


def test_a_member_that_does_not_follow_is_named():
    with pytest.raises(HostError, match=r"found storage versions https://10.0.0.1:2379 has 3.7.0, .* after 0 seconds, expected 3.6"):
        module.downgrade(Cluster(follows=99), "3.6", 0, check_mode=False)


def test_a_downgrade_that_was_given_up_is_cancelled():
    """Otherwise, members of 3.7 would store the format of 3.6 for ever."""
    cluster = Cluster(target="3.6", follows=0)
    assert module.cancel(cluster, "3.7", 60, check_mode=True)["changed"] and cluster.called == []
    assert module.cancel(cluster, "3.7", 60, check_mode=False) == {"changed": True, "storage": dict.fromkeys(URLS, "3.7.0")}
    assert cluster.called == [("CANCEL", None)]
    assert not module.cancel(cluster, "3.7", 60, check_mode=False)["changed"] and len(cluster.called) == 1


def test_a_dead_member_does_not_prevent_a_cancellation():
    assert module.cancel(Cluster((None, "3.7.3"), target="3.6"), "3.7", 60, check_mode=False)["changed"]
    assert module.cancel(Cluster((None, None)), "3.7", 60, check_mode=False) == {"changed": False, "storage": {}}


def test_a_downgrade_to_the_wanted_minor_stays():
    cluster = Cluster(("3.6.16", "3.7.3"), target="3.6")
    assert not module.cancel(cluster, "3.6", 60, check_mode=False)["changed"] and cluster.called == []


def test_a_cancellation_without_effect_is_named():
    """etcd answers it with success also if it has failed."""
    cluster = Cluster(target="3.6")
    cluster.cancels = False
    with pytest.raises(HostError, match=r"found that https://10.0.0.1:2379 still has the downgrade to 3.6, .* after 0 seconds, expected it to be cancelled"):
        module.cancel(cluster, "3.7", 0, check_mode=False)


@pytest.mark.parametrize(
    ("versions", "seconds", "storage"),
    [
        (("3.7.3", "3.7.3"), 60, ["3.7.0", "3.7.0"]),
        ((None, "3.7.3"), 60, ["3.7.0"]),
        ((None, None), 0, []),
    ],
)
def test_what_members_store(versions, seconds, storage):
    assert list(module.stored(Cluster(versions), "3.6", seconds)["storage"].values()) == storage


def test_a_newer_format_is_awaited_unless_a_member_is_older():
    """The leader raises the version some seconds after the last member has begun to run."""

    class Late(Cluster):
        def call(self, path, body=None, url=None):
            self.follows -= 1
            return {**super().call(path, body, url), "storageVersion": "3.7.0" if self.follows < 0 else "3.6.0"}

    assert "3.7.0" in module.stored(Late(follows=5), "3.6", 60)["storage"].values()
    assert set(module.stored(Late(("3.6.16", "3.7.3"), follows=99), "3.6", 60)["storage"].values()) == {"3.6.0"}
