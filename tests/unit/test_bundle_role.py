# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bundle has everything that roles install, and playbooks copy it to hosts before the first job."""

from __future__ import annotations

import pathlib
import re

import yaml
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle.host import URL
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._bundle.opened import CODENAMES, PACKAGES

ROOT = pathlib.Path(__file__).parents[2]


def load(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


VARIABLES = load("roles/bundle/vars/main.yml")


def test_packages_of_all_jobs_are_in_the_bundle():
    jobs = [job for path in ROOT.glob("roles/*/vars/main.yml") for name, job in (load(path) or {}).items() if name.endswith("_job")]
    packages = {package for job in jobs for package in job.get("packages", [])}
    assert len(packages) > 8 and packages == set(VARIABLES["__bundle_packages"]) == set(PACKAGES)


def test_releases_are_those_that_preflight_accepts():
    systems = load("roles/preflight/defaults/main.yml")["preflight_operating_systems"]
    assert set(CODENAMES) == {(system, version) for system, versions in systems.items() for version in versions}
    assert set(CODENAMES.values()) == set(VARIABLES["__bundle_pythons"])
    options = load("roles/bundle/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert set(CODENAMES.values()) == set(options["bundle_distributions"]["choices"])


def test_hosts_take_wheels_from_their_part():
    assert load("roles/cluster/vars/main.yml")["__cluster_wheels"]["bundle"] == f"{URL}/wheels/index.html"


def test_hosts_get_their_part_before_the_first_package():
    text = (ROOT / "playbooks/site.yml").read_text(encoding="utf-8")
    roles = re.findall(r"name: cfcr\.kubernetes\.(\w+)\n        tasks_from: bundle\.yml|name: cfcr\.kubernetes\.(dns)$", text, re.MULTILINE)
    assert roles == [("release", ""), ("", "dns")]
    update = (ROOT / "roles/update/tasks/begin.yml").read_text(encoding="utf-8")
    assert update.index("tasks_from: bundle.yml") < update.index("cfcr.kubernetes.release_download")
