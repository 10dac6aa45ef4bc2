# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health checks: probe a service once, or until it is healthy."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import typing as t
import urllib.parse

from .._errors import HostError

__all__ = ("HEALTH", "TLS", "get", "problem", "wait")

POLL_SECONDS = 0.1
REQUEST_SECONDS = 5
_TAG = re.compile(r"<[^>]*>")

TLS = {"ca_path": {"type": "path"}, "certificate_path": {"type": "path"}, "key_path": {"type": "path", "no_log": False}}

# One health check of a unit.
HEALTH = {"url": {"type": "str", "required": True}, **TLS, "condition": {"type": "str"}}


def problem(check: dict[str, t.Any]) -> str | None:
    """Return what is wrong with the service, or None if it is healthy."""
    try:
        status, body = get(check)
    except (OSError, http.client.HTTPException) as error:
        return f"{check['url']}: {error or type(error).__name__}"
    if status != 200:
        return f"{check['url']}: {status} {_reason(body)}"
    if check.get("condition"):
        return _condition_problem(check["url"], check["condition"], body)
    return None


def get(check: dict[str, t.Any]) -> tuple[int, str]:
    """Return the status and the body of the service's response."""
    url = urllib.parse.urlsplit(check["url"])
    connection = _connection(url, check)
    try:
        connection.request("GET", (url.path or "/") + (f"?{url.query}" if url.query else ""))
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()


def wait(ask: t.Callable[[], str | None], seconds: float, dead: t.Callable[[], str | None]) -> None:
    """Wait until ask() returns no problem; give up early if dead() returns a reason."""
    deadline = time.monotonic() + seconds
    while (found := ask()) is not None:
        if (reason := dead()) is not None:
            raise HostError(f"{reason}; {found}")
        if time.monotonic() > deadline:
            raise HostError(f"not healthy after {seconds} seconds: {found}")
        time.sleep(POLL_SECONDS)


def _reason(body: str) -> str:
    """Return the failed checks that a Kubernetes component lists, or else the text of the page."""
    failed = [line for line in body.splitlines() if line.startswith("[-]")]
    return " ".join(_TAG.sub(" ", " ".join(failed) or body).split())[:500]


def _connection(url: urllib.parse.SplitResult, check: dict[str, t.Any]) -> http.client.HTTPConnection:
    if url.scheme == "http":
        return http.client.HTTPConnection(url.hostname, url.port, timeout=REQUEST_SECONDS)
    context = ssl.create_default_context(cafile=check.get("ca_path"))
    if check.get("certificate_path"):
        context.load_cert_chain(check["certificate_path"], check["key_path"])
    return http.client.HTTPSConnection(url.hostname, url.port, timeout=REQUEST_SECONDS, context=context)


def _condition_problem(url: str, name: str, body: str) -> str | None:
    """Return why a condition of a Kubernetes object is not True, or None if it is."""
    conditions = json.loads(body).get("status", {}).get("conditions", [])
    for condition in conditions:
        if condition["type"] == name:
            return None if condition["status"] == "True" else f"{url}: {name} is {condition['status']}: {condition.get('message', '')}"
    return f"{url}: has no condition {name} yet"
