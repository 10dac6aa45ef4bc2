# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that operators give to what can be rotated, and the records of the store behind them."""

from __future__ import annotations

import typing as t

__all__ = ("CERTIFICATES", "records")

# The certificates and keys of hosts have no record and no phases: they are reissued in one run.
CERTIFICATES = "certificates"
_RECORDS = {
    CERTIFICATES: None,
    "kubernetes": "kubernetes",
    "etcd": "etcd",
    "front-proxy": "front-proxy",
    "service-account": "service-account",
    "encryption": "encryption-at-rest",
    "passwords": "etcd-root",
}


def records(names: t.Sequence[str]) -> list[str]:
    """Return the records of the store; raise ValueError if a name is unknown."""
    unknown = [name for name in names if name not in _RECORDS]
    if unknown:
        raise ValueError(f"rotate: found {', '.join(unknown)}, expected some of {', '.join(_RECORDS)}")
    return [record for record in map(_RECORDS.get, names) if record]
