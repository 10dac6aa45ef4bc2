# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables with two leading underscores are private to their role. Public ones that a role sets for others are in its README."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
NAME = re.compile(r"(?<![A-Za-z0-9_])__[a-z][a-z0-9_]*")
PUBLIC = re.compile(r"(?<![A-Za-z0-9_])[a-z][a-z0-9]*_[a-z0-9_]+")
SUFFIXES = (".yml", ".j2")
# Private variables of scenarios that have a role's prefix.
OF_SCENARIOS = {"__dns_check", "__dns_umount", "__etcd_found", "__etcd_info"}


def owner(variable: str) -> str:
    """Return the role whose name a variable starts with: the longest, since there may be roles worker and worker_x."""
    names = [role.name for role in ROLES if variable.removeprefix("__").startswith(f"{role.name}_")]
    return max(names, key=len, default="")


def private_variables(directory: pathlib.Path) -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in directory.rglob("*") if path.suffix in SUFFIXES]
    return {name for text in texts for name in NAME.findall(text)}


def public_variables(directory: pathlib.Path) -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in directory.rglob("*") if path.suffix in SUFFIXES and path.parent.name != "meta"]
    return {name for text in texts for name in PUBLIC.findall(text)}


def set_by(role: pathlib.Path) -> set[str]:
    """Return the public variables that a role registers or sets in its vars."""
    registered = {name for path in role.rglob("*.yml") for name in re.findall(r"register: ([a-z]\w*)", path.read_text(encoding="utf-8"))}
    constants = role / "vars/main.yml"
    return registered | (set(re.findall(r"^([a-z]\w*):", constants.read_text(encoding="utf-8"), re.MULTILINE)) if constants.exists() else set())


def test_private_variables_are_found():
    assert sum(len(private_variables(role)) for role in ROLES) > 100


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_reads_no_private_variable_of_another(role):
    assert {name for name in private_variables(role) if owner(name) != role.name} == set()


@pytest.mark.parametrize("directory", ["playbooks", "inventories", "molecule"])
def test_playbooks_inventories_and_scenarios_read_no_private_variable(directory):
    assert {name for name in private_variables(ROOT / directory) if owner(name)} <= OF_SCENARIOS


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_public_variables_that_other_roles_read_are_documented(role):
    """They are neither defaults nor arguments, so no argument spec describes them."""
    read = {name for other in ROLES if other != role for name in public_variables(other)}
    readme = (role / "README.md").read_text(encoding="utf-8")
    assert {name for name in set_by(role) & read if f"`{name}`" not in readme} == set()
