# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenario of updates samples, watches and kills."""

from __future__ import annotations

import pathlib
import sys
import time

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[2] / "molecule"))
from load import Watch  # noqa: E402  they lie in the directory of the scenarios
from moments import batches, begun, chosen  # noqa: E402
from skew import Skew, violation  # noqa: E402

PLAN = """
  - '1. etcd: etcd 3.7.3'
  - '   - etcd-1'
  - '   - etcd-0'
  - '2. emulation: kubernetes 1.37.2, flannel 0.28.10, as if it were 1.36'
  - '   - master-0'
  - '3. masters: kubernetes 1.37.2, flannel 0.28.10'
  - '   - master-0'
  - '4. workers: kubernetes 1.37.2'
  - '   - worker-0 (drained: kubelet 1.36.3 to 1.37.2)'
  - 'Warning: PodDisruptionBudget default/web allows no eviction now'
"""


@pytest.mark.parametrize(
    ("servers", "kubelets", "right"),
    [
        (["v1.36.3", "v1.37.2"], ["v1.36.3"], True),
        (["v1.37.2"], ["v1.34.0", "v1.37.2"], True),
        (["v1.35.4", "v1.37.2"], ["v1.35.4"], False),
        (["v1.36.3", "v1.37.2"], ["v1.37.2"], False),
        (["v1.37.2"], ["v1.33.0"], False),
    ],
    ids=["one minor", "three minors", "two minors of servers", "newer kubelet", "four minors"],
)
def test_skew(servers, kubelets, right):
    assert (violation(servers, kubelets) == "") is right


def test_versions_are_sampled_five_times_a_second_while_a_server_hangs():
    def hang():
        time.sleep(0.4)
        raise OSError("timed out")

    sampled = Skew([lambda: "v1.36.3", hang], lambda: ["v1.37.2"])
    time.sleep(2)
    violations = sampled.end()
    assert 3 < sampled.rate < 6 and len(violations) == sampled.samples and "kubelets ['v1.37.2']" in violations[0]


def test_no_api_server_is_a_violation():
    def down():
        raise OSError("refused")

    sampled = Skew([down, down], lambda: ["v1.37.2"])
    time.sleep(0.5)
    assert "no API server answers" in sampled.end()[0] and sampled.samples == 0


def event(version, kind="ADDED"):
    return {"type": kind, "object": {"metadata": {"name": f"load-{version}", "resourceVersion": str(version)}}}


def test_a_watch_goes_on_after_its_last_event():
    paths = []

    def stream(path):
        paths.append(path.rpartition("=")[2])
        yield from {"7": [event(8), event(9, "BOOKMARK")], "9": [event(10)]}.get(paths[-1], [])
        raise OSError("reset")

    watch = Watch(stream, "7")
    assert watch.end(["load-8", "load-10"]) == [] and paths[:2] == ["7", "9"] and watch.gaps == []


def test_a_watch_that_cannot_go_on_has_a_gap():
    watch = Watch(lambda _path: iter([{"type": "ERROR", "object": {"code": 410}}]), "7")
    assert watch.end(["load-8"]) == ["load-8"] and "410" in watch.gaps[0]


def test_kills_are_spread_over_the_batches_of_a_plan():
    order = [("etcd", "etcd-1"), ("etcd", "etcd-0"), ("emulation", "master-0"), ("masters", "master-0"), ("workers", "worker-0")]
    assert batches(PLAN) == order
    found = chosen(PLAN, 3, "seed")
    names = [(phase, name) for phase, name, _seconds in found]
    assert found == chosen(PLAN, 3, "seed") and names == [its for its in order if its in names] and len(names) == 3
    assert all(0 <= seconds <= 20 for _phase, _name, seconds in found)


def test_a_batch_has_begun_when_its_line_is_printed():
    line = "  msg: 'master-0: host 1 of 2, step 2 of 4, emulation: kubernetes 1.37.2, as if it were 1.36'\n"
    assert begun("emulation", "master-0", PLAN + line)
    assert not begun("masters", "master-0", PLAN + line) and not begun("emulation", "master-1", PLAN + line)
