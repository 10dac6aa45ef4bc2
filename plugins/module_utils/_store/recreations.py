# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of hosts that repair has recreated: a document in the store, since runs share no other memory.

The director's clock is the only one that counts. If it was set back, recreations seem to be in the future. They count for one hour from that time on,
and those further away not at all, so that no clock blocks repairs for more than two hours.
"""

from __future__ import annotations

import math
import time
import typing as t

from .._errors import HostError
from .options import STORE
from .store import Backend, revise

__all__ = ("SECONDS", "SPEC", "operate", "recent")

SPEC: dict[str, t.Any] = {**STORE, "add": {"type": "list", "elements": "str", "default": []}}
SECONDS = 3600

_NAME = "repair/recreations"

Entry = dict[str, t.Any]


def recent(entries: t.Iterable[Entry], now: float) -> list[Entry]:
    """Return the recreations that count towards the limit, the oldest first."""
    return sorted((entry for entry in entries if abs(now - entry["at"]) < SECONDS), key=lambda entry: entry["at"])


def operate(backend: Backend, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Add hosts to the record, and return the result of the module. A damaged record is an error only if it would be changed."""

    def change(content: dict[str, t.Any] | None) -> tuple[dict[str, t.Any], dict[str, t.Any] | None]:
        now = time.time()
        entries = recent([] if content is None else _parse(content, backend.where(_NAME)), now)
        entries += [{"host": name, "at": now} for name in options["add"]]
        result = {"changed": False, "recreations": entries, "now": now, "problem": None}
        return result, {"recreations": entries} if options["add"] else None

    try:
        return revise(backend, _NAME, change, check_mode)
    except HostError as error:
        if options["add"]:
            raise
        return {"changed": False, "recreations": [], "now": time.time(), "problem": str(error)}


def _parse(content: dict[str, t.Any], where: str) -> list[Entry]:
    entries = content.get("recreations")
    if not isinstance(entries, list) or not all(map(_is_valid, entries)):
        raise HostError(f"{where}: found a damaged record of recreated hosts, expected their names and times; remove it after you have examined the cluster")
    return [{"host": entry["host"], "at": entry["at"]} for entry in entries]


def _is_valid(entry: t.Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("host"), str):
        return False
    at = entry.get("at")
    return isinstance(at, (int, float)) and not isinstance(at, bool) and math.isfinite(at)
