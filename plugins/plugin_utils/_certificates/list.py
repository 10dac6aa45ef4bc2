# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list that action certificate is given: everything that can be wrong with it is found before a host is touched."""

from __future__ import annotations

import os
import re

from ...module_utils._errors import HostError
from ...module_utils._pki.certificate import wanted_names

__all__ = ("bundles", "check")

_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def check(certificates: list[dict], days: int, renew_before_days: int) -> None:
    """Raise with all that is wrong."""
    problems = [problem for entry in certificates for problem in _entry_problems(entry)]
    claims: dict[str, list[str]] = {}
    for entry in certificates:
        claims.setdefault(f"{entry['path']}.key", []).append("a key")
        claims.setdefault(f"{entry['path']}.crt", []).append("a certificate")
    for bundle in {(entry["authority_path"], entry["authority"]) for entry in certificates if entry["authority_path"]}:
        claims.setdefault(bundle[0], []).append(f"the bundle of authority {bundle[1]}")
    problems += [f"{path}: asked for as {' and as '.join(sorted(uses))}" for path, uses in sorted(claims.items()) if len(uses) > 1]
    if not 0 <= renew_before_days < days:
        problems.append(f"renew_before_days is {renew_before_days}: allowed are 0 to less than days, which is {days}")
    if problems:
        raise HostError("; ".join(dict.fromkeys(problems)))


def bundles(certificates: list[dict]) -> list[dict]:
    """Return the bundles that the entries ask for, each once."""
    wanted = {entry["authority_path"]: entry["authority"] for entry in certificates if entry["authority_path"]}
    return [{"path": path, "authority": authority} for path, authority in wanted.items()]


def _entry_problems(entry: dict) -> list[str]:
    """Return what is wrong with one entry by itself."""
    problems = []
    for option in ("path", "authority_path"):
        path = entry[option]
        if path and (not os.path.isabs(path) or os.path.normpath(path) != path):
            problems.append(f"{option} {path!r}: allowed are absolute, normal paths")
    if not _ACCOUNT.fullmatch(entry["owner"]):
        problems.append(f"{entry['path']}: owner {entry['owner']!r} is no name of a system account")
    try:
        wanted_names(*(entry[option] for option in ("common_name", "organizations", "alternative_names", "usages")))
    except HostError as error:
        problems.append(f"{entry['path']}: {error}")
    return problems
