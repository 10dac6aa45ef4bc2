# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The members of the cluster as the member of this host knows them.

etcd returns them to its peers, so a host with a peer's certificate needs no password.
"""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.parse
from pathlib import Path

from .._job.probe import get

__all__ = ("RECORD", "members", "parse", "strangers")

RECORD = Path("/var/lib/cfcr/jobs/etcd.json")  # the options of the job, which have the flags of etcd
_FILES = {"ca_path": "peer-trusted-ca-file", "certificate_path": "peer-cert-file", "key_path": "peer-key-file"}


def members(record: Path = RECORD) -> list[dict[str, t.Any]] | None:
    """Return the members. It is None if the host has no member, or its member does not answer."""
    try:
        (unit,) = json.loads(record.read_text(encoding="utf-8"))["units"]
        flags = unit["flags"]
        url = flags["listen-peer-urls"]
        first = url[0] if isinstance(url, list) else str(url).partition(",")[0]
        status, body = get({"url": f"{first}/members", **{option: flags[flag] for option, flag in _FILES.items()}})
        return parse(body) if status == 200 else None
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
        return None


def parse(body: str) -> list[dict[str, t.Any]]:
    """Return the members in an answer of etcd, sorted by ID. A member has no name before it has started."""
    found = [
        {
            "id": f"{member['id']:x}",
            "name": member.get("name", ""),
            "peer_urls": list(member.get("peerURLs", ())),
            "learner": bool(member.get("isLearner")),
        }
        for member in json.loads(body)
    ]
    return sorted(found, key=lambda member: member["id"])


def strangers(members: t.Iterable[t.Mapping[str, t.Any]], hosts: t.Mapping[str, str]) -> t.Iterator[str]:
    """Yield the members that are none of these hosts, by name or by address, as text."""
    for member in members:
        addresses = [_address(url) for url in member["peer_urls"]]
        if member["name"] not in hosts and not set(addresses) & set(hosts.values()):
            yield f"{member['name'] or member['id']} ({', '.join(addresses) or 'no address'})"


def _address(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).hostname or url
    except ValueError:
        return url
