# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Concurrent calls with a time limit."""

from __future__ import annotations

import threading
import time

from ansible_collections.cfcr.kubernetes.plugins.module_utils._in_time import ask_all


def test_a_call_that_hangs_is_given_up_at_the_time_limit():
    begin = time.monotonic()
    answers = ask_all({"quick": lambda: 1, "hangs": threading.Event().wait, "fails": lambda: 1 / 0}, 0.3)
    assert time.monotonic() - begin < 2
    assert answers["quick"] == 1
    assert isinstance(answers["fails"], ZeroDivisionError)
    assert "hangs" not in answers


def test_all_answers_are_returned_without_waiting():
    begin = time.monotonic()
    assert ask_all({number: lambda number=number: number for number in range(20)}, 60) == {number: number for number in range(20)}
    assert time.monotonic() - begin < 5
    assert ask_all({}, 60) == {}
