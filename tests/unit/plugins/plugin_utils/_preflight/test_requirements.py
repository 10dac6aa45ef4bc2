# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller lacks a collection or a library, has an old one, or has all of them."""

from __future__ import annotations

import json
import sys
import types

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight import requirements
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.requirements import missing


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return the versions of what the controller has, by name; a test changes them."""
    versions = {"amazon.aws": "10.1.0", "community.aws": "11.0.0", "containers.podman": "1.18.0", "boto3": "1.44.5", "botocore": "1.34.0"}

    def import_module(name):
        name = name.removeprefix("ansible_collections.")
        if name not in versions:
            raise ImportError(name)
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        (directory / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": versions[name]}}))
        return types.SimpleNamespace(__path__=[str(directory)])

    def version(name):
        if name not in versions:
            raise requirements.importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(requirements.importlib, "import_module", import_module)
    monkeypatch.setattr(requirements.importlib.metadata, "version", version)
    return versions


@pytest.mark.parametrize("provider", ["aws", "local", "external"])
def test_nothing_is_missing(provider, installed):
    assert missing(provider) == []


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("amazon.aws", None, "found no collection amazon.aws, expected >=10.1.0: {galaxy} -r {root}/requirements-aws.yml"),
        ("amazon.aws", "9.5.1", "found collection amazon.aws 9.5.1, expected >=10.1.0: {galaxy} -r {root}/requirements-aws.yml"),
        ("boto3", None, "found no Python library boto3, expected >=1.34: {python} -m pip install -r {root}/requirements-aws.txt"),
        ("boto3", "1.28.0", "found Python library boto3 1.28.0, expected >=1.34: {python} -m pip install -r {root}/requirements-aws.txt"),
    ],
)
def test_a_problem_names_what_was_found_and_how_to_install(name, found, expected, installed):
    installed.pop(name)
    installed.update({name: found} if found else {})
    galaxy = "ansible-galaxy collection install --upgrade"
    assert missing("aws") == [expected.format(root=requirements._ROOT, python=sys.executable, galaxy=galaxy)]


def test_a_checkout_has_its_version_in_galaxy_yml(tmp_path, monkeypatch):
    (tmp_path / "galaxy.yml").write_text("version: 1.2.3\n")
    monkeypatch.setattr(requirements.importlib, "import_module", lambda _name: types.SimpleNamespace(__path__=[str(tmp_path)]))
    assert requirements._collection_version("containers.podman") == "1.2.3"


def test_collections_outside_of_providers_are_dependencies():
    """Only the tasks of a provider, and of role awx, may use a collection that is no dependency of every cluster. requirements-<name>.yml has it."""
    root = requirements._ROOT
    declared = {*yaml.safe_load((root / "galaxy.yml").read_text())["dependencies"], "ansible.builtin", "cfcr.kubernetes"}
    used = {}
    for path in (*root.glob("roles/*/tasks/**/*.yml"), *root.glob("roles/*/handlers/*.yml")):
        for name in _modules(yaml.safe_load(path.read_text())):
            used.setdefault(name.rpartition(".")[0], set()).add(path.relative_to(root).as_posix())
    for collection, paths in used.items():
        for path in paths if collection not in declared else ():
            owner = "awx" if path.startswith("roles/awx/") else path.removeprefix("roles/iaas/tasks/providers/").partition("/")[0]
            assert collection in requirements._collections(root / f"requirements-{owner}.yml"), f"{path} uses {collection}"


def _modules(node):
    """Yield the keys of mappings that are names of modules."""
    if isinstance(node, dict):
        yield from (key for key in node if isinstance(key, str) and key.count(".") == 2 and key.replace(".", "").replace("_", "").isalnum())
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _modules(child)
