# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Subject, issuer and expiry of certificates, read with the standard library, on hosts that have nothing else."""

from __future__ import annotations

import binascii
import datetime
import re
import typing as t

from .._timestamp import to_timestamp
from .der import items

__all__ = ("Dates", "read")

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
_VERSION, _UTC_TIME = 0xA0, 0x17
_NAMES = {bytes.fromhex("550403"): "common_name", bytes.fromhex("55040a"): "organization"}


class Dates(t.NamedTuple):
    """Subject, issuer and expiry of a certificate."""

    common_name: str  # or the organization, if it has no common name
    issuer: str
    not_after: datetime.datetime

    def summary(self, now: datetime.datetime) -> dict[str, t.Any]:
        """Return it for the result of a module. The days are whole days, negative after the expiry."""
        return {
            "common_name": self.common_name,
            "issuer": self.issuer,
            "not_after": to_timestamp(self.not_after),
            "days_left": (self.not_after - now) // datetime.timedelta(days=1),
        }


def read(text: str) -> list[Dates]:
    """Return the certificates in a PEM file; raise if one is damaged."""
    try:
        return [_parse(binascii.a2b_base64(encoded)) for encoded in _CERTIFICATE.findall(text)]
    except (IndexError, ValueError) as error:
        raise ValueError("damaged certificate") from error


def _parse(der: bytes) -> Dates:
    """Parse one certificate (RFC 5280, section 4.1)."""
    ((_tag, certificate),) = items(der)
    fields = items(items(certificate)[0][1])
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    _serial, _signature, issuer, validity, subject = fields[:5]
    return Dates(_name(subject[1]), _name(issuer[1]), _time(*items(validity[1])[1]))


def _name(sequence: bytes) -> str:
    found: dict[str, str] = {}
    for _tag, relative in items(sequence):
        for _tag, attribute in items(relative):
            (_tag, kind), (_tag, value) = items(attribute)
            if kind in _NAMES:
                found[_NAMES[kind]] = value.decode("utf-8", "replace")
    return found.get("common_name") or found.get("organization") or ""


def _time(tag: int, value: bytes) -> datetime.datetime:
    """Return a time; years until 2049 have two digits, later ones four."""
    pattern = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.datetime.strptime(value.decode("ascii"), pattern).replace(tzinfo=datetime.timezone.utc)
