# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for AWX: what is created or updated, and what is removed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._awx.plan import MARK, merge, plan

OPTIONS = {"state": "present", "organization": "o", "update_secrets": False, "check": False}
LISTS = {
    "organizations": [{"name": "o"}],
    "teams": [{"name": "viewers", "access": ["look"]}, {"name": "operators", "access": ["look", "repair"], "approves": True}],
    "credentials": [
        {"name": "key", "credential_type": "Machine", "inputs": {"username": "root", "ssh_key_data": "k"}, "secrets": ["ssh_key_data"], "use": True},
        {"name": "unused", "credential_type": "Machine", "inputs": {}, "state": "absent", "use": True},
    ],
    "projects": [{"name": "p", "scm_url": "https://example.com"}],
    "inventories": [{"name": "i"}],
    "labels": [{"name": "l"}],
    "notifications": [{"name": "n", "events": ["error", "approvals"]}],
    "job_templates": [
        {"name": "health", "access": "look", "playbook": "a.yml"},
        {"name": "destroy", "access": "repair", "playbook": "b.yml", "confirm": True, "confirm_variable": "destroy_cluster"},
    ],
    "workflows": [{"name": "change", "access": "repair", "nodes": [{"name": "a", "template": "health"}, {"name": "b", "approval": {"name": "ok"}}]}],
    "schedules": [{"name": "s", "template": "health", "rrule": "r"}],
}


def found(*names: str, ours: bool = True, **fields: t.Any) -> list[dict[str, t.Any]]:
    return [{"id": number, "name": name, "description": f"x {MARK}" if ours else "x", **fields} for number, name in enumerate(names, start=1)]


def everything(ours: bool = True) -> dict[str, list[dict[str, t.Any]]]:
    objects = {kind: found(*(entry["name"] for entry in entries), ours=ours) for kind, entries in LISTS.items()}
    objects["credentials"] = found("key", ours=ours, inputs={"username": "root", "ssh_key_data": "$encrypted$"}, credential_type=7)
    return objects


def names(entries: list[dict[str, t.Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def test_an_empty_awx_gets_everything():
    planned = plan(LISTS, {}, OPTIONS)
    assert {kind: names(entries) for kind, entries in planned["present"].items() if entries} == {
        kind: [name for name in names(entries) if name != "unused"] for kind, entries in LISTS.items()
    }
    health, destroy = planned["present"]["job_templates"]
    assert health["credentials"] == ["key"] and health["project"] == "p" and health["inventory"] == "i" and health["labels"] == ["l"]
    assert health["notifications_error"] == ["n"] and health["notifications_success"] == [] and health["survey"] == {}
    assert health["description"] == f"health {MARK}"
    (question,) = destroy["survey"]["spec"]
    assert (question["variable"], question["required"], question["min"]) == ("destroy_cluster", True, 1)
    assert planned["present"]["workflows"][0]["notifications_approvals"] == ["n"]
    assert [(node["name"], node["template"], node["success"]) for node in planned["nodes"]] == [("a", "health", ["b"]), ("b", "", [])]
    assert planned["pending"] == planned["foreign"] == planned["kept"] == []


def test_teams_launch_what_their_access_allows():
    grants = {(its["team"], its["role"], its["state"]): its["job_templates"] + its["workflows"] for its in plan(LISTS, {}, OPTIONS)["grants"]}
    assert grants == {
        ("viewers", "read", "present"): ["destroy", "health", "change"],
        ("viewers", "execute", "present"): ["health"],
        ("viewers", "execute", "absent"): ["destroy", "change"],
        ("viewers", "approval", "absent"): ["change"],
        ("operators", "read", "present"): ["destroy", "health", "change"],
        ("operators", "execute", "present"): ["destroy", "health", "change"],
        ("operators", "approval", "present"): ["change"],
    }


def test_secrets_are_sent_once():
    objects = everything()
    assert plan(LISTS, {}, OPTIONS)["present"]["credentials"][0]["inputs"] == {"username": "root", "ssh_key_data": "k"}
    assert plan(LISTS, objects, OPTIONS)["present"]["credentials"][0]["inputs"] == {"username": "root", "ssh_key_data": "$encrypted$"}
    again = plan(LISTS, objects, {**OPTIONS, "update_secrets": True})
    assert again["present"]["credentials"][0]["inputs"]["ssh_key_data"] == "k"


def test_a_missing_secret_is_a_problem_of_a_new_credential_only():
    lists = {**LISTS, "credentials": [{**LISTS["credentials"][0], "inputs": {"username": "root", "ssh_key_data": ""}}]}
    assert plan(lists, {}, OPTIONS)["problems"] == ["credential key: inputs.ssh_key_data: found no value, expected the secret, which a new credential needs"]
    assert plan(lists, everything(), OPTIONS)["problems"] == []
    lists["credentials"][0]["optional"] = ["ssh_key_data"]
    assert plan(lists, {}, OPTIONS)["present"]["credentials"][0]["inputs"] == {"username": "root"}
    lists["credentials"][0] = {**lists["credentials"][0], "optional": [], "sources": {"ssh_key_data": {"credential": "vault", "metadata": {}}}}
    assert plan(lists, {}, OPTIONS)["present"]["credentials"][0]["inputs"] == {"username": "root"}


def test_objects_of_others_are_used_and_stay():
    planned = plan(LISTS, everything(ours=False), OPTIONS)
    assert {kind for kind, entries in planned["present"].items() if entries} == {"labels"}
    assert len(planned["foreign"]) == 11 and "job template health" in planned["foreign"]
    planned = plan(LISTS, everything(ours=False), {**OPTIONS, "state": "absent"})
    assert not any(planned["remove"].values())
    assert "organization o" in planned["kept"]


def test_check_mode_reports_what_is_new_and_what_needs_it():
    """The modules would not find the inventory."""
    objects = {**everything(), "inventories": []}
    planned = plan(LISTS, objects, {**OPTIONS, "check": True})
    assert planned["pending"] == ["inventory i", "job template health", "job template destroy"]
    assert names(planned["present"]["workflows"]) == ["change"]
    assert planned["grants"] == []


def test_absent_removes_ours():
    planned = plan(LISTS, everything(), {**OPTIONS, "state": "absent"})
    assert not any(planned["present"].values())
    assert {kind: names(entries) for kind, entries in planned["remove"].items() if entries} == {
        kind: [name for name in names(entries) if name != "unused"] for kind, entries in LISTS.items() if kind != "labels"
    }
    assert planned["kept"] == []


@pytest.mark.parametrize("kind", ["teams", "projects", "job_templates", "credentials"])
def test_an_organization_with_objects_of_others_stays(kind):
    objects = everything()
    objects[kind] = [*objects[kind], {"id": 99, "name": "theirs", "description": "", "credential_type": 7, "inputs": {}}]
    planned = plan(LISTS, objects, {**OPTIONS, "state": "absent"})
    assert planned["remove"]["organizations"] == []
    assert planned["kept"] == ["organization o"]


def test_a_type_with_credentials_of_others_stays():
    lists = {"credential_types": [{"name": "t"}]}
    objects = {"credential_types": found("t"), "custom_credentials": [{"id": 5, "credential_type": 1}]}
    planned = plan(lists, objects, {**OPTIONS, "state": "absent"})
    assert planned["remove"]["credential_types"] == [] and planned["kept"] == ["credential type t"]


def test_an_absent_entry_is_removed_and_a_node_that_no_list_has():
    objects = everything()
    objects["credentials"] += [{**found("unused")[0], "id": 2, "credential_type": 7}]
    objects["nodes"] = [{"identifier": name, "summary_fields": {"workflow_job_template": {"name": "change"}}} for name in ("a", "old")]
    planned = plan(LISTS, objects, OPTIONS)
    assert planned["remove"]["credentials"] == [{"id": 2, "name": "unused", "credential_type": 7}]
    assert planned["stale_nodes"] == [{"workflow": "change", "name": "old"}]
    assert [node["name"] for node in planned["links"]] == ["a", "b"]
    # In check mode the new node does not exist.
    assert plan(LISTS, objects, {**OPTIONS, "check": True})["links"] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"job_template": []}, "job_template: found an unknown list, expected organizations"),
        ({"job_templates": [{"name": "x", "access": "all"}], "workflows": [], "schedules": []}, "job template x: access: found all, expected one of look"),
        ({"teams": [{"name": "x", "access": ["all"]}]}, "team x: access: found all, expected some of look, repair, destroy"),
        ({"projects": [{"name": "p", "scm_url": ""}]}, "project p: scm_url: found nothing, expected the address of a Git repository"),
        ({"schedules": [{"name": "x", "template": "no"}]}, "schedule x: template: found no, expected the name of a job template or a workflow"),
        ({"workflows": [{"name": "x", "access": "look", "nodes": [{"name": "n", "template": "no"}]}]}, "workflow x: node n: found template no, expected"),
        ({"inventory_sources": [{"name": "x", "inventory": "no"}]}, "inventory source x: inventory: found no, expected a name from the list inventories"),
    ],
)
def test_problems(change, problem):
    (found_problem,) = plan({**LISTS, **change}, {}, OPTIONS)["problems"]
    assert found_problem.startswith(problem)


def test_later_lists_replace_fields():
    first, second = {"teams": [{"name": "a", "x": 1, "y": 1}]}, {"teams": [{"name": "a", "y": 2}, {"name": "b"}]}
    assert merge([{"job_template": []}]) == {"job_template": []}  # refused as an unknown list
    assert merge([first, second]) == {"teams": [{"name": "a", "x": 1, "y": 2}, {"name": "b"}]}
