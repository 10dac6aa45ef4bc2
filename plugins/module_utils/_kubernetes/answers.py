# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to API servers in parallel, each of which has an answer or an error when the time is up."""

from __future__ import annotations

import typing as t

from .._in_time import ask_all
from .client import KubernetesError

__all__ = ("answers",)

Question = t.TypeVar("Question")


def answers(questions: dict[Question, t.Callable[[], t.Any]], seconds: float) -> dict[Question, t.Any]:
    """Return the answer or the error by question."""
    in_time = ask_all(questions, seconds)
    late = KubernetesError(f"no answer within {seconds:g} seconds")
    return {question: in_time.get(question, late) for question in questions}
