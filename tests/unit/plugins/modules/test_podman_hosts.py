# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creation, start and removal of hosts."""

from __future__ import annotations

import json
import resource

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.modules import podman_hosts
from ansible_collections.cfcr.kubernetes.plugins.modules.podman_hosts import Host, Plan, find, limits, outcome, plan

RUNNING = Host("running", "here", "1")
STOPPED = Host("stopped", "here", "1")
LOST = Host("lost", "", "")


@pytest.mark.parametrize(
    ("existing", "wanted", "expected"),
    [
        ({}, [], Plan([], [], [])),
        ({}, ["a", "b"], Plan([], ["a", "b"], [])),
        ({"a": RUNNING}, ["a"], Plan([], [], [])),
        ({"a": RUNNING}, ["a", "b"], Plan([], ["b"], [])),
        ({"a": STOPPED}, ["a"], Plan([], [], ["a"])),
        ({"a": LOST}, ["a"], Plan(["a"], ["a"], [])),
        ({"a": RUNNING, "b": STOPPED, "c": LOST}, [], Plan(["a", "b", "c"], [], [])),
        ({"a": RUNNING._replace(generation="0")}, ["a"], Plan(["a"], ["a"], [])),
    ],
    ids=["nothing", "new", "same", "one more", "stopped", "disk left over", "absent", "keys lost"],
)
def test_plan(existing, wanted, expected):
    """Hosts that are there stay; everything else follows from what is asked for."""
    assert plan(existing, wanted, "here", "1") == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [(RUNNING, Plan(["a"], ["a"], [])), (STOPPED, Plan([], [], ["a"])), (LOST, Plan(["a"], ["a"], []))],
    ids=["running", "stopped", "lost"],
)
def test_a_host_that_does_not_answer_is_made_again_unless_it_only_stands_still(host, expected):
    assert plan({"a": host, "b": RUNNING}, ["a", "b"], "here", "1", ["a"]) == expected


def test_hosts_of_another_owner_are_refused():
    """Two directories never fight over one cluster, but whoever names no owner may remove it."""
    existing = {"a": RUNNING._replace(owner="there")}
    with pytest.raises(HostError, match="found hosts of owner there, expected here"):
        plan(existing, ["a"], "here", "1")
    assert plan(existing, [], "", "").remove == ["a"]


def test_outcome_is_what_the_next_run_finds():
    """The diff shows every host that changes, and those that stay."""
    existing = {"a": RUNNING, "b": STOPPED, "c": LOST, "d": RUNNING}
    todo = plan(existing, ["a", "b", "c"], "here", "1")
    assert outcome(existing, todo) == {"a": "running", "b": "running", "c": "new"}


def test_find(monkeypatch):
    """Containers are known by their labels, volumes without one are lost hosts, and a container that never ran is no host."""
    labels = {"cfcr.owner": "here", "cfcr.generation": "1"}
    containers = [
        {"Names": ["demo-a"], "State": "running", "Labels": labels},
        {"Names": ["demo-b"], "State": "exited", "Labels": labels},
        {"Names": ["demo-c"], "State": "created", "Labels": labels},
    ]
    monkeypatch.setattr(podman_hosts, "run", lambda *args: "demo-a\ndemo-d\n" if "volume" in args else json.dumps(containers))
    assert find("demo") == {"a": RUNNING, "b": STOPPED, "c": STOPPED._replace(state="lost"), "d": LOST}


def test_ignored_hosts_are_left_as_they_are(monkeypatch, capsys):
    """One that is missing is not made, one that stands still not started, one that is not asked for any more not removed."""
    existing = {"still": STOPPED, "old": RUNNING, "here": RUNNING}
    monkeypatch.setattr(podman_hosts, "find", lambda _cluster: existing)
    hosts = [{"name": name, "address": "10.0.0.1"} for name in ("still", "missing", "here")]
    ignored = {"cluster": "demo", "hosts": hosts, "owner": "here", "generation": "1", "ignored": ["still", "missing", "old"]}
    with patch_module_args(ignored), pytest.raises(SystemExit):
        podman_hosts.main()
    result = json.loads(capsys.readouterr().out)
    assert (result["changed"], result["created"], result["diff"]["after"]) == (False, [], {"here": "running"})


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        (resource.RLIM_INFINITY, ["--ulimit=nofile=1048576:1048576", "--ulimit=nproc=32768:32768"]),
        (20000, ["--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000"]),
    ],
)
def test_limits(monkeypatch, hard, expected):
    """A limit is never above this machine's hard one."""
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (1024, hard))
    assert limits() == expected


def test_a_host_that_is_created_again_keeps_its_mac_address():
    assert podman_hosts.mac_address("10.30.5.255") == "02:42:0a:1e:05:ff"
