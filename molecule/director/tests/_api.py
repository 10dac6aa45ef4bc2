# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API of the cluster, without kubectl."""

from __future__ import annotations

import typing as t

from scenario import administrator, ask


class Api:
    """The API server at the first of several addresses that answers."""

    def __init__(self, addresses: list[str], port: int = 8443) -> None:
        self._addresses, self._port = addresses, port

    def ask(self, method: str, path: str, body: t.Any = None) -> tuple[int, t.Any]:
        """Return the status and the answer of the first address that answers. Later requests try that address first."""
        for number, address in enumerate(self._addresses):
            try:
                answer = self.ask_at(address, method, path, body)
            except OSError:
                if number + 1 == len(self._addresses):
                    raise
                continue
            if number:
                self._addresses = [address, *(other for other in self._addresses if other != address)]
            return answer

    def ask_at(self, address: str, method: str, path: str, body: t.Any = None) -> tuple[int, t.Any]:
        """Return the status and the answer of one address; raise an OSError if there is none."""
        _server, context = administrator()
        return ask(f"https://{address}:{self._port}", context, method, path, body)
