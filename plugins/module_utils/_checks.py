# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of something that is starting: in parallel, each repeated until it passes or its time is up."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

__all__ = ("run",)

POLL_SECONDS = 0.2

Check = t.Callable[[], str]


def run(checks: dict[str, Check], seconds: float, error: type[Exception]) -> list[dict[str, t.Any]]:
    """Return the name, the result, the duration and the message of every check. A check that does not pass raises an error."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(len(checks), 1)) as pool:
        return list(pool.map(lambda name: _tried(name, checks[name], seconds, error), checks))


def _tried(name: str, check: Check, seconds: float, error: type[Exception]) -> dict[str, t.Any]:
    start = time.monotonic()
    while True:
        try:
            passed, detail = True, check()
        except error as problem:
            passed, detail = False, str(problem)
        elapsed = time.monotonic() - start
        if passed or elapsed > seconds:
            return {"check": name, "ok": passed, "seconds": round(elapsed, 1), "detail": detail}
        time.sleep(POLL_SECONDS)
