# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks are repeated until they pass."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils import _checks


class NotYet(Exception):
    """The exception of a failed check."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(_checks, "POLL_SECONDS", 0)


def test_results_are_in_the_order_of_the_checks():
    def never():
        raise NotYet("no answer")

    results = _checks.run({"good": lambda: "an answer", "bad": never}, 0, NotYet)
    assert [(result["check"], result["ok"], result["detail"]) for result in results] == [
        ("good", True, "an answer"),
        ("bad", False, "no answer"),
    ]


def test_a_check_is_repeated_until_it_passes():
    tries = []

    def third_time():
        tries.append(None)
        if len(tries) < 3:
            raise NotYet
        return "at last"

    assert _checks.run({"late": third_time}, 5, NotYet)[0]["ok"] and len(tries) == 3


def test_an_unexpected_exception_is_raised():
    with pytest.raises(ZeroDivisionError):
        _checks.run({"defect": lambda: str(1 / 0)}, 5, NotYet)


def test_no_checks_give_no_results():
    assert _checks.run({}, 5, NotYet) == []
