# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of both programs: its schema, and a validation that reports all mistakes together."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import typing as t
import urllib.parse

Check = t.Callable[[t.Any], t.Optional[str]]
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
HOST = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# The minimum leaves room for three heartbeats. The routing API has its own maximum, 120 by default, which is not known here.
TTL = range(5, 3601)


class ConfigError(Exception):
    """The configuration is wrong: one line for each mistake."""


def matching(expected: str, valid: t.Callable[[str], object]) -> Check:
    """Return a check for a string: it returns None for a valid value, else what was expected."""
    return lambda value: None if isinstance(value, str) and valid(value) else expected


def number(numbers: range) -> Check:
    expected = f"a whole number from {numbers[0]} to {numbers[-1]}"
    return lambda value: None if isinstance(value, int) and not isinstance(value, bool) and value in numbers else expected


def _is_url(schemes: t.Collection[str], path: bool) -> t.Callable[[str], bool]:
    def valid(value: str) -> bool:
        try:
            url = urllib.parse.urlsplit(value)
            return bool(
                url.scheme in schemes
                and url.hostname
                and url.port != 0
                and not url.username
                and not url.query
                and (path or url.path in ("", "/"))
            )
        except ValueError:
            return False

    return valid


def _is_address(value: str) -> bool:
    try:
        return bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def _is_listener(value: str) -> bool:
    host, _colon, port = value.rpartition(":")
    return _is_address(host.strip("[]")) and port.isdigit() and 0 < int(port) < 65536


def _is_readable(value: str) -> bool:
    return os.path.isabs(value) and os.path.isfile(value) and os.access(value, os.R_OK)


string = matching("a non-empty string", bool)
name = matching("a name of lower-case letters, digits, '-' and '.'", NAME.fullmatch)
domain = matching("a DNS name such as apps.example.com", HOST.fullmatch)
file = matching("the absolute path of a readable file", _is_readable)
https = matching("an https URL", _is_url({"https"}, path=True))
server = matching("a URL such as tls://10.0.0.5:4224", _is_url({"tls"}, path=False))
address = matching("an IPv4 address, because the TCP routers ignore others", lambda value: _is_address(value) and ":" not in value)
listener = matching("an IP address and a port, such as 127.0.0.1:10280", _is_listener)
port = number(range(1, 65536))


def boolean(value: t.Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _is_ports(value: t.Any) -> str | None:
    expected = "a port such as 10000, or a range such as 10000-10009"
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", value):
        return expected
    first, _dash, last = value.partition("-")
    return None if 0 < int(first) <= int(last or first) < 65536 else expected


class ListOf:
    """A list whose entries pass a check, with a minimum length."""

    def __init__(self, check: Check, least: int = 0) -> None:
        self.check, self.least = check, least


class Table:
    """An object with these keys. A key with a default is optional; if the default is None, null is valid too."""

    def __init__(self, required: dict[str, t.Any], optional: dict[str, tuple[t.Any, t.Any]] | None = None) -> None:
        self.required, self.optional = required, optional or {}


class MapOf:
    """An object whose keys and values pass a check."""

    def __init__(self, key: Check, value: t.Any) -> None:
        self.key, self.value = key, value


UAA = Table({"url": https, "client_id": string, "client_secret_file": file}, {"ca_file": (file, None)})
ROUTING_API = Table(
    {"url": https, "router_group": string},
    {"ca_file": (file, None), "ttl": (number(TTL), 60), "sni_hostname": (domain, None)},
)
BACKENDS = {"max_backends": (number(range(1, 1001)), 10)}
NATS = Table(
    {"servers": ListOf(server, least=1), "user": string, "password_file": file, "ca_file": file, "certificate_file": file, "key_file": file},
    {"tls_hostname": (domain, None), "isolation_segment": (string, None), "isolation_segments": (ListOf(string), [])},
)
RECORD = {"namespace": "kube-system", "name": "cf-api-registrar"}
MASTERS = Table({"kubeconfig": file}, {"lease": (Table({}, {key: (name, value) for key, value in RECORD.items()}), RECORD)})
BINDING = Table({}, {"hosts": (ListOf(domain), []), "domains": (ListOf(domain), []), "ports": (ListOf(_is_ports), [])})
ROUTE_SYNC = Table(
    {
        "cluster": name,
        "kubeconfig": file,
        "lease": Table({"identity": string}, {"namespace": (name, "kube-system"), "name": (name, "cf-route-sync")}),
        "listen": listener,
    },
    {
        "app_domain": (domain, None),
        "domains": (ListOf(domain), []),
        "reserved": (Table({}, {"hosts": (ListOf(string), []), "ports": (ListOf(port), [])}), {"hosts": [], "ports": []}),
        "namespaces": (MapOf(name, BINDING), {}),
        "bound_only": (boolean, False),
        "uaa": (UAA, None),
        "routing_api": (Table(ROUTING_API.required, {**ROUTING_API.optional, **BACKENDS}), None),
        "nats": (NATS, None),
    },
)
REGISTRAR = Table(
    {
        "listen": listener,
        "uaa": UAA,
        "routing_api": Table({**ROUTING_API.required, "port": port}, ROUTING_API.optional),
        "backend": Table({"ip": address, "port": port}),
        "ready": Table({"url": https, "ca_file": file}),
    },
    {"masters": (MASTERS, None)},
)


def load(path: str, table: Table) -> dict[str, t.Any]:
    """Return the configuration with defaults filled in, or raise ConfigError with all its mistakes."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    mistakes: list[str] = []
    config = validate(value, table, "", mistakes)
    if not mistakes:
        mistakes += contradictions(config)
    if mistakes:
        raise ConfigError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    return config


def validate(value: t.Any, rule: t.Any, path: str, mistakes: list[str]) -> t.Any:
    """Return a value with defaults filled in, and append its mistakes: the place, what was found, what was expected."""
    if isinstance(rule, Table):
        if not isinstance(value, dict):
            mistakes.append(f"{path or 'configuration'}: found {_shown(value)}, expected an object")
            return value
        return _validate_table(value, rule, path, mistakes)
    if isinstance(rule, ListOf):
        if not isinstance(value, list) or len(value) < rule.least:
            mistakes.append(f"{path}: found {_shown(value)}, expected a list{f' of at least {rule.least}' if rule.least else ''}")
            return value
        return [validate(entry, rule.check, f"{path}[{index}]", mistakes) for index, entry in enumerate(value)]
    if isinstance(rule, MapOf):
        if not isinstance(value, dict):
            mistakes.append(f"{path}: found {_shown(value)}, expected an object")
            return value
        mistakes += [f"{path}: found key {_shown(key)}, expected {expected}" for key in value if (expected := rule.key(key))]
        return {key: validate(entry, rule.value, f"{path}.{key}", mistakes) for key, entry in value.items()}
    if expected := rule(value):
        mistakes.append(f"{path}: found {_shown(value)}, expected {expected}")
    return value


def _validate_table(value: dict[str, t.Any], table: Table, path: str, mistakes: list[str]) -> dict[str, t.Any]:
    prefix = f"{path}." if path else ""
    known = {**{key: (rule, ...) for key, rule in table.required.items()}, **table.optional}
    for key in value:
        if key not in known:
            mistakes.append(f"{prefix}{key}: unknown key, expected one of {', '.join(known)}")
    result = {}
    for key, (rule, default) in known.items():
        if key not in value and default is ...:
            mistakes.append(f"{prefix}{key}: missing")
        elif key not in value or value[key] is None and default is None:
            result[key] = default
        else:
            result[key] = validate(value[key], rule, f"{prefix}{key}", mistakes)
    return result


def contradictions(config: dict[str, t.Any]) -> list[str]:
    """Return the mistakes of keys that are valid alone but not together."""
    mistakes = []
    if config["uaa"] is None and config["routing_api"] is not None:
        mistakes.append("uaa: missing, but routing_api needs it for its tokens")
    if config.get("nats") is not None and config["app_domain"] is None:
        mistakes.append("app_domain: missing, but nats needs it for HTTP routes")
    if config["routing_api"] is None and config.get("nats") is None:
        mistakes.append("routing_api, nats: both missing, expected at least one")
    return mistakes


def _shown(value: t.Any) -> str:
    """Return a value as JSON, truncated if it is long. It contains no secret, because those are in files."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
