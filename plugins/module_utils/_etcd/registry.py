# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects of Kubernetes in etcd: their keys, their resources, and how Secrets are encrypted."""

from __future__ import annotations

import base64
import typing as t

from .client import Etcd, prefix_end, to_bytes

__all__ = ("REGISTRY", "SECRETS", "encryption", "pairs", "resource")

REGISTRY = "/registry/"
SECRETS = f"{REGISTRY}secrets/"

_ENCRYPTED = b"k8s:enc:"
_PAGE = 200  # values in one request
_PAGE_OF_KEYS = 5000


def encryption(value: bytes) -> str:
    """Return the provider, its version and the name of the key."""
    if not value.startswith(_ENCRYPTED):
        return "plain"
    return b":".join(value.split(b":", 5)[2:5]).decode(errors="backslashreplace")


def resource(key: str) -> str:
    """Return the resource of a key: /registry/pods/default/web is one of pods, /registry/example.com/things/a one of example.com/things."""
    parts = key.removeprefix(REGISTRY).split("/")
    return "/".join(parts[:2]) if len(parts) > 2 and ("." in parts[0] or parts[0] == "services") else parts[0]


def pairs(etcd: Etcd, prefix: str, keys_only: bool = False, page: int | None = None, revision: int = 0) -> t.Iterator[tuple[str, bytes]]:
    """Yield all keys with a prefix and their values, page by page, all of one revision, by default today's."""
    start = to_bytes(prefix)
    limit = page or (_PAGE_OF_KEYS if keys_only else _PAGE)
    while True:
        request = {"key": start, "range_end": prefix_end(prefix), "limit": limit, "revision": str(revision), "keys_only": keys_only}
        answer = etcd.call("/v3/kv/range", request)
        found = answer.get("kvs", [])
        for pair in found:
            yield base64.b64decode(pair["key"]).decode(errors="backslashreplace"), base64.b64decode(pair.get("value", ""))
        if not answer.get("more"):
            return
        revision = revision or int(answer["header"]["revision"])
        start = base64.b64encode(base64.b64decode(found[-1]["key"]) + b"\0").decode()
