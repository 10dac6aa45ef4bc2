# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for units that were restarted."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.modules import unit_restart

PROBE = {"url": "http://127.0.0.1:1/healthz"}


def test_a_unit_is_well_when_it_is_active_and_says_so(monkeypatch):
    states = {"a": {"ActiveState": "active"}, "b": {"ActiveState": "activating"}, "c": {"ActiveState": "active"}}
    monkeypatch.setattr(unit_restart.systemd, "show", lambda names, *_properties: {name: states[name] for name in names})
    monkeypatch.setattr(unit_restart.probe, "problem", lambda probe: f"{probe['url']}: refused")
    assert unit_restart.problems({"a": [], "b": [PROBE], "c": [PROBE]}) == {"b": "is activating", "c": "http://127.0.0.1:1/healthz: refused"}


def test_it_waits_until_all_are_well_or_the_time_is_up(monkeypatch):
    answers = iter([{"a": "is activating"}, {}])
    monkeypatch.setattr(unit_restart, "POLL_SECONDS", 0)
    monkeypatch.setattr(unit_restart, "problems", lambda _probes: next(answers))
    assert unit_restart.wait({"a": []}, 60) == {}
    monkeypatch.setattr(unit_restart, "problems", lambda _probes: {"a": "is failed"})
    assert unit_restart.wait({"a": []}, 0) == {"a": "is failed"}
