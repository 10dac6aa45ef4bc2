# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The downgrade of etcd, against members that are described by their status."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import downgrade as module

URLS = ["https://10.0.0.1:2379", "https://10.0.0.2:2379"]


class Cluster:
    """Members that follow a downgrade some questions after it was enabled."""

    endpoints = URLS

    def __init__(self, versions=("3.7.3", "3.7.3"), follows=3):
        self.versions, self.follows, self.target, self.called = dict(zip(URLS, versions)), follows, "", []

    def call(self, path, body=None, url=None):
        if path == "/v3/maintenance/downgrade":
            self.called.append((body["action"], body["version"]))
            self.target = body["version"] if body["action"] == "ENABLE" else self.target
            return {}
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
