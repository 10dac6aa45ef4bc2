# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Killed hosts come back with their names, addresses and roles."""

from __future__ import annotations

import json
import time

import pytest
from _summary import summarize
from scenario import DIRECTORY, wait

# Aims in seconds after the kill: until it is noticed, and until the host is healthy. They are only printed, since a busy machine takes longer.
NOTICED_AIM = 30
HEALTHY_AIMS = {"worker": 90, "etcd": 120, "master": 120, "proxy": 120}
LIMIT_SECONDS = 420  # until a test fails


@pytest.fixture
def is_healthy(cluster, api):
    """Return a function that asks a host itself whether it does its work."""

    def worker(name):
        address = cluster.addresses[name]
        _status, node = api.ask("GET", f"/api/v1/nodes/{address}")
        ready = next(condition for condition in node["status"]["conditions"] if condition["type"] == "Ready")["status"] == "True"
        # A node stays Ready for a while after its kubelet is gone.
        return ready and not node["spec"].get("unschedulable") and cluster.ask(name, "curl", "--silent", "http://127.0.0.1:10248/healthz") == "ok"

    def etcd(name):
        metrics = cluster.ask(name, "curl", "--silent", "http://127.0.0.1:2381/metrics").splitlines()
        return {"etcd_server_has_leader 1", "etcd_server_is_learner 0"} <= set(metrics)

    def master(name):
        return api.ask_at(cluster.addresses[name], "GET", "/readyz")[0] == 200

    def proxy(_name):
        return api.ask_at(cluster.endpoint, "GET", "/readyz")[0] == 200

    checks = {"worker": worker, "etcd": etcd, "master": master, "proxy": proxy}

    def ask(name):
        time.sleep(0.4)  # leave the machine time for other work
        try:
            return checks[name.rpartition("-")[0]](name)
        except (OSError, KeyError, StopIteration):
            return False

    return ask


class TestTimer:
    """repair.yml runs again and again."""

    @pytest.mark.parametrize("name", ["worker-0", "etcd-0", "master-0", "proxy-0"])
    def test_a_killed_host_comes_back(self, name, cluster, timer, is_healthy):
        wait(lambda: is_healthy(name), 60)
        killed = cluster.kill(name)
        wait(lambda: timer.said(f"{name}: recreate", killed), LIMIT_SECONDS)
        run, noticed = timer.said(f"{name}: recreate", killed)
        wait(lambda: is_healthy(name), LIMIT_SECONDS)
        healthy = time.monotonic()
        assert run.end() == 0, run.text
        assert ("loses its copy of the etcd data" in run.text) is (name == "etcd-0")
        aim = HEALTHY_AIMS[name.rpartition("-")[0]]
        noticed_after = f"noticed after {noticed - killed:.0f} s (aim {NOTICED_AIM})"
        summarize(f"{name} killed, with its disk", f"{noticed_after}, healthy after {healthy - killed:.0f} s (aim {aim})")


def test_only_one_of_two_runs_repairs_and_none_touches_an_ignored_host(cluster, repair, is_healthy):
    ignored, name = "worker-1", "worker-2"
    inventory = DIRECTORY / "ignored.json"
    inventory.write_text(json.dumps({"all": {"children": {"ignored": {"hosts": {ignored: {}}}}}}))
    cluster.kill(ignored)
    killed = cluster.kill(name)
    both = [repair("--inventory", str(inventory)) for _number in range(2)]
    assert [run.end() for run in both] == [0, 0], both[0].text + both[1].text
    acted = [run for run in both if "worker : Configure kubelet" in run.text]
    assert len(acted) == 1
    (other,) = (run for run in both if run not in acted)
    assert "Nothing is repaired: " in other.text or "Nothing is checked or repaired: " in other.text
    assert is_healthy(name)
    summarize(f"{name} killed, two runs at once", f"one repaired it, the other ended without a change; healthy after {time.monotonic() - killed:.0f} s")
    assert f"{ignored}: ignored by the operator" in acted[0].text
    assert ignored not in cluster.ids()
    summarize(f"{ignored} killed before, in group ignored", "not touched")


def test_neither_an_ssh_server_that_is_silent_nor_a_recent_repair_costs_a_host(cluster, repair):
    silent, killed = "worker-0", "worker-1"  # the test before has killed worker-1
    before = cluster.ids()
    cluster.ask(silent, "systemctl", "stop", "ssh")
    try:
        run = repair("--extra-vars", "repair_recreations_per_hour=1")
        assert run.end() != 0, run.text
    finally:
        cluster.ask(silent, "systemctl", "start", "ssh")
    text = " ".join(run.text.split())
    assert f"{silent}: needs an operator; not reachable by SSH" in text
    assert "but its Node is Ready" in text
    assert f"{killed}: its provider says that it is absent; waits: found" in text
    assert cluster.ids() == before
    summarize(f"{silent} without an SSH server, {killed} above the limit per hour", f"named, and neither was recreated ({run.seconds} s)")


def test_the_next_run_completes_an_interrupted_repair(cluster, repair, is_healthy):
    name = "etcd-2"
    cluster.kill(name)
    first = repair()
    first.kill_at("etcd : Configure etcd")
    second = repair()
    assert second.end() == 0, second.text
    assert "Took over the lock of a run that is dead" in " ".join(second.text.split())
    assert is_healthy(name)
    assert is_healthy("worker-1")
    summarize(f"{name} killed, its repair killed while etcd was configured", f"the next run repaired it in {second.seconds} s")


def test_a_meltdown_stops_all_repairs(cluster, repair):
    paused = ["worker-0", "worker-1", "worker-2", "proxy-0"]
    before = cluster.ids()
    cluster.pause(*paused)
    try:
        run = repair()
        assert run.end() != 0, run.text
    finally:
        cluster.resume(*paused)
    assert "Meltdown: 4 of 9 hosts are unreachable" in run.text
    assert cluster.ids() == before
    summarize("four of nine hosts paused", "a meltdown: nothing was repaired, and the run failed")


def test_there_is_nothing_to_repair_at_the_end(cluster, repair):
    def nothing_to_repair():
        run = repair()
        return run.end() == 0 and "Nothing to repair." in run.text

    wait(nothing_to_repair, LIMIT_SECONDS)
