# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tokens of Cloud Foundry's UAA."""

from __future__ import annotations

import json
import time

import aiohttp

from .errors import FAULTS, RoutingError, reason
from .files import Tls, file_state, secret
from .status import REQUESTS, Status

# As Cloud Foundry's own clients do. A token that lives less than a minute is renewed after half its life.
RENEW_BEFORE_SECONDS = 30
TIMEOUT = aiohttp.ClientTimeout(total=10)


class Uaa:
    """The token of one client, fetched when it is needed and renewed before it expires."""

    def __init__(self, session: aiohttp.ClientSession, config: dict, status: Status) -> None:
        self._session, self._config, self._status = session, config, status
        self._tls = Tls(config["ca_file"])
        self._token, self._renew_at = "", 0.0
        self._secret_state: tuple[object, ...] = ()

    async def token(self) -> str:
        # A changed secret needs a new token, so that a wrong one is reported at once.
        now = file_state(self._config["client_secret_file"])
        if not self._token or time.monotonic() >= self._renew_at or now != self._secret_state:
            try:
                self._token, seconds = await self._fetch()
            except FAULTS as error:
                self._status.failed("uaa", error)
                raise RoutingError(f"cannot get a token from UAA: {reason(error)}") from error
            self._secret_state = now
            self._renew_at = time.monotonic() + max(seconds - RENEW_BEFORE_SECONDS, seconds / 2)
            self._status.succeeded("uaa")
        return self._token

    def forget(self) -> None:
        self._token = ""

    async def _fetch(self) -> tuple[str, float]:
        url, client = self._config["url"].rstrip("/"), self._config["client_id"]
        form = {
            "client_id": client,
            "client_secret": secret(self._config["client_secret_file"]),
            "grant_type": "client_credentials",
            "response_type": "token",
        }
        # A redirect could send the secret to another host.
        request = self._session.post(
            f"{url}/oauth/token",
            data=form,
            headers={"Accept": "application/json"},
            ssl=self._tls.context(),
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        async with request as answer:
            REQUESTS.labels("uaa", "POST", answer.status).inc()
            if answer.status in (400, 401):
                where = self._config["client_secret_file"]
                said = await _said(answer)
                raise RoutingError(f"{url} refuses client {client} (HTTP {answer.status}{said}): its ID or the secret in {where} is wrong")
            if answer.status != 200:
                raise RoutingError(f"{url}: found HTTP {answer.status}{await _said(answer)}, expected 200")
            try:
                body = await answer.json(content_type=None)
                return str(body["access_token"]), float(body["expires_in"])
            except (ValueError, KeyError, TypeError) as error:
                raise RoutingError(f"{url}: expected a token in the answer") from error


async def _said(answer: aiohttp.ClientResponse) -> str:
    """Return UAA's own words, in which no secret is."""
    try:
        body = json.loads(await answer.text(errors="replace"))
        return f", {' '.join(str(body.get('error_description') or body['error']).split())[:200]}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
