# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of role update."""

from __future__ import annotations

import pytest
from _role_variables import renderer

render = renderer("update/vars/main.yml")
HOSTS = {"etcd-0": "10.0.0.1", "worker-0": "10.0.0.2", "worker-1": "10.0.0.3", "worker-2": "10.0.0.4"}
READY, NOT_READY = {"ready": True}, {"ready": False}
NODES = {address: READY for name, address in HOSTS.items() if name.startswith("worker")}
REFUSAL = "GET /api/v1/nodes: 403 Forbidden"


@pytest.mark.parametrize(
    ("api", "found"),
    [
        ({}, ""),
        ({"endpoint": {"problem": "timed out"}}, "timed out"),
        ({"nodes": None, "refusal": REFUSAL}, REFUSAL),
        ({"nodes": None}, "the API does not list nodes"),
        ({"nodes": {**NODES, "10.0.0.2": NOT_READY}}, "10.0.0.2 is not ready"),
        ({"nodes": {"10.0.0.3": READY, "10.0.0.4": READY}}, "10.0.0.2 is not ready"),
        ({"nodes": {**NODES, "10.0.0.3": NOT_READY}}, ""),
        ({"nodes": {**NODES, "10.0.0.4": NOT_READY}}, ""),
        ({"nodes": {**NODES, "10.0.0.9": NOT_READY}}, "10.0.0.9 is not ready"),
    ],
    ids=["ready", "no answer", "refused", "no list", "not ready", "no Node", "other of the batch", "before the update", "another node"],
)
def test_why_the_cluster_is_not_as_before(api, found):
    batch = {"ansible_play_batch": ["worker-0", "worker-1"], "inventory_hostname": "worker-0", "__update_step": {"group": "worker"}}
    answer = {"endpoint": {"problem": None}, "refusal": None, "nodes": NODES, **api}
    assert render("__update_unhealthy", __update_hosts=HOSTS, __update_unready=["10.0.0.4"], __update_api=answer, **batch) == found


@pytest.mark.parametrize(("name", "found"), [("etcd-0", []), ("worker-0", ["10.0.0.2"])])
def test_of_an_api_that_was_away_only_the_node_of_the_host_counts(name, found):
    hostvars = {"localhost": {"update_blind": True, "update_unready": []}}
    unready = render("__update_unready", __update_hosts=HOSTS, hostvars=hostvars, inventory_hostname=name)
    assert [address for address in NODES if address not in unready] == found


def test_hosts_without_a_node_need_none():
    batch = {"ansible_play_batch": ["etcd-0"], "inventory_hostname": "etcd-0", "__update_step": {"group": "etcd"}}
    api = {"endpoint": {"problem": None}, "refusal": None, "nodes": NODES}
    assert render("__update_unhealthy", __update_hosts=HOSTS, __update_unready=[], __update_api=api, **batch) == ""


def test_workers_that_are_drained_later():
    state, progress = {"record": {"done": {"0": ["etcd-0"]}}}, {"drain": dict.fromkeys((*HOSTS, "gone"), "")}
    found = render(
        "__update_later", __update_hosts=HOSTS, __update_state=state, __update_progress=progress, update_step=0, ansible_play_batch=["worker-0"]
    )
    assert sorted(found) == ["worker-1", "worker-2"]


@pytest.mark.parametrize(("watch_time", "seconds"), [("10-300", [10, 300]), ("60", [60]), (60, [60])])
def test_watch_times_may_be_numbers(watch_time, seconds):
    """As YAML has them without quotes."""
    assert list(render("__update_watch", update_watch_time=watch_time, __update_is_canary=False)) == seconds


@pytest.mark.parametrize(
    ("saved", "group", "raises"),
    [
        ({"releases": {"etcd": "3.6.16"}}, "etcd", True),
        ({"releases": {"etcd": "3.7.2"}}, "etcd", False),
        ({"releases": {"etcd": "3.8.0"}}, "etcd", False),
        ({"releases": {}}, "etcd", False),
        ({"releases": {"kubelet": "1.35.4"}}, "worker", False),
        ({}, "etcd", False),
    ],
    ids=["another minor", "a patch", "back", "a new machine", "a worker", "failed before"],
)
def test_etcd_may_not_start_with_a_minor_before(saved, group, raises):
    step = {"group": group, "versions": {"etcd": "3.7.3"}}
    assert render("__update_raises_etcd", __update_saved=saved, __update_step=step) is raises


@pytest.mark.parametrize(("storage", "newer"), [(["3.6.0", "3.7.0"], True), (["3.6.0", ""], False), ([], False)])
def test_what_members_of_etcd_store(storage, newer):
    saved = {"releases": {"etcd": "3.6.16"}}
    assert render("__update_stores_newer", __update_saved=saved, etcd_downgrade={"storage": dict(enumerate(storage))}) is newer
