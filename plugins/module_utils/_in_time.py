# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run calls that may hang in parallel, and return the results that are ready when the time is up."""

from __future__ import annotations

import queue
import threading
import time
import typing as t

__all__ = ("ask_all",)

Question = t.TypeVar("Question")


def ask_all(questions: dict[Question, t.Callable[[], t.Any]], seconds: float) -> dict[Question, t.Any]:
    """Return the answers that came in time, by question. An error is an answer. Calls that still hang do not keep the process from exiting."""
    answers: queue.SimpleQueue[tuple[Question, t.Any]] = queue.SimpleQueue()

    def ask(question: Question, call: t.Callable[[], t.Any]) -> None:
        try:
            answers.put((question, call()))
        except Exception as error:  # the error of one question must not lose the other answers
            answers.put((question, error))

    for question, call in questions.items():
        threading.Thread(target=ask, args=(question, call), daemon=True).start()
    deadline = time.monotonic() + seconds
    found: dict[Question, t.Any] = {}
    while len(found) < len(questions):
        try:
            question, answer = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        found[question] = answer
    return found
