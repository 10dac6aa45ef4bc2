# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of a cluster: defaults and argument specs of role cluster, for plays without a role that depends on it.

It includes those of roles whose variables decide which ports, networks and name servers the hosts use, or would fail only after hosts were changed.
"""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load
from ansible.template import Templar

from .._catalog.ports import port_catalog

if t.TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader

__all__ = ("Contract", "Values")

_COLLECTION = Path(__file__).parents[3]
_ROLES = ("cluster", "etcd", "worker", "proxy", "addons", "cf_routing", "dns")


class Values(c.Mapping):
    """The variables of one host, templated on access."""

    def __init__(self, loader: DataLoader, variables: dict[str, t.Any]) -> None:
        """Take the variables without templating them."""
        self._variables = variables
        self._templar = Templar(loader=loader, variables=variables)

    def __getitem__(self, name: str) -> t.Any:
        return self._templar.template(self._variables[name])

    def __iter__(self) -> t.Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


class Contract:
    """The contract and the catalog, read on access."""

    def __init__(self, loader: DataLoader) -> None:
        """Take Ansible's own loader, so that defaults may be templates."""
        self._loader = loader

    @functools.cached_property
    def options(self) -> dict[str, dict[str, t.Any]]:
        """The argument specs, by variable. They are plain values: validation copies them, and copies of tagged ones take most of its time."""
        specs = [yaml_load((_COLLECTION / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8")) for role in _ROLES]
        return {name: option for spec in specs for entry in spec["argument_specs"].values() for name, option in entry["options"].items()}

    @functools.cached_property
    def defaults(self) -> dict[str, t.Any]:
        """The defaults, by variable."""
        return {name: value for role in _ROLES for name, value in self._read(f"roles/{role}/defaults/main.yml").items()}

    @property
    def ports(self) -> list[dict[str, t.Any]]:
        """The ports of all components."""
        return port_catalog()

    @property
    def versions(self) -> list[str]:
        """The minor versions of Kubernetes that the catalog has."""
        return sorted(path.stem for path in (_COLLECTION / "catalog").glob("[0-9]*.yml"))

    def of(self, variables: t.Mapping[str, t.Any]) -> Values:
        """Return the variables of one host, with the defaults for those that are not set."""
        return Values(self._loader, {**self.defaults, **variables})

    def addresses(self, group: str, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Return the cluster_host_address of each host of a group, also of those outside the play, given the variables of a task."""
        return {name: self.of(variables["hostvars"].raw_get(name))["cluster_host_address"] for name in variables["groups"].get(group, [])}

    def _read(self, path: str) -> t.Any:
        return self._loader.load_from_file(str(_COLLECTION / path), trusted_as_template=True)
