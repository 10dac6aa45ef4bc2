# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports of the catalog by name; roles do not repeat their numbers."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import CatalogError
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.ports import port_number

ROOT = pathlib.Path(__file__).parents[5]
NAMED = {entry["name"]: entry["port"] for entry in yaml.safe_load((ROOT / "catalog/ports.yml").read_text())["ports"] if "name" in entry}
FILES = [path for folder in ("vars", "tasks", "templates", "handlers") for path in ROOT.glob(f"roles/*/{folder}/**/*") if path.suffix in (".yml", ".j2")]
# metrics-server listens on a port of its pod, which is kubelet's number by chance.
OTHERS = {("roles/addons/templates/metrics-server.yml.j2", 10250)}


@pytest.mark.parametrize("name", NAMED)
def test_named_ports_are_found(name):
    assert port_number(name) == NAMED[name]


def test_unknown_names_are_refused_with_those_that_exist():
    with pytest.raises(CatalogError, match="found no port named 'kubelte', expected one of .*kubelet"):
        port_number("kubelte")


def test_role_cluster_offers_every_named_port():
    offered = yaml.safe_load((ROOT / "roles/cluster/vars/main.yml").read_text())
    assert {name: offered[f"cluster_{name}_port"] for name in NAMED} == {name: f"{{{{ lookup('cfcr.kubernetes.port', '{name}') }}}}" for name in NAMED}


def test_roles_do_not_repeat_named_ports():
    found = {
        (str(path.relative_to(ROOT)), port)
        for path in FILES
        for port in NAMED.values()
        if re.search(rf"(?<!\d){port}(?!\d)", path.read_text(encoding="utf-8"))
    }
    assert found == OTHERS
