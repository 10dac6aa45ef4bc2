# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Next steps and reports of rotations."""

from __future__ import annotations

import pytest

from ansible_collections.cfcr.kubernetes.plugins.filter.rotation_report import rotation_report

SINCE = "2026-11-21T09:00:00Z"


def rotation(name, before, phase, waits="", since=""):
    return {"name": name, "kind": "authority", "before": before, "phase": phase, "since": since, "waits": waits}


def steps(*every):
    """Return steps of these rotations, a minute apart."""
    return [{"at": 60.0 * number, "rotations": list(rotations), **({"since": SINCE} if not number else {})} for number, rotations in enumerate(every)]


def test_no_rotation_continues_before_the_first_step():
    assert rotation_report([], ["etcd"]) == {"going": [], "rewrites_secrets": False, "plan": [], "report": []}


@pytest.mark.parametrize(
    ("last", "going"),
    [
        (rotation("etcd", "", "trust"), ["etcd"]),
        (rotation("etcd", "use", "drop"), ["etcd"]),
        pytest.param(rotation("etcd", "drop", ""), [], id="done"),
        pytest.param(rotation("etcd", "trust", "trust", "not before noon"), [], id="waits"),
    ],
)
def test_rotations_continue_until_they_are_done_or_wait(last, going):
    assert rotation_report(steps([rotation("etcd", "", "trust")], [last]), ["etcd"])["going"] == going


@pytest.mark.parametrize(
    ("last", "rewrites"),
    [
        (rotation("encryption-at-rest", "trust", "use"), True),
        (rotation("encryption-at-rest", "use", "use", "the phase ends here"), False),
        (rotation("encryption-at-rest", "", "trust"), False),
        (rotation("service-account", "trust", "use"), False),
    ],
)
def test_secrets_are_rewritten_when_the_new_key_comes_into_use(last, rewrites):
    assert rotation_report(steps([last]), [])["rewrites_secrets"] is rewrites


@pytest.mark.parametrize(
    ("before", "phase", "waits", "line"),
    [
        ("", "trust", "", "etcd: begins with phase trust: the new one is trusted as well, the old one is in use"),
        ("use", "use", "", "etcd: goes on in phase use: the new one is in use, the old one is still accepted"),
        ("trust", "drop", "", "etcd: is taken back by phase drop: only one is left"),
        ("", "", "another rotation is unfinished", "etcd: another rotation is unfinished"),
    ],
)
def test_plan_says_how_each_rotation_starts(before, phase, waits, line):
    assert rotation_report(steps([rotation("etcd", before, phase, waits)]), ["etcd"])["plan"] == [line]


def test_certificates_are_planned_and_reported_with_their_time():
    found = rotation_report(steps([]), ["certificates"])
    assert found["plan"] == [f"certificates: reissue keys and certificates created before {SINCE}"]
    assert found["report"] == [f"certificates: all created before {SINCE} are reissued"]


def test_report_has_every_phase_and_how_long_it_took():
    found = rotation_report(
        steps([rotation("etcd", "", "trust")], [rotation("etcd", "trust", "use")], [rotation("etcd", "use", "drop")], [rotation("etcd", "drop", "")]), ["etcd"]
    )
    assert found["report"] == [
        "etcd: trust: the new one is trusted as well, the old one is in use",
        "    in 60 s on all hosts",
        "etcd: use: the new one is in use, the old one is still accepted",
        "    in 60 s on all hosts",
        "etcd: drop: only one is left",
        "    in 60 s on all hosts",
        "etcd: done",
    ]


def test_report_of_a_rotation_that_waits_says_what_to_do():
    waiting = rotation("kubernetes", "trust", "trust", "not before noon", since=SINCE)
    report = rotation_report(steps([rotation("kubernetes", "", "trust")], [waiting]), ["kubernetes"])["report"]
    assert report[2] == "kubernetes: trust: the new one is trusted as well, the old one is in use; not before noon"
    assert f"Pods that started after {SINCE} know both CAs." in report[4]
    assert "kubectl get pods -A" in report[5]
    assert "same `rotate` again" in report[-1]


def test_report_of_a_rotation_that_did_not_start_has_its_reason_only():
    assert rotation_report(steps([rotation("etcd", "", "", "another rotation is unfinished")]), ["etcd"])["report"] == ["etcd: another rotation is unfinished"]
