# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for the proxy of downloads and the operator's registries."""

from __future__ import annotations

import ipaddress
import re
import ssl
import typing as t
import urllib.parse
from collections import Counter

from .names import is_domain, is_host
from .problems import Problem

__all__ = ("check_sources",)

Values = t.Mapping[str, t.Any]

# The record of a password in the store is named after the host, and has 64 characters at most.
_LONGEST_HOST = 50
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def check_sources(values: Values) -> t.Iterator[Problem]:
    """Check the values of one host that have the right types."""
    yield from _proxy(values.get("cluster_http_proxy", ""))
    for exception in values.get("cluster_no_proxy", []):
        if not _is_exception(exception):
            yield Problem("cluster_no_proxy", repr(exception), "names, domains, addresses and networks, such as .example.com or 10.0.0.0/8")
    registries = values.get("cluster_registries", [])
    for host, times in Counter(entry["host"] for entry in registries).items():
        if times > 1:
            yield Problem("cluster_registries", f"{host} {times} times", "one entry for each registry")
    for entry in registries:
        yield from _registry(entry)
    yield from _plain_passwords(registries)


def _proxy(proxy: str) -> t.Iterator[Problem]:
    """Check the proxy: its URL stands in a unit of systemd, in plain text."""
    expected = "http://<host>:<port>, or nothing"
    if "@" in proxy:
        yield Problem("cluster_http_proxy", "a user or password (not shown)", f"{expected}: hosts would show the password to every user")
    elif proxy and not _is_url(proxy, ("http",), path=""):
        yield Problem("cluster_http_proxy", repr(proxy), expected)


def _registry(entry: Values) -> t.Iterator[Problem]:
    """Check an entry. Its password is never shown."""
    host = entry["host"]
    subject = f"cluster_registries, {host or 'nothing'}"
    if not _is_authority(host) or len(host) > _LONGEST_HOST:
        expected = f"the name of a registry as in references of images, such as registry.example.com:5000, {_LONGEST_HOST} characters or fewer"
        yield Problem("cluster_registries", f"the host {host!r}", expected)
    for url in entry["mirrors"]:
        if "@" in url:
            yield Problem(subject, "a mirror with a user or password (not shown)", "an entry with the mirror's host, username and password")
        elif not _is_url(url, ("http", "https"), path=r"(/[A-Za-z0-9._~/-]*)?"):
            yield Problem(subject, f"the mirror {url!r}", "a URL such as https://mirror.example.com")
    for url, times in Counter(entry["mirrors"]).items():
        if times > 1:
            yield Problem(subject, f"the mirror {url} {times} times", "each mirror once")
    if entry["ca"] and not _are_certificates(entry["ca"]):
        yield Problem(subject, "a ca without certificates", "certificates in PEM, such as the content of a file by lookup('ansible.builtin.file', …)")
    if entry["password"] and not entry["username"]:
        yield Problem(subject, "a password without username", "both")
    if ":" in entry["username"] or not (entry["username"] + entry["password"]).isprintable():
        yield Problem(subject, "a username with a colon, or control characters in username or password (not shown)", "values that HTTP can send")


def _plain_passwords(registries: t.Iterable[Values]) -> t.Iterator[Problem]:
    """Check that no password goes to a mirror over plain HTTP."""
    with_password = {entry["host"] for entry in registries if entry["username"]}
    for entry in registries:
        for url in entry["mirrors"]:
            if url.startswith("http://") and urllib.parse.urlsplit(url).netloc in with_password:
                yield Problem(f"cluster_registries, {entry['host']}", f"the mirror {url}, which has a username", "https, because a password is sent")


def _is_exception(text: str) -> bool:
    try:
        return bool(ipaddress.ip_network(text))
    except ValueError:
        return is_host(text) or is_domain(text[1:]) and text.startswith(".")


def _is_url(text: str, schemes: tuple[str, ...], path: str) -> bool:
    match = re.fullmatch(rf"({'|'.join(schemes)})://([^/]+){path}", text)
    return bool(match) and _is_authority(match[2])


def _is_authority(text: str) -> bool:
    """Return whether this is a name or an IPv4 address, perhaps with a port."""
    host, colon, port = text.partition(":")
    return text == text.lower() and is_host(host) and (not colon or port.isdecimal() and 0 < int(port) < 65536)


def _are_certificates(text: str) -> bool:
    found = _CERTIFICATE.findall(text)
    try:
        return bool(found) and all(ssl.PEM_cert_to_DER_cert(certificate) for certificate in found)
    except ValueError:
        return False
