# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks that end reliably when they are cancelled."""

from __future__ import annotations

import asyncio
import typing as t


async def end(*tasks: asyncio.Task) -> None:
    """Cancel tasks until they are done: before Python 3.12, wait_for may swallow a cancellation."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=1)


async def run_together(*parts: t.Coroutine[t.Any, t.Any, None]) -> None:
    """Run coroutines until one fails or the caller is cancelled, then end all of them."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end(*tasks)
