# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Defaults, argument specs and documentation of every role agree."""

from __future__ import annotations

import _docs as docs
import pytest
import yaml

ROOT = docs.ROOT
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(role: str, path: str) -> dict:
    """Return a YAML file of a role; an empty mapping if there is none."""
    file = ROOT / "roles" / role / path
    return (yaml.safe_load(file.read_text()) if file.exists() else None) or {}


def described(options: dict, path: str = ""):
    """Yield every option with its path, including nested ones."""
    for name, option in options.items():
        yield f"{path}{name}", option
        yield from described(option.get("options", {}), f"{path}{name}.")


@pytest.mark.parametrize("role", ROLES)
def test_defaults_equal_argument_specs(role):
    documented = {name: option["default"] for name, option in docs.options(role).items() if "default" in option}
    assert load(role, "defaults/main.yml") == documented


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_has_a_type_and_a_description(role):
    for path, option in described(docs.options(role)):
        assert option.get("type"), path
        assert option.get("description"), path
        assert (option["type"] == "list") == ("elements" in option), path


@pytest.mark.parametrize("role", ROLES)
def test_names_of_variables_have_the_prefix_of_their_role(role):
    assert [name for name in load(role, "defaults/main.yml") if not name.startswith(f"{role}_")] == []
    # Variables without leading underscores are public: other roles read them.
    assert [name for name in load(role, "vars/main.yml") if not name.startswith((f"__{role}_", f"{role}_"))] == []


@pytest.mark.parametrize("role", ROLES)
def test_role_has_a_description(role):
    galaxy = load(role, "meta/main.yml")["galaxy_info"]
    assert galaxy["description"]
    assert galaxy["license"] == "GPL-3.0-or-later"
    assert all(entry["short_description"] for entry in load(role, "meta/argument_specs.yml")["argument_specs"].values())
    assert (ROOT / "roles" / role / "README.md").read_text().startswith("# ")


# Preflight reads the contract itself, so that it can report all problems with it at once.
@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("cluster", "preflight")])
def test_role_depends_on_the_contract(role):
    assert load(role, "meta/main.yml")["dependencies"] == [{"role": "cfcr.kubernetes.cluster"}]


@pytest.mark.parametrize("path", docs.contents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documentation_is_up_to_date(path):
    text = path.read_text()
    assert text == docs.filled(text, docs.contents()[path]), "run tools/docs"


def test_every_unit_that_listens_is_a_unit_of_a_job():
    jobs = [value for role in ROLES for name, value in load(role, "vars/main.yml").items() if name.endswith("_job")]
    units = {unit["name"] for job in jobs for unit in job.get("units", [])}
    ports = yaml.safe_load((ROOT / "catalog/ports.yml").read_text())["ports"]
    assert {port["unit"] for port in ports} <= units


def test_policy_of_pod_security_has_the_documented_defaults():
    """Preflight takes them from the argument spec, roles from the policy."""
    policy = load("cluster", "vars/main.yml")["cluster_pod_security_policy"]
    documented = {name: option["default"] for name, option in docs.options("cluster")["cluster_pod_security"]["options"].items()}
    assert f"{documented} | combine(cluster_pod_security)" in policy


def test_role_iaas_knows_its_providers():
    assert load("iaas", "vars/main.yml")["__iaas_providers"] == sorted(docs.options("iaas")["iaas_provider"]["choices"])
