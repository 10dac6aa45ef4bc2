# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate says, as a plain value; what is asked of it; when it must be issued anew. Pure, standard library only."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import re

from .._errors import HostError
from .._timestamp import from_timestamp, to_timestamp

__all__ = ("USAGES", "Certificate", "Names", "expiry", "reasons", "seconds", "wanted_names")

USAGES = ("client_auth", "server_auth")

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_MAXIMUM = {"common_name": 64, "organizations": 64}  # RFC 5280, appendix A.1


@dataclasses.dataclass(frozen=True)
class Names:
    """Whom a certificate names and what for, in the one form in which it is compared."""

    common_name: str
    organizations: tuple[str, ...]
    alternative_names: tuple[str, ...]
    usages: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a certificate says."""

    names: Names
    issuer: str  # name and key of the authority whose signature it bears
    key: str  # type and fingerprint
    not_after: datetime.datetime

    def summary(self) -> dict:
        """Return it for a diff: everything that is compared, and never a key."""
        return {
            **{name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self.names).items()},
            "issuer": self.issuer,
            "key": self.key,
            "not_after": to_timestamp(self.not_after),
        }


def wanted_names(common_name: str | None, organizations: list[str] | None, alternative_names: list[str] | None, usages: list[str]) -> Names:
    """Return the names and usages that are asked for, or say what is wrong with them."""
    names = Names(
        common_name=common_name or "",
        organizations=tuple(sorted(set(organizations or []))),
        alternative_names=tuple(sorted({_alternative_name(name) for name in alternative_names or []})),
        usages=tuple(sorted(set(usages))),
    )
    if not names.common_name and not names.alternative_names:
        raise HostError("a certificate needs a common_name or alternative_names")
    if not names.usages or set(names.usages) - set(USAGES):
        raise HostError(f"usages are {', '.join(usages) or 'empty'}; allowed are one or more of {', '.join(USAGES)}")
    for option, values in (("common_name", (names.common_name,)), ("organizations", names.organizations)):
        for value in values:
            if len(value) > _MAXIMUM[option] or not value.isprintable() or (option == "organizations" and not value):
                raise HostError(f"{option} {value!r}: allowed are 1 to {_MAXIMUM[option]} printable characters")
    return names


def _alternative_name(name: str) -> str:
    """Return an IP address or a DNS name in its canonical form."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    lower = name.lower()
    labels = lower.removeprefix("*.").split(".")
    if len(lower) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise HostError(f"alternative name {name!r} is neither an IP address nor a DNS name")
    return lower


def seconds(moment: str) -> float:
    """Return a moment that an option names in seconds since the epoch; none is the beginning of all."""
    try:
        return from_timestamp(moment).timestamp() if moment else 0
    except ValueError as error:
        raise HostError(f"since is {moment!r}: allowed is a moment in UTC such as 2026-11-21T09:00:00Z") from error


def expiry(now: datetime.datetime, days: int, authority_not_after: datetime.datetime) -> datetime.datetime:
    """Return the end of a new certificate: it never outlives its authority."""
    return min(now + datetime.timedelta(days=days), authority_not_after).replace(microsecond=0)


def reasons(
    actual: Certificate | None,
    names: Names,
    issuer: str,
    key: str,
    now: datetime.datetime,
    renew_before_days: int,
    new_not_after: datetime.datetime,
) -> list[str]:
    """Return why a certificate must be issued, nothing where it may stay."""
    if actual is None:
        return ["there is none"]
    found = []
    for field in dataclasses.fields(Names):
        if getattr(actual.names, field.name) != getattr(names, field.name):
            found.append(f"other {field.name}")
    if actual.issuer != issuer:
        found.append("another authority")
    if actual.key != key:
        found.append("another key")
    # One that is as old as its authority allows cannot be made younger: renewing it in every run would help nobody.
    if actual.not_after < now + datetime.timedelta(days=renew_before_days) and actual.not_after < new_not_after:
        found.append(f"it ends at {actual.not_after:%Y-%m-%d %H:%M}")
    return found
