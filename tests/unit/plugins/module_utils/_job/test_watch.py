# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for the units of a host."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import watch

PROBE = {"url": "http://127.0.0.1:1/healthz"}
UNITS = [{"name": "a", "health": []}]


@pytest.fixture
def clock(monkeypatch):
    """Let a second pass at each look at the clock, and no time in between."""
    seconds = itertools.count()
    monkeypatch.setattr(watch.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(watch.time, "sleep", lambda _seconds: None)


def answers(monkeypatch, problems, starts=()):
    said, started = iter(problems), itertools.chain(starts, itertools.repeat("0"))
    monkeypatch.setattr(watch, "problems", lambda _units: next(said))
    monkeypatch.setattr(watch, "_starts", lambda _units: next(started))
    return said


def test_a_unit_is_healthy_when_it_is_active_and_says_so(monkeypatch):
    states = {"a": {"ActiveState": "active"}, "b": {"ActiveState": "activating"}, "c": {"ActiveState": "active"}}
    monkeypatch.setattr(watch.systemd, "show", lambda names, *_properties: {name: states[name] for name in names})
    monkeypatch.setattr(watch.probe, "problem", lambda probe: f"{probe['url']}: refused")
    units = [{"name": name, "health": health} for name, health in (("a", []), ("b", [PROBE]), ("c", [PROBE]))]
    assert watch.problems(units) == {"b": "is activating", "c": "http://127.0.0.1:1/healthz: refused"}


def test_a_host_without_descriptors_is_not_healthy(clock):
    assert watch.wait([], 0, 5) == {"units": "found none that a job has described"}


def test_it_waits_until_all_are_healthy_or_the_time_is_up(monkeypatch, clock):
    answers(monkeypatch, [{"a": "is activating"}, {}])
    assert watch.wait(UNITS, 0, 60) == {}
    answers(monkeypatch, [{"a": "is failed"}] * 9)
    assert watch.wait(UNITS, 0, 5) == {"a": "is failed"}


def test_units_must_stay_healthy(monkeypatch, clock):
    left = answers(monkeypatch, [{}, {}, {"a": "is failed"}, {}, {}, {}, {}, {"never": "asked"}])
    assert watch.wait(UNITS, 4, 60) == {}
    assert next(left) == {"never": "asked"}


def test_a_unit_that_restarts_again_and_again_is_not_healthy(monkeypatch, clock):
    answers(monkeypatch, [{}] * 99, starts=map(str, range(99)))
    assert watch.wait(UNITS, 4, 20) == {"units": "have not been healthy for 4 seconds without a restart"}
