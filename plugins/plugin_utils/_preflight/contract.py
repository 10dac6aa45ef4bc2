# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of a cluster: argument specs and defaults of the roles of playbook site, for checks before any host is touched.

Defaults of other roles are not included: their playbooks validate them.
"""

from __future__ import annotations

import collections.abc as c
import typing as t
from pathlib import Path

from ansible import template
from ansible.module_utils.common.yaml import yaml_load
from ansible.parsing.dataloader import DataLoader

from .._catalog.catalog import releases
from .._catalog.ports import port_catalog
from .._controller.groups import staying

__all__ = ("Contract", "Values")

_COLLECTION = Path(__file__).parents[3]
_ROLES = (
    "cluster", "lock", "preflight", "dns", "etcd", "flannel", "master", "cf_routing", "kube_proxy", "proxy", "containerd", "worker", "addons", "release",
    "health",
)  # fmt: skip


def _options(role: str) -> dict[str, dict[str, t.Any]]:
    """Return the options of a role's first entry point, which is the one of playbook site.

    They are plain values: validation copies them, and copies of tagged ones take most of its time.
    """
    specs = yaml_load((_COLLECTION / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    return next(iter(specs.values()))["options"]


def _defaults(role: str) -> dict[str, t.Any]:
    if not hasattr(template, "trust_as_template"):
        return {}  # of a version of Ansible that scope start of action preflight refuses, for which this module must load
    return DataLoader().load_from_file(str(_COLLECTION / f"roles/{role}/defaults/main.yml"), trusted_as_template=True)


# Read when Ansible imports an action, before it forks a process for every task of every host.
_OPTIONS = {name: option for role in _ROLES for name, option in _options(role).items()}
_DEFAULTS = {name: value for role in _ROLES for name, value in _defaults(role).items()}


class Values(c.Mapping):
    """The variables of one host, templated on access."""

    def __init__(self, loader: DataLoader, variables: dict[str, t.Any]) -> None:
        """Take the variables without templating them."""
        self._variables = variables
        self._templar = template.Templar(loader=loader, variables=variables)

    def __getitem__(self, name: str) -> t.Any:
        return self._templar.template(self._variables[name])

    def __iter__(self) -> t.Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


class Contract:
    """The contract and the catalog."""

    options = _OPTIONS
    defaults = _DEFAULTS

    def __init__(self, loader: DataLoader) -> None:
        """Take Ansible's own loader, so that defaults may be templates."""
        self._loader = loader

    @property
    def ports(self) -> list[dict[str, t.Any]]:
        """The ports of all components."""
        return port_catalog()

    @property
    def versions(self) -> list[str]:
        """The versions of Kubernetes that the catalog has."""
        return list(releases())

    def of(self, variables: t.Mapping[str, t.Any]) -> Values:
        """Return the variables of one host, with the defaults for those that are not set."""
        return Values(self._loader, {**self.defaults, **variables})

    def addresses(self, group: str, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Return the cluster_host_address of each host of a group, also of those outside the play, given the variables of a task."""
        return {name: self.of(variables["hostvars"].raw_get(name))["cluster_host_address"] for name in staying(variables["groups"]).get(group, [])}
