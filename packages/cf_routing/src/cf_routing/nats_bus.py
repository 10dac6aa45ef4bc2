# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to NATS. When it breaks, its user opens another one, so that secrets and certificates are read again."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

import nats.errors
from nats.aio.client import Client

from .errors import RoutingError, reason
from .files import Tls, secret

CONNECT_SECONDS = 5
# After two pings without an answer, the connection counts as broken.
PING_SECONDS = 5
CLOSE_SECONDS = 1
FLUSH_SECONDS = 10


class Bus:
    """A client of the first NATS server that answers."""

    def __init__(self, config: dict[str, t.Any]) -> None:
        self._config = config
        self._tls = Tls(config["ca_file"], config["certificate_file"], config["key_file"])
        self._client: Client | None = None
        self._error: BaseException | None = None
        self.server = ""

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    @property
    def max_message(self) -> int:
        """The size of the largest message that the server accepts."""
        return self._client.max_payload if self._client else 0

    async def connect(self, closed: t.Callable[[], None]) -> None:
        """Connect to the first server that answers."""
        await self.close()
        complaints = []
        for server in self._config["servers"]:
            try:
                self._client = await self._open(server, closed)
                self.server = server
                return
            except (nats.errors.Error, OSError, asyncio.TimeoutError, ValueError) as error:
                complaints.append(f"{server}: {self._explain(error)}")
        raise RoutingError("; ".join(complaints))

    async def _open(self, server: str, closed: t.Callable[[], None]) -> Client:
        self._error = None

        async def on_error(error: Exception) -> None:
            self._error = self._error or error

        async def on_closed() -> None:
            closed()

        client = Client()
        opening = client.connect(
            server,
            name="cf-route-sync",
            user=self._config["user"],
            password=secret(self._config["password_file"]),
            tls=self._tls.context(),
            # The name in the servers' certificates, if they do not have their addresses.
            tls_hostname=self._config["tls_hostname"],
            connect_timeout=CONNECT_SECONDS,
            allow_reconnect=False,
            # The minimum: 1 means two attempts, and 0 means no limit.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            error_cb=on_error,
            closed_cb=on_closed,
            disconnected_cb=on_closed,
        )
        try:
            await asyncio.wait_for(opening, 2 * CONNECT_SECONDS)
        except BaseException:
            await _close(client)
            raise
        return client

    def _explain(self, error: BaseException) -> str:
        cause = self._error or error
        text = " ".join(str(cause).split()).lower()
        if "authorization violation" in text or "authentication" in text:
            return f"user {self._config['user']} is refused: its name or the password in {self._config['password_file']} is wrong"
        return reason(cause)

    async def subscribe(self, subject: str, handler: t.Callable[[bytes], None]) -> None:
        async def on_message(message: t.Any) -> None:
            handler(message.data)

        await self._guard(self._client.subscribe(subject, cb=on_message))

    async def ask(self, subject: str, question: bytes, handler: t.Callable[[bytes], None]) -> None:
        """Publish a question; the handler gets each answer as it arrives."""
        inbox = self._client.new_inbox()
        await self.subscribe(inbox, handler)
        await self._guard(self._client.publish(subject, question, reply=inbox))

    async def publish(self, subject: str, message: bytes) -> None:
        await self._guard(self._client.publish(subject, message))

    async def flush(self) -> None:
        """Wait until the server has received all messages."""
        await self._guard(self._client.flush(FLUSH_SECONDS))

    async def _guard(self, call: t.Awaitable[t.Any]) -> None:
        try:
            await call
        except nats.errors.Error as error:
            raise RoutingError(f"{self.server}: {self._explain(error)}") from error

    async def close(self) -> None:
        if self._client:
            client, self._client = self._client, None
            await _close(client)


async def _close(client: Client) -> None:
    """Close a connection, ignoring failures."""
    with contextlib.suppress(nats.errors.Error, OSError, asyncio.TimeoutError):
        await asyncio.wait_for(client.close(), CLOSE_SECONDS)
