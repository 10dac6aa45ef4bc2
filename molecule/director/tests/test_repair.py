# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts are killed, and come back as who they were."""

from __future__ import annotations

import json
import time

import pytest
from _account import tell
from scenario import DIRECTORY, wait

# In seconds from the kill: when it is to be noticed, and when all is well. Here they are printed; what a busy machine may take is in LONGEST.
NOTICED = 30
AIMS = {"worker": 90, "etcd": 120, "master": 120, "proxy": 120}
LONGEST = 420


@pytest.fixture
def is_well(cluster, api):
    """Say whether a host does what it is there for, asked itself."""

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
        time.sleep(0.4)  # the machine that is asked has other work
        try:
            return checks[name.rpartition("-")[0]](name)
        except (OSError, KeyError, StopIteration):
            return False

    return ask


class TestTimer:
    """One run after the other, whatever happens."""

    @pytest.mark.parametrize("name", ["worker-0", "etcd-0", "master-0", "proxy-0"])
    def test_a_killed_host_comes_back(self, name, cluster, timer, is_well):
        wait(lambda: is_well(name), 60)
        killed = cluster.kill(name)
        wait(lambda: timer.said(f"{name}: recreate", killed), LONGEST)
        run, noticed = timer.said(f"{name}: recreate", killed)
        wait(lambda: is_well(name), LONGEST)
        well = time.monotonic()
        assert run.end() == 0, run.text
        aim = AIMS[name.rpartition("-")[0]]
        tell(f"{name} killed, disk and all", f"noticed after {noticed - killed:.0f} s (aim {NOTICED}), well after {well - killed:.0f} s (aim {aim})")


def test_of_two_repairs_one_acts_and_an_ignored_host_is_left_alone(cluster, repair, is_well):
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
    assert is_well(name)
    tell(f"{name} killed, two repairs at once", f"one acted, the other ended by itself; well after {time.monotonic() - killed:.0f} s")
    assert f"{ignored}: ignored by the operator" in acted[0].text
    assert ignored not in cluster.ids()
    tell(f"{ignored} killed before, in group ignored", "left alone meanwhile")


def test_an_interrupted_repair_is_done_again(cluster, repair, is_well):
    name = "etcd-2"
    cluster.kill(name)
    first = repair()
    first.kill_at("etcd : Configure etcd")
    second = repair()
    assert second.end() == 0, second.text
    assert "Took over the lock of a run that is dead" in " ".join(second.text.split())
    assert is_well(name)
    assert is_well("worker-1")
    tell(f"{name} killed, its repair killed while etcd was configured", f"the next one did it, in {second.seconds} s")


def test_in_a_meltdown_nothing_is_done(cluster, repair):
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
    tell("four of nine hosts paused", "a meltdown: nothing was done, and the run failed")


def test_all_is_well_at_the_end(cluster, repair):
    def nothing_to_repair():
        run = repair()
        return run.end() == 0 and "Nothing to repair." in run.text

    wait(nothing_to_repair, LONGEST)
