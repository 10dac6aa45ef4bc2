# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which HTTP routes with TLS may be registered, kept in the cluster: gorouters forget all others by themselves, these never."""

from __future__ import annotations

import base64
import gzip
import json
import typing as t

from .errors import RoutingError
from .kubernetes import ApiError, Kubernetes

Table = dict[tuple[str, int, str], frozenset[str]]
KEY = "tls-routes.json.gz"


def encode(table: Table) -> str:
    """As few bytes as it takes: lists of hosts repeat, which gzip is good at."""
    entries = [[*key, sorted(ips)] for key, ips in sorted(table.items()) if key[2]]
    return base64.b64encode(gzip.compress(json.dumps(entries, separators=(",", ":")).encode(), mtime=0)).decode()


def decode(text: str) -> Table:
    return {(uri, node_port, tls_name): frozenset(ips) for uri, node_port, tls_name, ips in json.loads(gzip.decompress(base64.b64decode(text)))}


class Record:
    """A ConfigMap beside the lease, of its name."""

    def __init__(self, api: Kubernetes, lease: dict[str, str]) -> None:
        self._api, self._name = api, lease["name"]
        self._path = f"/api/v1/namespaces/{lease['namespace']}/configmaps"
        self._written = encode({})

    async def read(self) -> Table:
        """Return what whoever acted last wrote."""
        found = await self._get()
        self._written = (found or {}).get("binaryData", {}).get(KEY) or encode({})
        try:
            return decode(self._written)
        except (ValueError, TypeError, OSError, EOFError) as error:
            raise RoutingError(f"{self._path}/{self._name} is damaged, delete it: {error}") from error

    async def write(self, table: Table) -> None:
        text = encode(table)
        if text == self._written:
            return
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self._name}, "binaryData": {KEY: text}}
        if await self._get() is None:
            await self._api.request("POST", self._path, value)
        else:
            await self._api.request("PUT", f"{self._path}/{self._name}", value)
        self._written = text

    async def _get(self) -> dict[str, t.Any] | None:
        try:
            return await self._api.request("GET", f"{self._path}/{self._name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
