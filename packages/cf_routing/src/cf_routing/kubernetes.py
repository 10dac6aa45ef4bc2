# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of the Kubernetes API: requests, and watches that keep a reduced copy of the objects."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import typing as t

import aiohttp

from .backoff import Backoff
from .errors import FAULTS, RoutingError
from .files import Tls, file_state, secret
from .status import REQUESTS, Status, log

T = t.TypeVar("T")
TIMEOUT = aiohttp.ClientTimeout(total=10)
# The API server ends a watch after this time; the next one continues where it ended.
WATCH_SECONDS = 300
PAGE = 500
# Tenants can fill a Service up to the limit of the API server, more than a MiB, so fewer are read at a time.
SERVICES_PAGE = 10


class ApiError(RoutingError):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def connector() -> aiohttp.TCPConnector:
    """Return a connector that notices a dead peer within seconds, because a watch may be silent for minutes."""

    def socket_factory(address_info: tuple) -> socket.socket:
        family, kind, protocol, _name, _address = address_info
        connection = socket.socket(family, kind, protocol)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 3)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 7000)
        return connection

    return aiohttp.TCPConnector(limit=50, limit_per_host=20, socket_factory=socket_factory, use_dns_cache=False)


class Kubeconfig:
    """The current context of a kubeconfig in JSON that refers to files. It is reloaded when the kubeconfig changes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._state: tuple[object, ...] = ()
        self.server = ""
        self._tls = Tls(None)

    def load(self) -> None:
        now = file_state(self._path)
        if now == self._state:
            return
        try:
            content = json.loads(secret(self._path))
            context = _named(content["contexts"], content["current-context"])["context"]
            cluster = _named(content["clusters"], context["cluster"])["cluster"]
            user = _named(content["users"], context["user"])["user"]
            self.server = cluster["server"].rstrip("/")
            self._tls = Tls(cluster["certificate-authority"], user["client-certificate"], user["client-key"])
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise RoutingError(
                f"{self._path}: expected a kubeconfig in JSON with server, CA, certificate and key as files: {type(error).__name__} {error}"
            ) from error
        self._state = now

    def tls(self) -> t.Any:
        return self._tls.context()


def _named(entries: list[dict], name: str) -> dict:
    return next(entry for entry in entries if entry["name"] == name)


class Kubernetes:
    """A client of the API server."""

    def __init__(self, session: aiohttp.ClientSession, kubeconfig: str) -> None:
        self._session = session
        self._config = Kubeconfig(kubeconfig)

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        reduce: t.Callable[[dict[str, t.Any]], t.Any] | None = None,
        **parameters: str,
    ) -> dict[str, t.Any]:
        """Send a request, and return the answer. `reduce` replaces each object as soon as it is parsed."""
        async with self._send(method, path, body, content_type, parameters, TIMEOUT) as answer:
            content = await answer.read()
            _raise_for(method, answer.status, content)
            try:
                return json.loads(content, object_hook=reduce)
            except ValueError as error:
                raise RoutingError(f"{method} {path}: expected JSON from the API server") from error

    async def find(self, path: str) -> dict[str, t.Any] | None:
        """Return an object, or None if it does not exist."""
        try:
            return await self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def watch(self, path: str, opened: t.Callable[[], None], **parameters: str) -> t.AsyncIterator[dict[str, t.Any]]:
        """Yield events until the API server ends the watch."""
        seconds = int(WATCH_SECONDS * random.uniform(0.8, 1.0))
        asked = {**parameters, "watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        # The client ends the watch if the API server does not.
        timeout = aiohttp.ClientTimeout(total=seconds + 30, sock_connect=5)
        async with self._send("GET", path, None, "", asked, timeout) as answer:
            if answer.status != 200:
                _raise_for("WATCH", answer.status, await answer.read())
            opened()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(event["object"].get("code", 500), event["object"].get("message", "the watch failed"))
                    yield event

    def _send(self, method: str, path: str, body: object, content_type: str, parameters: dict, timeout: aiohttp.ClientTimeout) -> t.Any:
        self._config.load()
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        data = None if body is None else json.dumps(body)
        url = f"{self._config.server}{path}"
        return self._session.request(
            method, url, params=parameters, data=data, headers=headers, ssl=self._config.tls(), timeout=timeout, allow_redirects=False
        )


def _raise_for(method: str, status: int, content: bytes) -> None:
    REQUESTS.labels("kubernetes", method, status).inc()
    if 200 <= status < 300:
        return
    try:
        message = json.loads(content)["message"]
    except (ValueError, KeyError, TypeError):
        message = content.decode(errors="replace")[:200]
    raise ApiError(status, f"the API server answered HTTP {status}: {message}")


class Watch(t.Generic[T]):
    """All objects of one kind, each reduced to the values needed, kept current by a watch."""

    def __init__(
        self,
        api: Kubernetes,
        status: Status,
        path: str,
        reduce: t.Callable[[dict[str, t.Any]], T],
        changed: t.Callable[[], None],
        selector: str = "",
        page: int = PAGE,
    ) -> None:
        self._api, self._status, self._path, self._reduce, self._changed = api, status, path, reduce, changed
        self._page = page
        self._selector = {"labelSelector": selector} if selector else {}
        self._peer = f"kubernetes {path.rpartition('/')[2]}{f' {selector}' if selector else ''}"
        self.items: dict[str, T] = {}
        self.synced = False

    async def run(self) -> None:
        """Watch until cancelled, and recover from every failure of the API server."""
        backoff = Backoff()
        version = ""

        def opened() -> None:
            backoff.reset()
            self._status.succeeded(self._peer)

        while True:
            try:
                if not version:
                    version = await self._list()
                async for event in self._api.watch(self._path, opened, resourceVersion=version, **self._selector):
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._apply_event(event)
            except (*FAULTS, ValueError, KeyError, TypeError) as error:
                if isinstance(error, ApiError) and error.status in (410, 500, 504) and version:
                    log.info("%s: listing again: %s", self._peer, error)
                    version = ""
                else:
                    self._status.failed(self._peer, error)
                await asyncio.sleep(backoff.next())

    async def _list(self) -> str:
        found, token = {}, ""
        while True:
            more = {"continue": token} if token else {}
            page = await self._api.request("GET", self._path, reduce=self._reduce_item, limit=str(self._page), **self._selector, **more)
            found.update(item for item in page["items"] or [] if item)
            token = page["metadata"].get("continue", "")
            if not token:
                break
        changed = found != self.items or not self.synced
        self.items, self.synced = found, True
        if changed:
            self._changed()
        return page["metadata"]["resourceVersion"]

    def _apply_event(self, event: dict[str, t.Any]) -> None:
        if event["type"] == "BOOKMARK":
            return
        uid = event["object"]["metadata"]["uid"]
        before = self.items.pop(uid, None)
        if event["type"] != "DELETED" and (item := self._reduced(event["object"])):
            self.items[uid] = item[1]
        # A node's heartbeat, for example, changes nothing that is needed.
        if self.items.get(uid) != before:
            self._changed()

    def _reduce_item(self, value: dict[str, t.Any]) -> t.Any:
        """Reduce an object of a list at once, so that only one is in memory as a whole. Leave other parts of the list as they are."""
        return self._reduced(value) if "metadata" in value and "items" not in value else value

    def _reduced(self, item: dict[str, t.Any]) -> tuple[str, T] | None:
        """Return the UID and the reduced object, or None if it cannot be read, which must not affect the others."""
        metadata = item["metadata"]
        try:
            return metadata["uid"], self._reduce(item)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: cannot read %s/%s: %s", self._peer, metadata.get("namespace", ""), metadata.get("name"), type(error).__name__)
            return None
