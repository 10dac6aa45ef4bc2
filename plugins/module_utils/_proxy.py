# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP proxy of downloads, in the environment variables that apt-get, pip, ctr and Python's own HTTP client read."""

from __future__ import annotations

import os
import typing as t
from urllib.parse import urlsplit

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
    import ipaddress  # most runs download nothing

    def parsed(parse: t.Callable[[str], t.Any], text: str) -> t.Any:
        try:
            return parse(text)
        except ValueError:  # a name
            return None

    address = parsed(ipaddress.ip_address, urlsplit(url).hostname or "")
    networks = [parsed(ipaddress.ip_network, text.strip()) for text in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")]
    return not address or not any(address in network for network in networks if network)
