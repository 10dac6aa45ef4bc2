# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the OIDC issuers that the API authenticates."""

from __future__ import annotations

import typing as t
import urllib.parse

from .problems import Problem

__all__ = ("check_oidc",)

_RESERVED = ("system:", "cfcr:")
_FIELDS = {"issuer", "claimValidationRules", "claimMappings", "userValidationRules"}


def check_oidc(values: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    """Yield the problems of cluster_oidc; the API server, which refuses to start with a bad one, would find them too late."""
    seen: set[str] = set()
    for number, entry in enumerate(values.get("cluster_oidc") or []):
        name = f"cluster_oidc[{number}]"
        if unknown := sorted(map(str, set(entry) - _FIELDS)):
            yield Problem(name, ", ".join(unknown), f"the fields {', '.join(sorted(_FIELDS))}")
        issuer = _mapping(entry.get("issuer"))
        url = issuer.get("url")
        if not _is_https(url):
            yield Problem(f"{name}.issuer.url", repr(url), "an https URL without user, query and fragment")
        elif url in seen:
            yield Problem(f"{name}.issuer.url", url, "each issuer once")
        seen.add(str(url))
        yield from _audiences(f"{name}.issuer", issuer)
        yield from _mappings(f"{name}.claimMappings", _mapping(entry.get("claimMappings")))


def _audiences(name: str, issuer: dict[str, t.Any]) -> t.Iterator[Problem]:
    audiences = issuer.get("audiences")
    if not (isinstance(audiences, list) and audiences and all(isinstance(one, str) and one for one in audiences)):
        yield Problem(f"{name}.audiences", repr(audiences), "a list with one audience or more")
    elif len(set(audiences)) < len(audiences):
        yield Problem(f"{name}.audiences", repr(audiences), "each audience once")
    elif len(audiences) > 1 and issuer.get("audienceMatchPolicy") != "MatchAny":
        yield Problem(f"{name}.audienceMatchPolicy", repr(issuer.get("audienceMatchPolicy")), "MatchAny, for more than one audience")


def _mappings(name: str, mappings: dict[str, t.Any]) -> t.Iterator[Problem]:
    for claim in ("username", "groups"):
        mapping = mappings.get(claim)
        if mapping is None and claim == "groups":
            continue
        if not isinstance(mapping, dict) or bool(mapping.get("claim")) == bool(mapping.get("expression")):
            yield Problem(f"{name}.{claim}", repr(mapping), "either claim and prefix, or expression")
        elif mapping.get("claim"):
            prefix = mapping.get("prefix")
            if not isinstance(prefix, str) or not prefix or any(prefix.startswith(one) or one.startswith(prefix) for one in _RESERVED):
                yield Problem(f"{name}.{claim}.prefix", repr(prefix), f"a prefix with which no name begins with {' or '.join(_RESERVED)}, such as oidc:")


def _mapping(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _is_https(url: t.Any) -> bool:
    try:
        parts = urllib.parse.urlsplit(url) if isinstance(url, str) else None
        return bool(parts and parts.scheme == "https" and parts.hostname and not (parts.username or parts.password or parts.query or parts.fragment))
    except ValueError:
        return False
