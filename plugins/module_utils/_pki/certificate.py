# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as plain values: the wanted names, the checks of a list of certificates, the rules for reissuing. Standard library only."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import os
import re
import typing as t

from .._errors import HostError
from .._timestamp import from_timestamp, to_timestamp
from .files import USAGES

__all__ = ("ByPath", "MOST_CHARACTERS", "Certificate", "Names", "bundles_of", "check", "check_subject", "expiry", "reasons", "seconds", "wanted_names")

_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
MOST_CHARACTERS = 64  # of a common name and of an organization; RFC 5280, appendix A.1


@dataclasses.dataclass(frozen=True)
class Names:
    """Subject, SANs and usages of a certificate, in the canonical form that is compared."""

    common_name: str
    organizations: tuple[str, ...]
    alternative_names: tuple[str, ...]
    usages: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The content of a certificate, as far as it is compared."""

    names: Names
    issuer: str  # name and key of the CA that signed it
    key: str  # type and fingerprint
    not_after: datetime.datetime

    def summary(self) -> dict:
        """Return it for a diff: all that is compared, and never a private key."""
        return {
            **{name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self.names).items()},
            "issuer": self.issuer,
            "key": self.key,
            "not_after": to_timestamp(self.not_after),
        }


class ByPath(t.Dict[str, t.Dict[str, t.Any]]):
    """Entries by their path."""

    def __init__(self, entries: t.Iterable[dict[str, t.Any]], source: str) -> None:
        """Take the entries, and who sent them, for messages."""
        super().__init__((entry["path"], entry) for entry in entries)
        self._source = source

    def __missing__(self, path: str) -> t.NoReturn:
        """Fail instead of using another entry in its place."""
        raise HostError(f"{path}: {self._source} sent no entry for it; found {', '.join(self) or 'none'}")


def wanted_names(entry: dict[str, t.Any]) -> Names:
    """Return the names and usages in the options of a certificate; raise if they are invalid."""
    usages = entry["usages"]
    names = Names(
        common_name=entry["common_name"],
        organizations=tuple(sorted(set(entry["organizations"]))),
        alternative_names=tuple(sorted({_alternative_name(name) for name in entry["alternative_names"]})),
        usages=tuple(sorted(set(usages))),
    )
    if not names.common_name and not names.alternative_names:
        raise HostError("found neither common_name nor alternative_names, expected at least one of them")
    if not names.usages or set(names.usages) - set(USAGES):
        raise HostError(f"usages: found {', '.join(usages) or 'none'}, expected one or more of {', '.join(USAGES)}")
    if names.common_name:
        check_subject("common_name", names.common_name)
    for organization in names.organizations:
        check_subject("organizations", organization)
    return names


def check_subject(option: str, value: str) -> None:
    """Refuse a part of a subject that X.509 does not allow, before anything is written."""
    if not 1 <= len(value) <= MOST_CHARACTERS or not value.isprintable():
        raise HostError(f"{option}: found {value!r}, {len(value)} characters, expected 1 to {MOST_CHARACTERS} printable characters")


def _alternative_name(name: str) -> str:
    """Return an IP address or a DNS name in its canonical form."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    lower = name.lower()
    labels = lower.removeprefix("*.").split(".")
    if len(lower) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise HostError(f"alternative_names: found {name!r}, expected an IP address or a DNS name")
    return lower


def check(certificates: list[dict[str, t.Any]], days: int, renew_before_days: int) -> None:
    """Raise with all that is wrong with a list of certificates, before a host is touched."""
    problems = [problem for entry in certificates for problem in _problems(entry)]
    claims: dict[str, list[str]] = {}
    for entry in certificates:
        claims.setdefault(f"{entry['path']}.key", []).append("a key")
        claims.setdefault(f"{entry['path']}.crt", []).append("a certificate")
    for path, authority in sorted({(entry["authority_path"], entry["authority"]) for entry in certificates if entry["authority_path"]}):
        claims.setdefault(path, []).append(f"the bundle of CA {authority}")
    problems += [f"{path}: found {' and '.join(sorted(uses))}, expected one use of the file" for path, uses in sorted(claims.items()) if len(uses) > 1]
    if not 0 <= renew_before_days < days:
        problems.append(f"renew_before_days: found {renew_before_days}, expected 0 or more and less than days ({days})")
    if problems:
        raise HostError("; ".join(dict.fromkeys(problems)))


def _problems(entry: dict[str, t.Any]) -> list[str]:
    """Return what is wrong with one entry."""
    problems = []
    for option in ("path", "authority_path"):
        path = entry[option]
        if path and (not os.path.isabs(path) or os.path.normpath(path) != path):
            problems.append(f"{option}: found {path!r}, expected an absolute, normalized path")
    if not _ACCOUNT.fullmatch(entry["owner"]):
        problems.append(f"{entry['path']}: found owner {entry['owner']!r}, expected the name of a system account")
    try:
        wanted_names(entry)
    except HostError as error:
        problems.append(f"{entry['path']}: {error}")
    return problems


def bundles_of(certificates: list[dict[str, t.Any]]) -> dict[str, str]:
    """Return the CA bundles that the entries ask for: the name of the CA by path."""
    return {entry["authority_path"]: entry["authority"] for entry in certificates if entry["authority_path"]}


def seconds(moment: str) -> float:
    """Return the value of option since, in seconds since the epoch; an empty one is 0."""
    try:
        return from_timestamp(moment).timestamp() if moment else 0
    except ValueError as error:
        raise HostError(f"since: found {moment!r}, expected a time in UTC such as 2026-11-21T09:00:00Z") from error


def expiry(now: datetime.datetime, days: int, authority_not_after: datetime.datetime) -> datetime.datetime:
    """Return when a new certificate expires: never after its CA."""
    return min(now + datetime.timedelta(days=days), authority_not_after).replace(microsecond=0)


def reasons(
    actual: Certificate | None,
    names: Names,
    issuer: str,
    key: str,
    now: datetime.datetime,
    renew_before_days: float,
    new_not_after: datetime.datetime,
) -> list[str]:
    """Return why a certificate must be issued; nothing if it can stay."""
    if actual is None:
        return ["missing or damaged"]
    found = []
    for field in dataclasses.fields(Names):
        if getattr(actual.names, field.name) != getattr(names, field.name):
            found.append(f"other {field.name}")
    if actual.issuer != issuer:
        found.append("another CA")
    if actual.key != key:
        found.append("another key")
    # A new certificate must last longer: one that expires with its CA would be renewed by every run.
    if actual.not_after < now + datetime.timedelta(days=renew_before_days) and actual.not_after < new_not_after:
        found.append(f"expires at {actual.not_after:%Y-%m-%d %H:%M}")
    return found
