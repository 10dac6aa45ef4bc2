# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts keep their indices, which the director's store has."""

from __future__ import annotations

import re

import yaml
from playbook import Run
from scenario import DIRECTORY


def test_without_the_first_master_the_other_one_keeps_its_name_and_certificate(tmp_path):
    inventory = yaml.safe_load((DIRECTORY / "inventory.yml").read_text(encoding="utf-8"))
    del inventory["all"]["children"]["master"]["hosts"]["master-0"]
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    run = Run("site.yml", "--check", inventory=tmp_path / "inventory.yml")
    assert run.end() == 0, run.text
    results = dict(re.findall(r"^TASK \[([^]]+)\] \*+\n((?:.+\n)*)", run.text, re.MULTILINE))
    assert "changed: [worker-0]" in results["cfcr.kubernetes.dns : Configure the resolver"], run.text
    assert "ok: [master-1]" in results["cfcr.kubernetes.master : Configure the control plane"], run.text
