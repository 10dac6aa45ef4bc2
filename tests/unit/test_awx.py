# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lists of objects for AWX: every playbook has a template, and surveys have limits, fit the playbooks, and ask for the cluster's name."""

from __future__ import annotations

import pathlib
import re
import typing as t

import _docs as docs
import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._awx.plan import ACCESS, KINDS

ROOT = pathlib.Path(__file__).parents[2]
# They configure the director or the controller itself, or AWX, or fill a directory of the controller.
WITHOUT_TEMPLATE = {"artifacts", "awx", "backup_timer", "bundle", "repair_timer"}
DANGEROUS = {"destroy", "remove", "restore", "restore_store", "rotate"}
# Variables of playbooks, which no role documents.
OF_PLAYBOOKS = {"format", "since", "output"}


class Loader(yaml.SafeLoader):
    """Reads texts with the tag of values that AWX fills in."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))
LISTS: dict[str, list[dict[str, t.Any]]] = {}
for _path in sorted((ROOT / "awx").glob("*.yml")):
    LISTS.update(yaml.load(_path.read_text(encoding="utf-8"), Loader))  # noqa: S506  a safe loader
TEMPLATES = LISTS["job_templates"]
QUESTIONS = [(template, question) for template in TEMPLATES for question in template.get("survey", [])]


def test_lists_are_those_of_the_role():
    assert set(LISTS) == set(KINDS)


def test_every_playbook_has_a_template():
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert {pathlib.Path(template["playbook"]).stem for template in TEMPLATES} == playbooks - WITHOUT_TEMPLATE


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template["name"])
def test_a_template_has_access_a_timeout_and_no_variables_of_a_launch(template):
    assert template["access"] in ACCESS
    assert 0 < template["timeout"] <= 2 * 24 * 3600
    assert not {name for name in template if name.startswith("ask_")} - {"ask_limit_on_launch"}
    # A play on localhost finds no host with a limit, and the job succeeds.
    on_localhost = re.search(r"^  hosts: .*localhost", (ROOT / template["playbook"]).read_text(), re.MULTILINE)
    assert not template.get("ask_limit_on_launch") or not on_localhost or template["playbook"] == "playbooks/site.yml"


def test_dangerous_templates_ask_for_the_name_of_the_cluster():
    asking = {pathlib.Path(template["playbook"]).stem: template for template in TEMPLATES if template.get("confirm")}
    assert set(asking) == DANGEROUS
    assert all(template["access"] == "destroy" for template in asking.values())
    assert asking["destroy"]["confirm_variable"] in (ROOT / "playbooks/destroy.yml").read_text()


@pytest.mark.parametrize("template, question", QUESTIONS, ids=lambda value: value.get("variable") or value["name"])
def test_questions_have_limits_and_fit(template, question):
    kind = question["type"]
    assert question["required"], "AWX sends an empty text for an optional question, and roles would take it for a value"
    assert kind in ("multiplechoice", "multiselect") or question["min"] < question["max"]
    documented = {name: option for role in docs.roles() for name, option in docs.options(role).items()}
    if question["variable"] in OF_PLAYBOOKS:
        assert re.search(rf"\b{question['variable']}\b", (ROOT / template["playbook"]).read_text())
    else:
        option = documented[question["variable"]]
        choices = ["false", "true"] if option["type"] == "bool" else option.get("choices")
        assert kind not in ("multiplechoice", "multiselect") or question["choices"] == choices


@pytest.mark.parametrize("schedule", LISTS["schedules"], ids=lambda schedule: schedule["name"])
def test_a_schedule_needs_no_answer(schedule):
    (template,) = [template for template in TEMPLATES if template["name"] == schedule["template"]]
    assert not template.get("confirm")
    assert all("default" in question for question in template.get("survey", []))
    assert re.fullmatch(r"DTSTART:\d{8}T\d{6}Z RRULE:FREQ=[A-Z]+;INTERVAL=\d+(;BYDAY=[A-Z,]+)?", schedule["rrule"])


def test_workflows_ask_before_they_change_the_cluster():
    nodes = {workflow["name"].removeprefix("{{ awx_name }} "): [node["name"] for node in workflow["nodes"]] for workflow in LISTS["workflows"]}
    assert nodes == {
        "change": ["backup", "check", "approval", "site", "smoke tests", "health"],
        "version change": ["backup", "update plan", "approval", "update", "smoke tests", "health"],
    }


def test_schedules_of_the_contract():
    assert {schedule["template"].removeprefix("{{ awx_name }} ") for schedule in LISTS["schedules"]} == {"health", "backup", "certificates", "repair"}


def test_types_of_inputs_are_given():
    """AWX adds a missing one, and each run would count as changed."""
    for kind in LISTS["credential_types"]:
        assert all("type" in field for field in kind["inputs"]["fields"])
