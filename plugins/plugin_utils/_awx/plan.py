# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the lists of objects with what AWX has, and plan which objects are created or updated, and which are removed.

An object is ours if its description ends with a mark. Others with a name from the lists are used as they are.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

__all__ = ("ACCESS", "KINDS", "MARK", "merge", "plan")

MARK = "(cfcr.kubernetes)"
ACCESS = ("look", "repair", "destroy")
EVENTS = ("started", "success", "error", "approvals")
_ENCRYPTED = "$encrypted$"

Entry = dict[str, t.Any]
Name = tuple[str, str]  # kind and name


class Kind(t.NamedTuple):
    """Objects of one sort, in the order in which they need each other."""

    noun: str
    references: dict[str, str]  # field: kind of the object, or of the objects, that it names
    in_organization: bool = True


KINDS = {
    "organizations": Kind("organization", {}, in_organization=False),
    "teams": Kind("team", {}),
    "credential_types": Kind("credential type", {}, in_organization=False),
    "credentials": Kind("credential", {"credential_type": "credential_types"}),
    "execution_environments": Kind("execution environment", {}),
    "projects": Kind("project", {"credential": "credentials"}),
    "inventories": Kind("inventory", {}),
    "inventory_sources": Kind(
        "inventory source", {"inventory": "inventories", "source_project": "projects", "execution_environment": "execution_environments"}
    ),
    "labels": Kind("label", {}),
    "notifications": Kind("notification", {}),
    "job_templates": Kind("job template", {}),
    "workflows": Kind("workflow", {}),
    "schedules": Kind("schedule", {}),
}
_OF_TEMPLATES = {
    "project": "projects",
    "inventory": "inventories",
    "execution_environment": "execution_environments",
    "credentials": "credentials",
    "labels": "labels",
    **{f"notifications_{event}": "notifications" for event in EVENTS},
}
# AWX has no description of these, or removes them with their parent.
_WITHOUT_MARK = {"labels"}
# What an organization of ours may still hold when it is removed.
_HOLDINGS = ("teams", "credentials", "execution_environments", "projects", "inventories", "notifications", "job_templates", "workflows")


def merge(lists: c.Iterable[c.Mapping[str, c.Sequence[Entry]]]) -> dict[str, list[Entry]]:
    """Merge lists by name: fields of a later entry replace those of an earlier one."""
    merged: dict[str, dict[str, Entry]] = {}
    for single in lists:
        for kind, entries in single.items():
            by_name = merged.setdefault(kind, {})
            for entry in entries:
                by_name[entry["name"]] = {**by_name.get(entry["name"], {}), **entry}
    return {kind: list(entries.values()) for kind, entries in merged.items()}


def plan(lists: c.Mapping[str, c.Sequence[Entry]], found: c.Mapping[str, c.Sequence[Entry]], options: c.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the plan.

    `lists` are the merged lists, `found` the objects of AWX by kind, and `options` has `state`, `organization`, `update_secrets` and `check`.
    """
    return _Plan(lists, found, options).result()


class _Plan:
    """A comparison of lists and objects."""

    def __init__(self, lists: c.Mapping[str, c.Sequence[Entry]], found: c.Mapping[str, c.Sequence[Entry]], options: c.Mapping[str, t.Any]) -> None:
        self.options = options
        self.absent = options["state"] == "absent"
        self.lists = {kind: [dict(entry) for entry in lists.get(kind, [])] for kind in KINDS}
        self.unknown = sorted(set(lists) - set(KINDS))
        self.all_found = found
        self.found: dict[Name, Entry] = {(kind, entry["name"]): entry for kind in KINDS for entry in found.get(kind, [])}
        self.present = {kind: [entry for entry in self.lists[kind] if entry.get("state", "present") == "present" and not self.absent] for kind in KINDS}
        self.names = {(kind, entry["name"]) for kind in KINDS for entry in self.present[kind]}
        self.wanted_organization = next((entry["name"] for entry in self.lists["organizations"]), options["organization"])

    def result(self) -> dict[str, t.Any]:
        problems = list(self.problems())
        if problems:
            return {"problems": problems}
        for kind in KINDS:
            for entry in self.present[kind]:
                self.complete(kind, entry)
        new = self.names - self.found.keys()
        foreign = {name for name in self.names & self.found.keys() if not self.is_ours(*name)}
        planned: dict[str, list[Entry]] = {}
        pending = []
        for kind in KINDS:
            wanted = [entry for entry in self.present[kind] if (kind, entry["name"]) not in foreign]
            waiting = [entry for entry in wanted if self.options["check"] and ({(kind, entry["name"])} | self.references(kind, entry)) & new]
            planned[kind] = [entry for entry in wanted if entry not in waiting]
            pending += [self.text(kind, entry["name"]) for entry in waiting]
        removed = self.removed()
        workflows = {entry["name"] for entry in planned["workflows"]}
        nodes = [node for entry in planned["workflows"] for node in entry["nodes"]]
        templates = [entry for kind in ("job_templates", "workflows") for entry in self.present[kind]]
        return {
            "problems": [],
            "present": planned,
            "nodes": nodes,
            "links": self.links(nodes),
            "stale_nodes": self.stale_nodes(workflows, {(node["workflow"], node["name"]) for node in nodes}),
            "grants": [] if self.options["check"] and new else list(self.grants(templates)),
            "pending": pending,
            "foreign": [self.text(*name) for name in sorted(foreign)],
            "remove": removed,
            "kept": self.kept(removed),
        }

    def problems(self) -> t.Iterator[str]:
        """Yield what is wrong with the lists."""
        for name in self.unknown:
            yield f"{name}: found an unknown list, expected {', '.join(KINDS)}"
        if self.absent:
            return
        for kind in KINDS:
            for entry in self.present[kind]:
                where = self.text(kind, entry["name"])
                for field, other in KINDS[kind].references.items():
                    name = entry.get(field)
                    # Credentials and credential types may be AWX's own, or somebody's.
                    if name and other not in ("credentials", "credential_types") and not self.exists(other, name):
                        yield f"{where}: {field}: found {name}, expected a name from the list {other}"
                yield from (f"{where}: {text}" for text in self.problems_of(kind, entry))

    def problems_of(self, kind: str, entry: Entry) -> t.Iterator[str]:
        """Yield the problems of one entry."""
        templates = ("job_templates", "workflows")
        if kind in templates and entry.get("access") not in ACCESS:
            yield f"access: found {entry.get('access')}, expected one of {', '.join(ACCESS)}"
        if kind == "teams" and (wrong := [level for level in entry.get("access", []) if level not in ACCESS]):
            yield f"access: found {', '.join(map(str, wrong))}, expected some of {', '.join(ACCESS)}"
        if kind == "schedules" and not any(self.exists(other, entry.get("template", "")) for other in templates):
            yield f"template: found {entry.get('template')}, expected the name of a job template or a workflow"
        for node in entry.get("nodes", []) if kind == "workflows" else []:
            if "approval" not in node and not self.exists("job_templates", node.get("template", "")):
                yield f"node {node.get('name')}: found template {node.get('template')}, expected the name of a job template, or approval"
        if kind == "projects" and not entry.get("scm_url"):
            yield "scm_url: found nothing, expected the address of a Git repository"
        if kind == "credentials" and self.needs_secrets(entry):
            for field in entry.get("secrets", []):
                if not entry["inputs"].get(field) and field not in (*entry.get("optional", []), *entry.get("sources", {})):
                    yield f"inputs.{field}: found no value, expected the secret, which a new credential needs"

    def exists(self, kind: str, name: str) -> bool:
        return (kind, name) in self.names or (kind, name) in self.found

    def text(self, kind: str, name: str) -> str:
        return f"{KINDS[kind].noun} {name}"

    def is_ours(self, kind: str, name: str) -> bool:
        """Tell whether an object that exists is ours."""
        return kind in _WITHOUT_MARK or self.found[kind, name].get("description", "").endswith(MARK)

    def needs_secrets(self, entry: Entry) -> bool:
        """Tell whether a credential's secrets are sent: it is new, or they are to be replaced. Those of others are never sent."""
        name = ("credentials", entry["name"])
        return name not in self.found or bool(self.options["update_secrets"]) and self.is_ours(*name)

    def complete(self, kind: str, entry: Entry) -> None:
        """Add to an entry what all of its kind have."""
        if kind not in _WITHOUT_MARK:
            entry["description"] = f"{entry.get('description', entry['name'])} {MARK}"
        if kind == "credentials":
            entry["inputs"] = self.inputs(entry)
        if kind in ("job_templates", "workflows"):
            events = EVENTS if kind == "workflows" else EVENTS[:3]
            for event in events:
                entry[f"notifications_{event}"] = [its["name"] for its in self.present["notifications"] if event in its.get("events", [])]
            entry.setdefault("labels", [its["name"] for its in self.present["labels"]])
        if kind in ("job_templates", "inventory_sources"):
            entry.setdefault("execution_environment", self.first("execution_environments"))
        if kind == "job_templates":
            entry.setdefault("project", self.first("projects"))
            entry.setdefault("inventory", self.first("inventories"))
            entry.setdefault("credentials", [its["name"] for its in self.present["credentials"] if its.get("use")])
            entry["survey"] = survey(entry)
        if kind == "workflows":
            entry["nodes"] = list(chain(entry))

    def first(self, kind: str) -> str:
        """Return the name of the first object of a list, which all templates have."""
        return next((entry["name"] for entry in self.present[kind]), "")

    def inputs(self, entry: Entry) -> Entry:
        """Return the inputs of a credential. AWX keeps a value that is given as encrypted, so a later run needs no secrets."""
        secrets, sources = set(entry.get("secrets", [])), entry.get("sources", {})
        stored = self.found.get(("credentials", entry["name"]), {}).get("inputs", {})
        send = self.needs_secrets(entry)
        inputs = {}
        for field, value in entry.get("inputs", {}).items():
            if field in secrets and field in stored and (not send or not value):
                inputs[field] = _ENCRYPTED
            elif value not in ("", None) and field not in sources and (send or field not in secrets):
                inputs[field] = value
        return inputs

    def references(self, kind: str, entry: Entry) -> set[Name]:
        """Return the objects that an entry names, as far as they are in the lists."""
        fields = _OF_TEMPLATES if kind in ("job_templates", "workflows") else KINDS[kind].references
        names = {(other, name) for field, other in fields.items() for name in _names(entry.get(field))}
        if kind == "schedules":
            names |= {(other, entry["template"]) for other in ("job_templates", "workflows")}
        if kind == "workflows":
            names |= {("job_templates", node["template"]) for node in entry["nodes"] if node.get("template")}
        if KINDS[kind].in_organization:
            names.add(("organizations", self.wanted_organization))
        return names & self.names

    def grants(self, templates: c.Sequence[Entry]) -> t.Iterator[Entry]:
        """Yield what each team may do: launch the templates whose access it has, and read all. Approvals are a role of their workflow."""
        kinds = {kind: {entry["name"] for entry in self.present[kind]} for kind in ("job_templates", "workflows")}
        for team in self.present["teams"]:
            allowed = {entry["name"] for entry in templates if entry["access"] in team.get("access", [])}
            for role, names in (("read", {entry["name"] for entry in templates}), ("execute", allowed)):
                yield from _grant(team["name"], role, names, kinds, "present")
            yield from _grant(team["name"], "execute", {entry["name"] for entry in templates} - allowed, kinds, "absent")
            state = "present" if team.get("approves") else "absent"
            yield from _grant(team["name"], "approval", kinds["workflows"], {"job_templates": set(), "workflows": kinds["workflows"]}, state)

    def links(self, nodes: list[Entry]) -> list[Entry]:
        """Return the nodes to link to those that follow them. In check mode, new nodes do not exist."""
        if not self.options["check"]:
            return nodes
        found = self.found_nodes()
        return [node for node in nodes if all((node["workflow"], name) in found for name in (node["name"], *node["success"]))]

    def stale_nodes(self, workflows: set[str], wanted: set[Name]) -> list[Entry]:
        """Return the nodes of our workflows that no list has any more."""
        found = self.found_nodes()
        return [{"workflow": workflow, "name": name} for workflow, name in found if workflow in workflows and (workflow, name) not in wanted]

    def found_nodes(self) -> list[Name]:
        """Return workflow and name of the nodes in AWX."""
        return [(its["summary_fields"]["workflow_job_template"]["name"], its["identifier"]) for its in self.all_found.get("nodes", [])]

    def removed(self) -> dict[str, list[Entry]]:
        """Return the objects to remove, by kind: those of ours that are absent. AWX removes labels, nodes and grants itself."""
        removed: dict[str, list[Entry]] = {}
        for kind in KINDS:
            absent = [entry["name"] for entry in self.lists[kind] if self.absent or entry.get("state") == "absent"]
            its = [self.found[kind, name] for name in absent if (kind, name) in self.found and self.is_ours(kind, name)]
            # Modules need the parents of some.
            kept = ("id", "name", "inventory", "credential_type")
            removed[kind] = [{field: one[field] for field in kept if field in one} for one in its] if kind not in _WITHOUT_MARK else []
        gone = {one["id"] for one in removed["credentials"]}
        used = {one["credential_type"] for one in self.all_found.get("custom_credentials", []) if one["id"] not in gone}
        removed["credential_types"] = [one for one in removed["credential_types"] if one["id"] not in used]
        if removed["organizations"] and any(self.left(kind, removed[kind]) for kind in _HOLDINGS):
            removed["organizations"] = []
        return removed

    def left(self, kind: str, removed: c.Sequence[Entry]) -> list[Entry]:
        """Return the objects of a kind that stay in the organization."""
        gone = {one["id"] for one in removed}
        objects = self.all_found.get(kind, [])
        own = [one for one in objects if kind != "execution_environments" or _organization(one) == self.wanted_organization]
        return [one for one in own if one["id"] not in gone]

    def kept(self, removed: c.Mapping[str, c.Sequence[Entry]]) -> list[str]:
        """Return what a removal leaves, although the lists have it."""
        if not self.absent:
            return []
        gone = {(kind, one["name"]) for kind, its in removed.items() for one in its}
        names = {(kind, entry["name"]) for kind in KINDS if kind not in _WITHOUT_MARK for entry in self.lists[kind]}
        return [self.text(*name) for name in sorted(names & self.found.keys() - gone)]


def _names(value: t.Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _organization(one: Entry) -> str:
    return one.get("summary_fields", {}).get("organization", {}).get("name", "")


def _grant(team: str, role: str, names: set[str], kinds: c.Mapping[str, set[str]], state: str) -> t.Iterator[Entry]:
    split = {kind: sorted(names & its) for kind, its in kinds.items()}
    if any(split.values()):
        yield {"team": team, "role": role, "state": state, **split}


def survey(entry: Entry) -> Entry:
    """Return the survey of a template as AWX stores it. A dangerous template asks for the cluster's name."""
    questions = [dict(question) for question in entry.get("survey", [])]
    if entry.get("confirm"):
        name = {
            "variable": entry.get("confirm_variable", "confirm_cluster"),
            "question_name": "Name of the cluster",
            "question_description": f"{entry['name']} cannot be undone. Type the cluster's name to confirm",
            "type": "text",
            "min": 1,
            "max": 63,
            "required": True,
        }
        questions.insert(0, name)
    return {"name": "", "description": "", "spec": questions} if questions else {}


def chain(workflow: Entry) -> t.Iterator[Entry]:
    """Yield the nodes of a workflow. Each starts after the success of the node before it."""
    nodes = workflow.get("nodes", [])
    for node, following in zip(nodes, [*(its["name"] for its in nodes[1:]), None]):
        approval = node.get("approval")
        yield {
            "workflow": workflow["name"],
            "name": node["name"],
            "template": "" if approval else node["template"],
            "approval": dict(approval) if approval else {},
            "success": [following] if following else [],
        }
