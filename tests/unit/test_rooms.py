# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rooms of plugins/module_utils and plugins/plugin_utils: packages by subject that import each other in one direction only."""

from __future__ import annotations

import ast
import graphlib
import pathlib

import pytest

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
KINDS = ("module_utils", "plugin_utils")
ABSOLUTE = "ansible_collections.cfcr.kubernetes.plugins."
# Modules outside of rooms, which every room may import.
GROUND = {
    "_accounts", "_checks", "_cloud_foundry", "_command", "_dns", "_endpoint", "_errors", "_files", "_http", "_in_time", "_proxy", "_result", "_timestamp",
}  # fmt: skip

Place = tuple[str, ...]  # such as ("module_utils", "_pki", "x509")


def place_of(path: pathlib.Path) -> Place:
    return path.relative_to(PLUGINS).with_suffix("").parts


def room_of(place: Place) -> str:
    """Return the room of a place, or the ground."""
    return "/".join(place[:2]) if len(place) > 2 else f"{place[0]}/ground"


def imports(path: pathlib.Path) -> set[Place]:
    """Return the modules of the collection that a file imports."""
    here, found = place_of(path)[:-1], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if node.level:
            base = (*here[: len(here) - node.level + 1], *(module.split(".") if module else ()))
        elif module.startswith(ABSOLUTE):
            base = tuple(module.removeprefix(ABSOLUTE).split("."))
        else:
            continue
        for name in node.names:
            place = (*base, name.name)
            found.add(place if PLUGINS.joinpath(*place).with_suffix(".py").exists() else base)
    return {place for place in found if place[0] in KINDS}


FILES = [path for kind in KINDS for path in sorted((PLUGINS / kind).rglob("*.py")) if path.name != "__init__.py"]
GRAPH: dict[str, set[str]] = {}
for _path in FILES:
    _room = room_of(place_of(_path))
    GRAPH.setdefault(_room, set()).update({room_of(place) for place in imports(_path)} - {_room})


def test_imports_are_found():
    assert len(FILES) > 90
    assert {"module_utils/_pki", "module_utils/ground"} <= GRAPH["module_utils/_job"]


def test_only_the_ground_is_outside_of_rooms():
    assert {path.stem for path in FILES if len(place_of(path)) == 2} == GROUND


def test_the_ground_imports_no_room():
    assert GRAPH["module_utils/ground"] == set()


def test_imports_of_rooms_have_no_cycle():
    """A cycle raises an error that names its rooms."""
    order = list(graphlib.TopologicalSorter(GRAPH).static_order())
    assert order[0] == "module_utils/ground"


@pytest.mark.parametrize("path", [path for path in FILES if place_of(path)[0] == "module_utils"], ids=lambda path: "/".join(place_of(path)))
def test_code_for_hosts_imports_no_code_of_the_controller(path):
    assert {place[0] for place in imports(path)} <= {"module_utils"}


@pytest.mark.parametrize("package", sorted({path.parent for path in FILES}), ids=lambda path: path.name)
def test_rooms_are_packages_without_code(package):
    """Ansible sends __init__.py to hosts, and each name is imported from the file that defines it."""
    if package.name in KINDS:
        return
    assert (package / "__init__.py").read_text(encoding="utf-8") == ""


def test_only_the_contract_is_read_from_roles():
    """Roles use plugins, so plugins must not read roles. docs/decisions/0037-rooms-of-plugins.md gives the reason for the exception."""
    readers = {path.relative_to(PLUGINS).as_posix() for path in PLUGINS.rglob("*.py") if "roles/" in path.read_text(encoding="utf-8")}
    assert readers == {"plugin_utils/_preflight/contract.py"}
