# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IDs that etcd gives to a cluster and its first members: hashes of their peer URLs and of the token (etcd's server/etcdserver/api/membership)."""

from __future__ import annotations

import hashlib
import typing as t

__all__ = ("cluster_id", "member_id")


def member_id(peer_url: str, token: str) -> int:
    """Return the ID of a first member."""
    return _number(f"{peer_url}{token}".encode())


def cluster_id(peer_urls: t.Iterable[str], token: str) -> int:
    """Return the ID of the cluster that these members found together."""
    return _number(b"".join(member.to_bytes(8, "big") for member in sorted(member_id(url, token) for url in peer_urls)))


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.sha1(content, usedforsecurity=False).digest()[:8], "big")
