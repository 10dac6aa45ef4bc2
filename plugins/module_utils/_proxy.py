# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP proxy of downloads, in the environment variables that apt-get, pip, ctr and Python's own HTTP client read."""

from __future__ import annotations

import ipaddress
import typing as t
import urllib.parse
import urllib.request

__all__ = ("PROXY", "environment", "needs_proxy")

# The proxy, as the action of module job passes it.
PROXY = {"url": {"type": "str", "required": True}, "exceptions": {"type": "list", "elements": "str", "default": []}}


def environment(proxy: dict[str, t.Any] | None) -> dict[str, str]:
    """Return the environment variables for a proxy, in both cases of letters, since programs differ."""
    if not proxy:
        return {}
    values = {"http_proxy": proxy["url"], "https_proxy": proxy["url"], "no_proxy": ",".join(proxy["exceptions"])}
    return {**values, **{name.upper(): value for name, value in values.items()}}


def needs_proxy(url: str) -> bool:
    """Return whether a URL is outside the networks in no_proxy, which Python's HTTP client does not understand."""
    try:
        address = ipaddress.ip_address(urllib.parse.urlsplit(url).hostname or "")
    except ValueError:
        return True
    return not any(address in network for network in _networks(urllib.request.getproxies_environment().get("no", "")))


def _networks(exceptions: str) -> t.Iterator[t.Any]:
    for exception in exceptions.split(","):
        try:
            yield ipaddress.ip_network(exception.strip())
        except ValueError:  # a name
            continue
