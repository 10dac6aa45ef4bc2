# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-builder accepts the definitions of the environments, and they agree with the collection."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("execution-environment", "decision-environment")
BUILDER = pathlib.Path(sys.executable).parent / "ansible-builder"


def definition(name: str) -> dict:
    return yaml.safe_load((ROOT / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_ansible_builder_writes_a_containerfile_for_any_base_image(name, tmp_path):
    # `make ee` writes the collection's archive before.
    for file in (f"{name}.yml", "build/ee/cfcr-kubernetes.tar.gz"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((ROOT / file).read_bytes() if file.endswith(".yml") else b"")
    subprocess.run([BUILDER, "create", "--file", f"{name}.yml", "--context", "context"], cwd=tmp_path, check=True, capture_output=True)
    lines = (tmp_path / "context/Containerfile").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("ARG EE_BASE_IMAGE=")
    assert "FROM $EE_BASE_IMAGE AS base" in lines
    (collection,) = yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert (tmp_path / "context/_build" / collection["name"]).exists()


def test_both_environments_have_the_same_ansible():
    execution, decision = (definition(name)["dependencies"] for name in NAMES)
    for name in ("ansible_core", "ansible_runner", "galaxy"):
        assert execution[name] == decision[name]


def test_the_environments_repeat_no_dependency_of_the_collection():
    assert set(definition("execution-environment")["dependencies"]) == {"ansible_core", "ansible_runner", "python_interpreter", "galaxy"}


def test_the_environments_have_an_ansible_that_the_collection_supports():
    needed = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    lowest = ".".join(needed.removeprefix(">=").split(".")[:2])
    assert definition("execution-environment")["dependencies"]["ansible_core"]["package_pip"].startswith(f"ansible-core>={lowest},")
