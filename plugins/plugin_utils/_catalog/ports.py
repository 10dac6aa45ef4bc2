# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ports of catalog/ports.yml, by group and by name."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.common.yaml import yaml_load

from .catalog import CATALOG, CatalogError

__all__ = ("HOST_GROUPS", "Port", "port_catalog", "port_number", "ports_of")

# Read when Ansible imports an action, before it forks a process for every task of every host. Most of them look ports up.
_PORTS: list[dict[str, t.Any]] = yaml_load((CATALOG / "ports.yml").read_text(encoding="utf-8"))["ports"]
_NAMED: dict[str, int | str] = {entry["name"]: entry["port"] for entry in _PORTS if "name" in entry}

HOST_GROUPS = ("etcd", "master", "worker", "proxy")  # of the hosts that have components of the cluster, and so its ports and its firewall


@dataclasses.dataclass(frozen=True)
class Port:
    """One port, or one range of ports, that a component listens on."""

    component: str
    unit: str
    first: int
    last: int
    protocol: str
    address: str = ""
    interface: str = ""

    def __str__(self) -> str:
        number = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{number}/{self.protocol}"


def port_number(name: str) -> int | str:
    """Return the port that catalog/ports.yml has under this name. A range such as 30000-32767 is text."""
    if name not in _NAMED:
        raise CatalogError(f"catalog/ports.yml: found no port named {name!r}, expected one of {', '.join(_NAMED)}")
    return _NAMED[name]


def port_catalog() -> list[dict[str, t.Any]]:
    """Return the entries of catalog/ports.yml."""
    return _PORTS


def ports_of(catalog: t.Iterable[t.Mapping[str, t.Any]], groups: t.Collection[str], variables: t.Mapping[str, t.Any]) -> list[Port]:
    """Return the ports that a host in these groups listens on."""
    return [
        Port(
            component=entry["component"],
            unit=entry["unit"],
            first=first,
            last=last,
            protocol=entry["protocol"],
            address=entry.get("address", ""),
            interface=entry.get("interface", ""),
        )
        for entry in catalog
        if set(entry["hosts"]) & set(groups)
        for first, last in _ranges(entry["port"], variables)
    ]


def _ranges(port: int | str, variables: t.Mapping[str, t.Any]) -> list[tuple[int, int]]:
    """Return the ranges of a port of the catalog, each as (first, last)."""
    if isinstance(port, int):
        return [(port, port)]
    first, dash, last = port.partition("-")
    if dash:
        return [(int(first), int(last))]
    value = variables.get(port, [])
    numbers = [item["port"] for item in value] if isinstance(value, list) else [value]
    return [(int(number), int(number)) for number in numbers]
