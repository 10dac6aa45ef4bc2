# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module host_health: the health of units and certificates."""

from __future__ import annotations

import datetime
import hashlib
import time

import pytest
from _http import answers, serving
from ansible_collections.cfcr.kubernetes.plugins.modules import host_health

NOW = datetime.datetime(2026, 11, 21, 16, 0, tzinfo=datetime.timezone.utc)


def properties(**values):
    since = int((time.monotonic() - 60) * 1e6)
    return {
        "ActiveState": "active",
        "SubState": "running",
        "Result": "success",
        "MainPID": "1",
        "NRestarts": "2",
        "StateChangeTimestampMonotonic": str(since),
        **values,
    }


def test_a_unit_is_healthy_if_it_is_active_and_its_checks_pass():
    health = host_health.unit_health(properties(), [None, None], False, NOW)
    assert (health["state"], health["healthy"], health["problem"], health["restarts"]) == ("active", True, None, 2)
    assert health["since"] in ("2026-11-21T15:59:00Z", "2026-11-21T15:58:59Z")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"ActiveState": "failed", "SubState": "failed", "Result": "exit-code"}, "is failed (exit-code)"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "signal"}, "is activating (auto-restart, signal)"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "is inactive"),
    ],
)
def test_a_unit_that_is_not_active_says_why(values, problem):
    health = host_health.unit_health(properties(**values), ["http://127.0.0.1/: refused"], False, NOW)
    assert (health["healthy"], health["problem"]) == (False, problem)


def test_an_active_unit_that_does_not_answer_is_not_healthy():
    assert host_health.unit_health(properties(), [None, "http://127.0.0.1/: 500"], False, NOW)["problem"] == "http://127.0.0.1/: 500"


def test_checks_with_a_condition_are_left_out():
    own = {"url": "http://127.0.0.1:10248/healthz"}
    assert host_health.own_checks({"health": [own, {"url": "https://master:8443/api/v1/nodes/x", "condition": "Ready"}]}) == [own]


def test_a_unit_waits_for_a_reload_if_a_file_has_changed(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text("loaded")
    digest = hashlib.sha256(b"loaded").hexdigest()
    with serving(answers({"/loaded": (200, f"{digest}  {path}\n")})) as url:
        unit = {"reload": {"watch": [str(path)], "url": f"{url}/loaded"}}
        assert host_health.not_loaded(unit) is None
        path.write_text("changed")
        assert host_health.not_loaded(unit) == f"{url}/loaded: has not loaded the current {path}"


def test_a_certificate_that_cannot_be_read_has_an_error(tmp_path):
    (tmp_path / "empty.crt").write_text("")
    (tmp_path / "torn.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    paths = [str(tmp_path / name) for name in ("missing.crt", "empty.crt", "torn.crt")]
    assert [found[0]["error"] for found in host_health.certificates(paths, NOW).values()] == [
        "No such file or directory",
        "no certificate in it",
        "damaged certificate",
    ]
