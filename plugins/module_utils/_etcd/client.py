# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small client of etcd's JSON gateway, with mutual TLS and errors that name the member and the reason."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import queue
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

__all__ = ("CONNECTION", "Etcd", "EtcdError", "explain", "from_bytes", "prefix_end", "to_bytes")

CONNECTION = {
    "endpoints": {"type": "list", "elements": "str", "required": True},
    "ca_path": {"type": "path", "default": "/etc/etcd/pki/ca.crt"},
    "certificate_path": {"type": "path", "default": "/etc/etcd/pki/server.crt"},
    "key_path": {"type": "path", "default": "/etc/etcd/pki/server.key", "no_log": False},
    "user": {"type": "str", "default": "root"},
    "password": {"type": "str", "no_log": True},
    "former_passwords": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "timeout": {"type": "float", "default": 5},
}

POLL_SECONDS = 0.1
_MOST_LINE = 16 << 20  # of a message in a long answer
# gRPC's codes DEADLINE_EXCEEDED and UNAVAILABLE: this member cannot answer now, another one may.
UNAVAILABLE_CODES = (4, 14)
NOT_FOR_LEARNERS = "rpc not supported for learner"
NEEDS_TOKEN = ("user name is empty", "invalid auth token", "revision of auth store is old")


class EtcdError(HostError):
    """A failed request. The reason is etcd's message; if unavailable is true, the request may succeed later or at another member."""

    def __init__(self, message: str, *, reason: str = "", unavailable: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.unavailable = unavailable


class Etcd:
    """The members of one cluster, reached by their client URLs."""

    def __init__(self, connection: dict[str, t.Any]) -> None:
        """Take the options of CONNECTION."""
        self.endpoints: list[str] = list(dict.fromkeys(url.rstrip("/") for url in connection["endpoints"]))
        self.password: str | None = connection["password"]
        self._former_passwords: list[str] = list(connection.get("former_passwords") or ())
        self.user: str = connection["user"]
        self._timeout: float = connection["timeout"]
        self._files = tuple(connection[name] for name in ("ca_path", "certificate_path", "key_path"))
        self._token: str | None = None
        self._connections: dict[str, http.client.HTTPSConnection] = {}

    def call(self, path: str, body: dict[str, t.Any] | None = None, *, url: str | None = None) -> dict[str, t.Any]:
        """Post a request to the given member, or to the first that answers, which is then preferred."""
        reasons = {}
        for candidate in [url] if url else list(self.endpoints):
            try:
                answer = self._authenticated(candidate, path, body or {})
            except EtcdError as error:
                if not error.unavailable:
                    raise
                reasons[candidate] = error.reason
                continue
            if not url:
                self.prefer(candidate)
            return answer
        raise EtcdError(f"{path}: {explain(reasons)}", reason="; ".join(reasons.values()), unavailable=True)

    def messages(self, url: str, path: str) -> t.Iterator[dict[str, t.Any]]:
        """Yield the messages of a long answer of one member, which is not read into memory as a whole."""
        with contextlib.closing(self._connect(url, self._timeout)) as connection:
            try:
                response = self._begin(connection, path, self._token)
                line = response.readline(_MOST_LINE)
                if self.password and (_problem(line) or response.status != 200):
                    response.read()
                    self._token = self._log_in(url)
                    response = self._begin(connection, path, self._token)
                    line = response.readline(_MOST_LINE)
                while line:
                    if problem := _problem(line) or ("" if response.status == 200 else f"{response.status} {line.decode(errors='replace').strip()}"):
                        raise EtcdError(f"{url}: {path}: {problem}", reason=problem)
                    yield json.loads(line)["result"]
                    line = response.readline(_MOST_LINE)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                raise EtcdError(f"{url}: {path}: {self._reason(error)}", reason=self._reason(error), unavailable=True) from error

    def _begin(self, connection: http.client.HTTPSConnection, path: str, token: str | None) -> http.client.HTTPResponse:
        """Send a request without a body, and return the answer before it is read."""
        connection.request("POST", path, b"{}", _headers(token))
        return connection.getresponse()

    def prefer(self, url: str) -> None:
        """Send requests to this member first from now on."""
        self.endpoints.sort(key=lambda other: other != url)

    def health(self, urls: t.Iterable[str], *, first: bool = False, timeout: float | None = None) -> dict[str, str]:
        """Return the reason why each member is not healthy, by URL. It is "" if the member knows a leader and takes part in the quorum.

        All members are checked in parallel, so that a dead host costs no time. With first, return after the first healthy member.
        """
        answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        pending = set(urls)
        for url in pending:
            threading.Thread(target=lambda url=url: answers.put((url, self._health(url, timeout))), daemon=True).start()
        reasons: dict[str, str] = {}
        while pending - reasons.keys():
            url, reasons[url] = answers.get()
            if first and not reasons[url]:
                break
        return reasons

    def wait_healthy(self, seconds: float) -> str:
        """Wait until the cluster has a quorum, prefer the member that reports it, and return its URL."""
        deadline = time.monotonic() + seconds
        while True:
            reasons = self.health(self.endpoints, first=True)
            for url, reason in reasons.items():
                if not reason:
                    self.prefer(url)
                    return url
            if time.monotonic() > deadline:
                raise EtcdError(f"no member of etcd is healthy after {seconds:g} seconds: {explain(reasons)}", unavailable=True)
            time.sleep(POLL_SECONDS)

    def password_is_right(self, name: str, password: str) -> bool:
        """Return whether a user can log in with a password. Authentication must be enabled."""
        try:
            self.call("/v3/auth/authenticate", {"name": name, "password": password})
        except EtcdError as error:
            if error.reason.startswith("authentication failed"):
                return False
            raise
        return True

    def _authenticated(self, url: str, path: str, body: dict[str, t.Any]) -> dict[str, t.Any]:
        """Post with a token. Log in for one only if a member demands it, that is, if authentication is enabled."""
        try:
            return self._post(url, path, body, self._token)
        except EtcdError as error:
            if error.reason not in NEEDS_TOKEN:
                raise
        if not self.password:
            raise EtcdError(f"{url}: authentication is enabled, but no password is given. Set password to the one of user {self.user}")
        try:
            self._token = self._log_in(url)
        except EtcdError as refusal:
            if refusal.unavailable:
                raise
            raise EtcdError(f"{url}: user {self.user} cannot log in: {refusal.reason}", reason=refusal.reason) from refusal
        return self._post(url, path, body, self._token)

    def _log_in(self, url: str) -> str:
        """Return a token for the password, or for a former one, since one of these is valid until the new one is set."""
        passwords = [self.password, *self._former_passwords]
        while True:
            try:
                return self._post(url, "/v3/auth/authenticate", {"name": self.user, "password": passwords.pop(0)}, None)["token"]
            except EtcdError as refusal:
                if not passwords or not refusal.reason.startswith("authentication failed"):
                    raise

    def _post(self, url: str, path: str, body: dict[str, t.Any], token: str | None) -> dict[str, t.Any]:
        try:
            status, text = self._exchange(url, "POST", path, json.dumps(body).encode(), _headers(token))
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = self._reason(error)
            raise EtcdError(f"{url}: {reason}", reason=reason, unavailable=True) from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"message": text.strip()}
        if status == 200:
            return answer
        reason = str(answer.get("message") or answer.get("error") or status)
        reason = reason[len("etcdserver: "):] if reason.startswith("etcdserver: ") else reason
        unavailable = answer.get("code") in UNAVAILABLE_CODES or reason == NOT_FOR_LEARNERS
        raise EtcdError(f"{url}: {path}: {reason}", reason=reason, unavailable=unavailable)

    def _exchange(self, url: str, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        """Send a request on the open connection, and retry on a new one if the member has closed it."""
        reused = url in self._connections
        connection = self._connections.pop(url, None) or self._connect(url, self._timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (ConnectionError, ssl.SSLEOFError):
            connection.close()
            if not reused:
                raise
            return self._exchange(url, method, path, body, headers)
        except BaseException:
            connection.close()
            raise
        self._connections[url] = connection
        return response.status, text

    def _connect(self, url: str, timeout: float) -> http.client.HTTPSConnection:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or not parts.port:
            raise ValueError("not an https:// URL with a port")
        authority, certificate, key = self._files
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(certificate, key)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)

    def _health(self, url: str, timeout: float | None) -> str:
        """Check one member on a separate connection. A member with a full database still takes part in the quorum."""
        try:
            connection = self._connect(url, timeout or self._timeout)
            try:
                connection.request("GET", "/health?exclude=NOSPACE")
                response = connection.getresponse()
                text = response.read().decode(errors="replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return self._reason(error, timeout)
        try:
            answer = json.loads(text)
        except ValueError:
            return f"{response.status} {text.strip()[:200]}"
        return "" if answer.get("health") == "true" else str(answer.get("reason") or answer)

    def _reason(self, error: Exception, timeout: float | None = None) -> str:
        if isinstance(error, (TimeoutError, socket.timeout)):  # the same class only since Python 3.10
            return f"no answer within {timeout or self._timeout:g} seconds"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {error.verify_message}"
        if isinstance(error, FileNotFoundError):
            return f"found no file at one of these paths: {', '.join(self._files)}"
        if isinstance(error, OSError) and error.strerror:
            return error.strerror[:1].lower() + error.strerror[1:]
        return str(error) or type(error).__name__


def _headers(token: str | None) -> dict[str, str]:
    # Without an Accept header, etcd takes the certificate of the gateway itself for that of the client.
    return {"Accept": "application/json", "Content-Type": "application/json", **({"Authorization": token} if token else {})}


def _problem(line: bytes) -> str:
    """Return the message of an error in a long answer, or nothing."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        answer = json.loads(line)
        error = answer.get("error")
        message = error.get("message") if isinstance(error, dict) else answer.get("message") or error
        return str(message).removeprefix("etcdserver: ") if message else ""
    return ""


def explain(reasons: dict[str, str]) -> str:
    """Return the reason why each member is not healthy, as one text."""
    return "; ".join(f"{url}: {reason or 'healthy'}" for url, reason in sorted(reasons.items()))


def to_bytes(text: str) -> str:
    """Return a text as bytes in JSON, that is, in base64."""
    return base64.b64encode(text.encode()).decode()


def from_bytes(data: str) -> str:
    """Return the text of bytes in JSON."""
    return base64.b64decode(data).decode(errors="backslashreplace")


def prefix_end(prefix: str) -> str:
    """Return the end of the range of keys with a prefix, as bytes in JSON. An empty prefix means all keys."""
    key = bytearray(prefix.encode())
    while key and key[-1] == 0xFF:
        key.pop()
    if not key:
        return base64.b64encode(b"\0").decode()
    key[-1] += 1
    return base64.b64encode(bytes(key)).decode()
