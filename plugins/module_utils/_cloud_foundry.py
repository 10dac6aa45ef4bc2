# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of Cloud Foundry's routing API, with a token of its UAA. https://github.com/cloudfoundry/routing-api/blob/main/docs/02-api-docs.md"""

from __future__ import annotations

import json
import re
import typing as t
import urllib.error
import urllib.parse

from ansible.module_utils.urls import open_url

from ._errors import HostError

__all__ = ("CONNECTION", "RoutingApi", "ports")

CONNECTION = {
    "api_url": {"type": "str", "required": True},
    "uaa_url": {"type": "str", "required": True},
    "client_id": {"type": "str", "required": True},
    "client_secret": {"type": "str", "required": True, "no_log": True},
    "ca_path": {"type": "path"},
    "timeout": {"type": "int", "default": 10},
}


def ports(reservable: str) -> list[tuple[int, int]]:
    """Return the ranges of a router group's reservable_ports, "1024-1123,2000", each as (first, last)."""
    ranges = []
    for part in reservable.split(","):
        first, _dash, last = part.strip().partition("-")
        ranges.append((int(first), int(last or first)))
    return ranges


class RoutingApi:
    """The routing API, with the permissions of one client."""

    def __init__(self, params: dict[str, t.Any]) -> None:
        """Take the options of CONNECTION, without a request."""
        self._params = params
        self._token = ""

    def router_groups(self, name: str | None = None) -> list[dict[str, t.Any]]:
        """Return the router groups, or the one of this name. With a filter, the API answers 404 also if its database is down."""
        return [group for group in self._call("GET", "router_groups") if name in (None, "", group.get("name"))]

    def tcp_routes(self) -> list[dict[str, t.Any]]:
        """Return all TCP routes that have not expired."""
        return self._call("GET", "tcp_routes")

    def create_tcp_routes(self, routes: list[dict[str, t.Any]]) -> None:
        """Create routes, or extend the lifetime of existing ones."""
        self._call("POST", "tcp_routes/create", routes)

    def delete_tcp_routes(self, routes: list[dict[str, t.Any]]) -> None:
        """Delete routes. The API also succeeds for unknown routes, so the caller checks that they are gone."""
        self._call("POST", "tcp_routes/delete", routes)

    def _call(self, method: str, path: str, body: t.Any = None) -> t.Any:
        self._token = self._token or self._fetch_token()
        headers = {"Authorization": f"bearer {self._token}", "Content-Type": "application/json"}
        url = f"{self._params['api_url'].rstrip('/')}/routing/v1/{path}"
        return self._ask(method, url, headers, None if body is None else json.dumps(body))

    def _fetch_token(self) -> str:
        form = {
            "client_id": self._params["client_id"],
            "client_secret": self._params["client_secret"],
            "grant_type": "client_credentials",
            "response_type": "token",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url = f"{self._params['uaa_url'].rstrip('/')}/oauth/token"
        answer = self._ask("POST", url, headers, urllib.parse.urlencode(form))
        try:
            return answer["access_token"]
        except (KeyError, TypeError) as error:
            raise HostError(f"POST {url}: found no access_token in the answer") from error

    def _ask(self, method: str, url: str, headers: dict[str, str], body: str | None) -> t.Any:
        shown = f"{method} {url}"
        try:
            # A redirect would carry the secret elsewhere.
            with open_url(
                url,
                method=method,
                headers=headers,
                data=body,
                ca_path=self._params["ca_path"],
                timeout=self._params["timeout"],
                follow_redirects="none",
            ) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            reason = _reason(error.read())
            if re.search(r"cannot unmarshal number -1 into .*backend_tls_port", reason):
                reason = f"the routing API is too old, expected that of cf-deployment 43 or later (routing-release 0.302): {reason}"
            raise HostError(f"{shown}: {error.code} {reason}") from error
        except (OSError, ValueError) as error:
            # The text of a URLError is that of a Python object.
            raise HostError(f"{shown}: {getattr(error, 'reason', error)}") from error
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise HostError(f"{shown}: found {text[:100]!r}, expected JSON") from error


def _reason(body: bytes) -> str:
    """Return the error message of the routing API or UAA."""
    try:
        said = json.loads(body)
        return said.get("message") or said.get("error_description") or said.get("error") or body.decode(errors="replace")
    except (ValueError, AttributeError):
        return body.decode(errors="replace")[:300]
