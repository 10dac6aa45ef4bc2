# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the REST API of AWX 24.6.1, as far as the modules of awx.awx use it. It needs Python's standard library only.

It has lists with filters and pages, named URLs, and the rules that refuse objects: playbooks that a project does not have, surveys, types of
credentials, recurrence rules, configurations of notifications. It encrypts values, removes inventories in the background, and ignores fields that
a launch may not set. A project is a directory; its playbooks are found as AWX finds them. Nothing runs: a launch adds a job, which a test may end.
"""

from __future__ import annotations

import base64
import collections.abc as c
import hashlib
import http.server
import json
import os
import pathlib
import re
import threading
import typing as t
import urllib.parse
import uuid

ENCRYPTED = "$encrypted$"
PREFIX = "/api/v2/"
PAGE_SIZE = 25
Object = dict[str, t.Any]
Answer = tuple[int, t.Any]
NO_CONTENT: Answer = (204, None)
ABSENT: Answer = (404, {"detail": "Not found."})

EVENTS = tuple(f"notification_templates_{event}" for event in ("started", "success", "error"))
PROMPTS = tuple(
    f"ask_{name}_on_launch"
    for name in (
        "scm_branch", "diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory", "credential", "execution_environment",
        "labels", "forks", "job_slice_count", "timeout", "instance_groups",
    )
)  # fmt: skip
_JOB = {
    "job_type": "run", "playbook": "", "scm_branch": "", "forks": 0, "limit": "", "verbosity": 0, "extra_vars": "", "job_tags": "", "force_handlers": False,
    "skip_tags": "", "start_at_task": "", "timeout": 0, "use_fact_cache": False, "host_config_key": "", "survey_enabled": False, "become_enabled": False,
    "diff_mode": False, "allow_simultaneous": False, "job_slice_count": 1, "webhook_service": "", "prevent_instance_group_fallback": False,
}  # fmt: skip


class Resource(t.NamedTuple):
    """Objects of one type: fields with defaults, references, associations, and roles that can be granted."""

    type: str
    fields: Object
    references: dict[str, str] = {}  # noqa: RUF012  a constant
    required: tuple[str, ...] = ()
    associations: dict[str, str] = {}  # noqa: RUF012  a constant
    roles: tuple[str, ...] = ()
    unique: tuple[str, ...] = ("name", "organization")


_NAMED = {"name": "", "description": ""}
_ORGANIZATION = {"organization": "organizations"}
_NOTIFY = dict.fromkeys(EVENTS, "notification_templates")
RESOURCES = {
    "organizations": Resource(
        "organization",
        {**_NAMED, "max_hosts": 0},
        {"default_environment": "execution_environments"},
        associations={"galaxy_credentials": "credentials", **_NOTIFY, "notification_templates_approvals": "notification_templates"},
        roles=("admin", "execute", "member", "auditor", "read", "approval"),
        unique=("name",),
    ),
    "users": Resource("user", {"username": "", "is_superuser": False}, unique=("username",)),
    "teams": Resource("team", _NAMED, _ORGANIZATION, ("organization",), roles=("admin", "member", "read")),
    "credential_types": Resource(
        "credential_type", {**_NAMED, "kind": "", "inputs": {}, "injectors": {}, "managed": False}, required=("kind",), unique=("name",)
    ),
    "credentials": Resource(
        "credential",
        {**_NAMED, "inputs": {}, "managed": False},
        {**_ORGANIZATION, "credential_type": "credential_types"},
        ("credential_type",),
        roles=("admin", "use", "read"),
        unique=("name", "organization", "credential_type"),
    ),
    "execution_environments": Resource(
        "execution_environment", {**_NAMED, "image": "", "pull": "", "managed": False}, {**_ORGANIZATION, "credential": "credentials"}, ("image",),
        unique=("name",),
    ),
    "projects": Resource(
        "project",
        {
            **_NAMED, "scm_type": "", "scm_url": "", "scm_branch": "", "scm_refspec": "", "scm_clean": False, "scm_track_submodules": False,
            "scm_delete_on_update": False, "scm_update_on_launch": False, "scm_update_cache_timeout": 0, "allow_override": False, "timeout": 0,
            "local_path": "",
        },
        {**_ORGANIZATION, "credential": "credentials", "default_environment": "execution_environments"},
        associations=_NOTIFY,
        roles=("admin", "use", "update", "read"),
    ),
    "inventories": Resource(
        "inventory",
        {**_NAMED, "kind": "", "host_filter": None, "variables": "", "prevent_instance_group_fallback": False},
        _ORGANIZATION,
        ("organization",),
        roles=("admin", "update", "adhoc", "use", "read"),
    ),
    "inventory_sources": Resource(
        "inventory_source",
        {
            **_NAMED, "source": "", "source_path": "", "source_vars": "", "scm_branch": "", "enabled_var": "", "enabled_value": "", "host_filter": "",
            "overwrite": False, "overwrite_vars": False, "timeout": 0, "verbosity": 1, "limit": "", "update_on_launch": False, "update_cache_timeout": 0,
        },
        {"inventory": "inventories", "source_project": "projects", "credential": "credentials", "execution_environment": "execution_environments"},
        ("inventory",),
        associations=_NOTIFY,
        unique=("name", "inventory"),
    ),
    "labels": Resource("label", {"name": ""}, _ORGANIZATION, ("organization",)),
    "notification_templates": Resource(
        "notification_template",
        {**_NAMED, "notification_type": "", "notification_configuration": {}, "messages": {}},
        _ORGANIZATION,
        ("organization", "notification_type", "notification_configuration"),
    ),
    "job_templates": Resource(
        "job_template",
        {**_NAMED, **_JOB, **dict.fromkeys(PROMPTS, False)},
        {"project": "projects", "inventory": "inventories", "execution_environment": "execution_environments"},
        associations={"credentials": "credentials", "labels": "labels", **_NOTIFY},
        roles=("admin", "execute", "read"),
    ),
    "workflow_job_templates": Resource(
        "workflow_job_template",
        {**_NAMED, "extra_vars": "", "survey_enabled": False, "allow_simultaneous": False, **dict.fromkeys(PROMPTS, False)},
        {**_ORGANIZATION, "inventory": "inventories"},
        associations={"labels": "labels", **_NOTIFY, "notification_templates_approvals": "notification_templates"},
        roles=("admin", "execute", "read", "approval"),
    ),
    "workflow_job_template_nodes": Resource(
        "workflow_job_template_node",
        {
            "identifier": "", "extra_data": {}, "scm_branch": None, "job_type": None, "job_tags": None, "skip_tags": None, "limit": None, "diff_mode": None,
            "verbosity": None, "all_parents_must_converge": False, "forks": None, "job_slice_count": None, "timeout": None,
        },
        {"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates", "inventory": "inventories"},
        ("workflow_job_template",),
        associations={
            **dict.fromkeys(("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes"),
            "credentials": "credentials",
            "labels": "labels",
        },
        unique=("identifier", "workflow_job_template"),
    ),
    "workflow_approval_templates": Resource("workflow_approval_template", {**_NAMED, "timeout": 0}, unique=()),
    "schedules": Resource(
        "schedule",
        {**_NAMED, "rrule": "", "enabled": True, "extra_data": {}, "limit": None, "job_type": None, "forks": None, "timeout": None},
        {"unified_job_template": "unified_job_templates", "inventory": "inventories"},
        ("rrule", "unified_job_template"),
        unique=("name", "unified_job_template"),
    ),
    "tokens": Resource("o_auth2_access_token", {"description": "", "scope": "write", "token": ""}, unique=()),
    "credential_input_sources": Resource(
        "credential_input_source",
        {"description": "", "input_field_name": "", "metadata": {}},
        {"target_credential": "credentials", "source_credential": "credentials"},
        ("target_credential", "source_credential", "input_field_name"),
        unique=("target_credential", "input_field_name"),
    ),
    "project_updates": Resource("project_update", {"status": ""}, unique=()),
    "jobs": Resource("job", {"status": "", "extra_vars": "", "limit": ""}, unique=()),
}  # fmt: skip
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
# What is removed with an object, by the reference to it. Other references become null.
CASCADES = {
    "organizations": ("teams", "credentials", "execution_environments", "inventories", "labels", "notification_templates"),
    "inventories": ("inventory_sources",),
    "workflow_job_templates": ("workflow_job_template_nodes",),
    "credentials": ("credential_input_sources",),
}
WEBHOOK = {
    "url": (str, None),
    "http_method": (str, "POST"),
    "disable_ssl_verification": (bool, False),
    "username": (str, ""),
    "password": (str, ""),
    "headers": (dict, None),
}
QUESTIONS = {"text": str, "textarea": str, "password": str, "multiplechoice": str, "multiselect": str, "integer": int, "float": float}
PLAYBOOK = re.compile(r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?import_playbook|(ansible\.builtin\.)?include):\s*?.*?$")


class Refused(Exception):
    """The API answers with status 400 or another one."""

    def __init__(self, said: Object, status: int = 400) -> None:
        super().__init__(str(said))
        self.answer: Answer = (status, said)


def playbooks(directory: pathlib.Path) -> list[str]:
    """Return the files that AWX takes for playbooks."""
    found = []
    for place, _directories, names in os.walk(directory):
        inside = pathlib.Path(place).relative_to(directory).parts
        if {"roles", "tasks", "group_vars", "host_vars"} & set(inside) or any(part.startswith(".") for part in inside):
            continue
        for name in names:
            path = pathlib.Path(place, name)
            if path.suffix in (".yml", ".yaml") and any(PLAYBOOK.match(line) for line in path.read_text(errors="ignore").splitlines()):
                found.append(path.relative_to(directory).as_posix())
    return sorted(found)


def survey_problem(spec: Object) -> str | None:
    """Return why AWX refuses a survey. It also removes empty lines of choices."""
    for field, kind in (("name", str), ("description", str), ("spec", list)):
        if field not in spec:
            return f"Field '{field}' is missing from survey spec."
        if not isinstance(spec[field], kind):
            return f"Expected {kind.__name__} for field '{field}', received {type(spec[field]).__name__} type."
    if not spec["spec"]:
        return "'spec' doesn't contain any items."
    seen = set()
    for number, question in enumerate(spec["spec"]):
        for field in ("type", "question_name", "variable", "required"):
            if field not in question:
                return f"'{field}' missing from survey question {number}"
            if not isinstance(question[field], bool if field == "required" else str):
                return f"'{field}' in survey question {number} expected to be {'boolean' if field == 'required' else 'string'}."
        if question["variable"] in seen:
            return f"'variable' '{question['variable']}' duplicated in survey question {number}."
        seen.add(question["variable"])
        if question["type"] not in QUESTIONS:
            return f"'{question['type']}' in survey question {number} is not one of '{', '.join(QUESTIONS)}' allowed question types."
        if question.get("default", "") != "" and not isinstance(question["default"], QUESTIONS[question["type"]]):
            return f"Default value {question['default']} in survey question {number} expected to be {QUESTIONS[question['type']].__name__}."
        if any(question.get(key) is not None and not isinstance(question[key], int) for key in ("min", "max")):
            return f"The limit in survey question {number} expected to be integer."
        if question["type"] in ("multiplechoice", "multiselect"):
            if "choices" not in question:
                return f"Survey question {number} of type {question['type']} must specify choices."
            if isinstance(question["choices"], str):
                question["choices"] = "\n".join(choice for choice in question["choices"].splitlines() if choice.strip())
            if any(choice not in question["choices"] for choice in question.get("default", "").splitlines()):
                return "Default choice must be answered from the choices listed."
    return None


def answer_problems(spec: Object, answers: Object) -> list[str]:
    """Return what is wrong with the answers to a survey."""
    problems = []
    for question in spec.get("spec", []):
        name, kind = question["variable"], question["type"]
        if name not in answers:
            if question["required"] and question.get("default", "") in ("", None):
                problems.append(f"'{name}' value missing")
            continue
        value = answers[name]
        least, most = question.get("min"), question.get("max")
        if kind in ("text", "textarea", "password"):
            if not isinstance(value, str):
                problems.append(f"Value {value} for '{name}' expected to be a string.")
                continue
            if least and len(value) < least:
                problems.append(f"'{name}' value {value} is too small (length is {len(value)} must be at least {least}).")
            if most is not None and len(value) > most:
                problems.append(f"'{name}' value {value} is too large (must be no more than {most}).")
        elif kind == "integer":
            if not isinstance(value, int):
                problems.append(f"Value {value} for '{name}' expected to be an integer.")
            elif least is not None and value < least:
                problems.append(f"'{name}' value {value} is too small (must be at least {least}).")
            elif most is not None and value > most:
                problems.append(f"'{name}' value {value} is too large (must be no more than {most}).")
        elif kind == "multiselect" and not isinstance(value, list):
            problems.append(f"'{name}' value is expected to be a list.")
        else:
            choices = question["choices"].splitlines() if isinstance(question["choices"], str) else question["choices"]
            wrong = [one for one in (value if kind == "multiselect" else [value]) if one not in choices]
            problems += [f"Value {one} for '{name}' expected to be one of {choices}." for one in wrong]
    return problems


def rule_problems(rule: str) -> list[str]:
    """Return why AWX refuses a recurrence rule."""
    starts = re.findall(r"DTSTART(?:;[^:]+)?:[0-9]+T[0-9]+Z?", rule)
    problems = []
    if not starts:
        problems.append("Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if re.findall(r"DTSTART:[0-9]+T[0-9]+ ", rule):
        problems.append("DTSTART cannot be a naive datetime. Require ;TZINFO= or YYYYMMDDTHHMMSSZZ.")
    if len(starts) > 1:
        problems.append("Multiple DTSTART is not supported.")
    if "rrule:" not in rule.lower():
        problems.append("One or more rule required in rrule.")
    for one in re.findall(r"RULE:\S*", rule):
        if "interval" not in one.lower():
            problems.append("INTERVAL required in rrule")
        elif "secondly" in one.lower():
            problems.append("SECONDLY is not supported.")
    return problems


class Awx:
    """The state of the server, which tests change directly."""

    def __init__(self, username: str = "admin", password: str = "secret") -> None:
        self.login = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.objects: dict[str, dict[int, Object]] = {path: {} for path in RESOURCES}
        self.linked: dict[tuple[str, int, str], list[int]] = {}
        self.roles: dict[int, tuple[str, int, str]] = {}
        self.actors: dict[tuple[int, str], list[int]] = {}
        self.surveys: dict[int, Object] = {}
        self.secrets: dict[tuple[int, str], str] = {}
        self.vanishing: dict[int, int] = {}
        self.requests: list[tuple[str, str]] = []
        self.number = 0
        self.lock = threading.Lock()
        self.add("users", {"username": username, "is_superuser": True})
        for name, kind, fields, required in (
            ("Machine", "ssh", {"username": "string", "password": "secret", "ssh_key_data": "secret", "become_method": "string"}, []),
            ("Source Control", "scm", {"username": "string", "password": "secret", "ssh_key_data": "secret"}, []),
            ("Ansible Galaxy/Automation Hub API Token", "galaxy", {"url": "string", "token": "secret"}, ["url"]),
            ("HashiCorp Vault Secret Lookup", "external", {"url": "string", "token": "secret"}, ["url"]),
        ):
            inputs = [{"id": field, "type": "string", "secret": secret == "secret"} for field, secret in fields.items()]
            self.add("credential_types", {"name": name, "kind": kind, "inputs": {"fields": inputs, "required": required}, "managed": True})
        galaxy = self.named("credential_types", "Ansible Galaxy/Automation Hub API Token")["id"]
        self.add("credentials", {"name": "Ansible Galaxy", "credential_type": galaxy, "inputs": {"url": "https://galaxy.ansible.com/"}, "managed": True})
        self.add("execution_environments", {"name": "Control Plane Execution Environment", "image": "quay.io/ansible/awx-ee:24.6.1", "managed": True})
        self.add("organizations", {"name": "Default"})

    # Objects

    def add(self, path: str, given: Object) -> Object:
        """Add an object without rules."""
        self.number += 1
        resource = RESOURCES[path]
        its = {"id": self.number, **json.loads(json.dumps(resource.fields)), **dict.fromkeys(resource.references), **given}
        self.objects[path][self.number] = its
        for role in resource.roles:
            self.number += 1
            self.roles[self.number] = (path, its["id"], f"{role}_role")
        return its

    def named(self, path: str, name: str) -> Object:
        """Return the only object with a name."""
        (one,) = [its for its in self.objects[path].values() if its.get("name") == name]
        return one

    def names(self, path: str) -> list[str]:
        return sorted(its["name"] for its in self.objects[path].values())

    def members(self, path: str) -> dict[int, Object]:
        if path == "unified_job_templates":
            return {number: its for one in UNIFIED for number, its in self.objects[one].items()}
        return self.objects[path]

    def path_of(self, number: int) -> str:
        return next(path for path in self.objects if number in self.objects[path])

    def organization_of(self, path: str, its: Object) -> int | None:
        """Return the organization of an object. That of a job template is its project's."""
        if path == "job_templates":
            return self.objects["projects"][its["project"]]["organization"] if its["project"] else None
        return its.get("organization")

    def field(self, path: str, its: Object, name: str) -> t.Any:
        """Return a field, or the field of an object that it refers to: organization__name."""
        first, _dunder, rest = name.partition("__")
        if rest:
            if first not in (*its, "organization"):
                raise Refused({"detail": f"{RESOURCES[path].type} has no field named '{first}'"})
            number = self.organization_of(path, its) if first == "organization" else its.get(first)
            if number is None:
                return None
            other = self.path_of(number)
            return self.field(other, self.objects[other][number], rest)
        if first == "organization":
            return self.organization_of(path, its)
        if first == "type":
            return RESOURCES[path].type
        if first not in its:
            raise Refused({"detail": f"{RESOURCES[path].type} has no field named '{first}'"})
        return its[first]

    def shown(self, path: str, its: Object) -> Object:
        """Return an object as the API shows it."""
        resource, number = RESOURCES[path], its["id"]
        url = f"{PREFIX}{path}/{number}/"
        summary: Object = {}
        for field in (*resource.references, "organization"):
            other = self.organization_of(path, its) if field == "organization" else its.get(field)
            if other is not None:
                one = self.objects[self.path_of(other)][other]
                summary[field] = {"id": other, "name": one.get("name"), "description": one.get("description", "")}
        roles = {role: {"id": key, "name": role} for key, (kind, owner, role) in self.roles.items() if (kind, owner) == (path, number)}
        summary["object_roles"] = roles
        related = {"survey_spec": f"{url}survey_spec/", "launch": f"{url}launch/", "update": f"{url}update/"}
        if path == "workflow_job_template_nodes" and its["unified_job_template"]:
            related["unified_job_template"] = f"{PREFIX}{self.path_of(its['unified_job_template'])}/{its['unified_job_template']}/"
        said = {**json.loads(json.dumps(its)), "type": resource.type, "url": url, "related": related, "summary_fields": summary}
        if path in ("job_templates", *UNIFIED[1:2]):
            said["organization"] = self.organization_of(path, its)
        if path == "projects":
            said["scm_revision"] = its.get("scm_revision", "")
            said["summary_fields"].update({"current_update": {"id": its["current_update"]}} if its.get("current_update") else {})
        return said

    # Requests

    def answer(self, method: str, url: str, authorization: str, body: Object) -> Answer:
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        with self.lock:
            self.requests.append((method, parts.path))
            if not parts.path.startswith(PREFIX):
                return ABSENT
            if not self.may(authorization):
                return 401, {"detail": "Authentication credentials were not provided. To establish a login session, visit /api/login/."}
            words = [urllib.parse.unquote(word) for word in parts.path.removeprefix(PREFIX).strip("/").split("/")]
            try:
                return self.route(method, words, query, body)
            except Refused as refused:
                return refused.answer

    def may(self, authorization: str) -> bool:
        kind, _space, value = authorization.partition(" ")
        return kind == "Basic" and value == self.login or kind == "Bearer" and value in {its["token"] for its in self.objects["tokens"].values()}

    def route(self, method: str, words: list[str], query: list[tuple[str, str]], body: Object) -> Answer:
        path = words[0]
        if path == "config":
            return 200, {"version": "24.6.1"}
        if path == "roles":
            return self.role(method, int(words[1]), words[2], body)
        if path not in (*RESOURCES, "unified_job_templates"):
            return ABSENT
        if len(words) == 1:
            if method == "GET":
                return 200, self.listed(path, query)
            return (201, self.create(path, body)) if method == "POST" and path != "unified_job_templates" else (405, {"detail": "Method not allowed."})
        its = self.find(path, words[1])
        if its is None:
            return ABSENT
        if len(words) == 2:
            return self.detail(method, path, its, body)
        return self.below(method, path, its, words[2], query, body)

    def find(self, path: str, key: str) -> Object | None:
        """Return an object by its number or its named URL: name, or name++…++organization."""
        if key.isdigit():
            return self.members(path).get(int(key))
        name, *rest = key.split("++")
        for its in self.members(path).values():
            organization = self.organization_of(path, its)
            owner = self.objects["organizations"][organization]["name"] if organization else ""
            if its.get("name") == name and (not rest or rest[-1] == owner):
                return its
        return None

    def listed(self, path: str, query: list[tuple[str, str]], only: c.Collection[int] | None = None) -> Object:
        """Return one page of the objects that match all filters, and any of those with or__."""
        if path == "inventories":
            self.vanish()
        options = dict(query)
        page, size = int(options.pop("page", 1)), min(int(options.pop("page_size", PAGE_SIZE)), 200)
        options.pop("order_by", None)
        matching = []
        for its in sorted(self.members(path).values(), key=lambda one: one["id"]):
            place = path if path in self.objects else self.path_of(its["id"])
            either = [self.matches(place, its, name[4:], value) for name, value in options.items() if name.startswith("or__")]
            every = [self.matches(place, its, name, value) for name, value in options.items() if not name.startswith("or__")]
            if all(every) and (not either or any(either)) and (only is None or its["id"] in only):
                matching.append(self.shown(place, its))
        if only is not None:
            matching.sort(key=lambda one: list(only).index(one["id"]))
        rest = urllib.parse.urlencode({**options, "page_size": size, "page": page + 1})
        following = f"{PREFIX}{path}/?{rest}" if page * size < len(matching) else None
        return {"count": len(matching), "next": following, "previous": None, "results": matching[(page - 1) * size : page * size]}

    def matches(self, path: str, its: Object, name: str, value: str) -> bool:
        if name.endswith("__in"):
            return self.text(self.field(path, its, name.removesuffix("__in"))) in value.split(",")
        return self.text(self.field(path, its, name)) == value

    @staticmethod
    def text(value: t.Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    def detail(self, method: str, path: str, its: Object, body: Object) -> Answer:
        if method == "GET":
            return 200, self.shown(path if path in self.objects else self.path_of(its["id"]), its)
        if method == "PATCH":
            return 200, self.change(path, its, body)
        if method == "DELETE":
            return self.delete(path, its)
        return 405, {"detail": "Method not allowed."}

    def below(self, method: str, path: str, its: Object, word: str, query: list[tuple[str, str]], body: Object) -> Answer:
        number = its["id"]
        if word == "survey_spec" and path in ("job_templates", "workflow_job_templates"):
            return self.survey(method, number, body)
        if word == "launch" and path in ("job_templates", "workflow_job_templates"):
            return self.launch(its, body)
        if word == "update" and path == "projects":
            return 202, self.update_project(its)
        if word == "create_approval_template" and path == "workflow_job_template_nodes":
            approval = self.add("workflow_approval_templates", {key: body[key] for key in ("name", "description", "timeout") if key in body})
            its["unified_job_template"] = approval["id"]
            return 201, self.shown("workflow_approval_templates", approval)
        if word in RESOURCES[path].associations:
            other = RESOURCES[path].associations[word]
            linked = self.linked.setdefault((path, number, word), [])
            if method == "GET":
                return 200, self.listed(other, query, linked)
            if body.get("id") not in self.objects[other]:
                raise Refused({"detail": f"{RESOURCES[other].type} with id {body.get('id')} not found"})
            return self.associate(path, its, word, linked, body)
        return ABSENT

    def associate(self, path: str, its: Object, word: str, linked: list[int], body: Object) -> Answer:
        one = body["id"]
        if body.get("disassociate"):
            linked[:] = [number for number in linked if number != one]
            if word == "labels":
                self.remove_lonely_labels()
            return NO_CONTENT
        if word == "credentials" and path == "job_templates":
            kind = self.objects["credentials"][one]["credential_type"]
            if kind in {self.objects["credentials"][number]["credential_type"] for number in linked}:
                raise Refused({"error": f"Cannot assign multiple {self.objects['credential_types'][kind]['name']} credentials."})
        if word.endswith("_nodes"):
            if self.objects["workflow_job_template_nodes"][one]["workflow_job_template"] != its["workflow_job_template"]:
                raise Refused({"Error": "Nodes are in different workflows."})
            if self.leads(one, its["id"]):
                raise Refused({"Error": "Cycle detected."})
        if one not in linked:
            linked.append(one)
        return NO_CONTENT

    def leads(self, start: int, end: int) -> bool:
        """Tell whether a node leads to another one."""
        links = (its for (path, owner, word), its in self.linked.items() if path.endswith("_nodes") and owner == start and word.endswith("_nodes"))
        following = [number for its in links for number in its]
        return start == end or any(self.leads(number, end) for number in following)

    def role(self, method: str, number: int, actor: str, body: Object) -> Answer:
        if number not in self.roles or actor not in ("teams", "users"):
            return ABSENT
        actors = self.actors.setdefault((number, actor), [])
        if method == "GET":
            return 200, self.listed(actor, [], actors)
        if body.get("id") not in self.objects[actor]:
            return ABSENT
        actors[:] = [one for one in actors if one != body["id"]] + ([] if body.get("disassociate") else [body["id"]])
        return NO_CONTENT

    def granted(self, team: str, role: str) -> list[str]:
        """Return the names of the objects on which a team has a role."""
        number = self.named("teams", team)["id"]
        keys = [key for key, (_path, _owner, its) in self.roles.items() if its == f"{role}_role" and number in self.actors.get((key, "teams"), [])]
        return sorted(self.objects[path][owner]["name"] for path, owner, _role in map(self.roles.__getitem__, keys) if owner in self.objects[path])

    # Changes

    def create(self, path: str, body: Object) -> Object:
        resource = RESOURCES[path]
        missing = [field for field in resource.required if body.get(field) in (None, "")]
        if missing:
            raise Refused({field: ["This field is required."] for field in missing})
        if path == "tokens":
            return self.shown(path, self.add(path, {"scope": body.get("scope", "write"), "token": uuid.uuid4().hex}))
        its = {**json.loads(json.dumps(resource.fields)), **dict.fromkeys(resource.references)}
        self.take(path, its, body)
        self.check(path, its, None)
        added = self.add(path, its)
        if path == "projects":
            added["current_update"] = self.update_project(added)["id"]
        said = self.shown(path, added)
        added.pop("current_update", None)
        return said

    def change(self, path: str, its: Object, body: Object) -> Object:
        if its.get("managed"):
            raise Refused({"detail": "Modifications not allowed for managed objects"}, 403)
        wanted = json.loads(json.dumps(its))
        self.take(path, wanted, body)
        self.check(path, wanted, its["id"])
        other_source = path == "projects" and any(wanted[field] != its[field] for field in ("scm_url", "scm_branch", "scm_type"))
        its.update(wanted)
        if other_source:
            its["current_update"] = self.update_project(its)["id"]
        said = self.shown(path, its)
        its.pop("current_update", None)
        return said

    def take(self, path: str, its: Object, body: Object) -> None:
        """Copy the fields that clients may write. Other fields are ignored; null is the empty text."""
        resource = RESOURCES[path]
        for field, value in body.items():
            if field in resource.references:
                number = None if value in ("", None) else int(value)
                if number is not None and number not in self.members(resource.references[field]):
                    raise Refused({field: [f'Invalid pk "{value}" - object does not exist.']})
                its[field] = number
            elif field in resource.fields and field != "managed":
                default = resource.fields[field]
                if value is None and isinstance(default, str):
                    value = ""
                if isinstance(default, bool) and not isinstance(value, bool) or isinstance(default, str) and not isinstance(value, str):
                    raise Refused({field: ["Not a valid value."]})
                its[field] = json.loads(json.dumps(value))

    def check(self, path: str, its: Object, number: int | None) -> None:
        """Apply the rules of one type, and encrypt."""
        resource = RESOURCES[path]
        key = tuple(self.organization_of(path, its) if field == "organization" else its[field] for field in resource.unique)
        for other in self.objects[path].values() if key else ():
            same = tuple(self.organization_of(path, other) if field == "organization" else other[field] for field in resource.unique)
            if other["id"] != number and same == key:
                raise Refused({"__all__": [f"{resource.type} with this {' and '.join(resource.unique)} already exists."]})
        rules = {
            "credential_types": self.check_credential_type,
            "credentials": self.check_credential,
            "job_templates": self.check_job_template,
            "inventory_sources": self.check_inventory_source,
            "notification_templates": self.check_notification,
            "schedules": self.check_schedule,
        }
        if path in rules:
            rules[path](its, number)

    def check_credential_type(self, its: Object, _number: int | None) -> None:
        if its["kind"] not in ("cloud", "net"):
            raise Refused({"kind": [f"Must be 'cloud' or 'net', not {its['kind']}"]})
        known = {"id", "label", "type", "secret", "multiline", "help_text", "default", "choices", "format", "ask_at_runtime"}
        if set(its["inputs"]) - {"fields", "required"} or set(its["injectors"]) - {"file", "env", "extra_vars"}:
            raise Refused({"inputs": ["Additional properties are not allowed"]})
        ids = ["tower"]
        for field in its["inputs"].get("fields", []):
            if set(field) - known or not {"id", "label"} <= set(field) or field["id"] in ids:
                raise Refused({"inputs": [f"{field} is not valid under any of the given schemas"]})
            ids.append(field["id"])
            field.setdefault("type", "string")
            if field["type"] != "string" and {"choices", "multiline", "format", "secret"} & set(field):
                raise Refused({"inputs": [f"not allowed for {field['type']} type ({field['id']})"]})
        for name in its["injectors"].get("env", {}):
            if name.startswith("ANSIBLE_") or name in ("PATH", "PYTHONPATH", "JOB_ID", "AWX_HOST", "PROJECT_REVISION"):
                raise Refused({"injectors": [f"Environment variable {name} is not allowed to be used in credentials."]})
        for template in (text for group in its["injectors"].values() for text in group.values()):
            for name in re.findall(r"\{\{\s*([\w.]+)", template):
                if name.split(".")[0] not in ids or name.startswith("tower") and "file" not in its["injectors"]:
                    raise Refused({"injectors": [f"{name} uses an undefined field"]})

    def check_credential(self, its: Object, number: int | None) -> None:
        """Check inputs and encrypt secrets. A value that the client gives as encrypted stays."""
        kind = self.objects["credential_types"][its["credential_type"]]
        fields = {field["id"]: field for field in kind["inputs"].get("fields", [])}
        key = number or self.number + 1
        for name, value in its["inputs"].items():
            if name not in fields:
                raise Refused({"inputs": [f"Additional properties are not allowed ('{name}' was unexpected)"]})
            if fields[name].get("secret") and value:
                if value != ENCRYPTED:
                    self.secrets[key, name] = value
                elif (key, name) not in self.secrets:
                    raise Refused({"inputs": {name: ["$encrypted$ without an earlier value"]}})
                its["inputs"][name] = ENCRYPTED

    def check_job_template(self, its: Object, number: int | None) -> None:
        if not its["project"]:
            raise Refused({"project": ["This field is required."]})
        project = self.objects["projects"][its["project"]]
        if not its["playbook"]:
            raise Refused({"playbook": ["Must select playbook for project."]})
        if its["playbook"] not in project.get("playbook_files", []):
            raise Refused({"playbook": ["Playbook not found for project."]})
        if not its["inventory"] and not its["ask_inventory_on_launch"]:
            raise Refused({"inventory": ["You must either set a default value or ask to prompt on launch."]})

    def check_inventory_source(self, its: Object, number: int | None) -> None:
        if its["source"] == "scm" and not its["source_project"]:
            raise Refused({"source_project": ["Project required for scm type sources."]})
        if its["source"] not in ("scm", "ec2", "gce", "openstack", "vmware"):
            raise Refused({"source": [f'"{its["source"]}" is not a valid choice.']})

    def check_notification(self, its: Object, number: int | None) -> None:
        if its["notification_type"] != "webhook":
            return
        configuration = its["notification_configuration"]
        for field, (kind, default) in WEBHOOK.items():
            if field not in configuration:
                if default is None:
                    raise Refused({"__all__": [f"Missing required fields for Notification Configuration: ['{field}']."]})
                configuration[field] = default
            if not isinstance(configuration[field], kind):
                raise Refused({"__all__": [f"Configuration field '{field}' incorrect type, expected {kind.__name__}."]})
        if configuration["http_method"].lower() not in ("put", "post"):
            raise Refused({"__all__": ["HTTP method must be either 'POST' or 'PUT'."]})
        if configuration["password"]:
            configuration["password"] = ENCRYPTED

    def check_schedule(self, its: Object, number: int | None) -> None:
        problems = rule_problems(its["rrule"])
        if problems:
            raise Refused({"rrule": problems})
        template = self.members("unified_job_templates")[its["unified_job_template"]]
        unasked = set(its["extra_data"]) - {question["variable"] for question in self.surveys.get(template["id"], {}).get("spec", [])}
        if unasked and not template.get("ask_variables_on_launch"):
            raise Refused({"extra_data": [f"Variables {', '.join(sorted(unasked))} are not allowed on launch."]})
        problems = answer_problems(self.surveys.get(template["id"], {}), its["extra_data"]) if template.get("survey_enabled") else []
        if problems:
            raise Refused({"variables_needed_to_start": problems})

    def survey(self, method: str, number: int, body: Object) -> Answer:
        if method == "GET":
            return 200, self.surveys.get(number, {})
        if method == "DELETE":
            self.surveys.pop(number, None)
            return 200, {}
        problem = survey_problem(body)
        if problem:
            raise Refused({"error": problem})
        self.surveys[number] = body
        return 200, {}

    def launch(self, its: Object, body: Object) -> Answer:
        """Record a job. Variables that neither the survey nor a prompt asks for are ignored, as are other fields without a prompt."""
        answers = body.get("extra_vars", {})
        answers = json.loads(answers) if isinstance(answers, str) else answers
        spec = self.surveys.get(its["id"], {}) if its["survey_enabled"] else {}
        problems = answer_problems(spec, answers)
        if problems:
            raise Refused({"variables_needed_to_start": problems})
        asked = {question["variable"] for question in spec.get("spec", [])}
        accepted = {name: value for name, value in answers.items() if its["ask_variables_on_launch"] or name in asked}
        ignored: Object = {"extra_vars": {name: value for name, value in answers.items() if name not in accepted}} if accepted != answers else {}
        ignored |= {field: value for field, value in body.items() if field != "extra_vars" and not its.get(f"ask_{field}_on_launch")}
        defaults = {question["variable"]: question["default"] for question in spec.get("spec", []) if question.get("default") not in (None, "")}
        extra_vars = {**json.loads(its["extra_vars"] or "{}"), **defaults, **accepted}
        limit = body.get("limit", "") if "limit" not in ignored else its.get("limit", "")
        job = self.add("jobs", {"status": "pending", "extra_vars": json.dumps(extra_vars), "limit": limit, "job_template": its["id"]})
        return 201, {**self.shown("jobs", job), "job": job["id"], "ignored_fields": ignored}

    def update_project(self, its: Object) -> Object:
        """Fetch a project, and find its playbooks."""
        directory = pathlib.Path(its["scm_url"].removeprefix("file://"))
        found = directory.is_dir()
        if found:
            its["playbook_files"] = playbooks(directory)
            content = b"".join((directory / name).read_bytes() for name in its["playbook_files"])
            its["scm_revision"] = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        state = {"status": "successful" if found else "failed", "failed": not found, "event_processing_finished": True}
        update = self.add("project_updates", {**state, "scm_revision": its.get("scm_revision", ""), "finished": "now", "elapsed": 1.0, "started": "now"})
        return self.shown("project_updates", update)

    def delete(self, path: str, its: Object) -> Answer:
        if its.get("managed"):
            raise Refused({"detail": "Deletion not allowed for managed objects"}, 403)
        if path == "labels":
            return 405, {"detail": 'Method "DELETE" not allowed.'}
        if path == "credential_types" and any(one["credential_type"] == its["id"] for one in self.objects["credentials"].values()):
            raise Refused({"detail": "Credential types that are in use cannot be deleted"}, 403)
        if path == "inventories":
            if its.get("pending_deletion"):
                raise Refused({"error": "Inventory is already pending deletion."})
            its["pending_deletion"] = True
            self.vanishing[its["id"]] = 2
            return 202, None
        self.remove(path, its["id"])
        return NO_CONTENT

    def vanish(self) -> None:
        """Let a few requests pass until an inventory is removed."""
        for number in list(self.vanishing):
            self.vanishing[number] -= 1
            if self.vanishing[number] < 0:
                del self.vanishing[number]
                self.remove("inventories", number)

    def remove(self, path: str, number: int) -> None:
        """Remove an object with those that cannot be without it, and all references to it."""
        removed = self.objects[path].pop(number, None)
        if removed is None:
            return
        # A signal of AWX removes the approval of a node with it.
        if path == "workflow_job_template_nodes" and removed["unified_job_template"] in self.objects["workflow_approval_templates"]:
            self.remove("workflow_approval_templates", removed["unified_job_template"])
        for other, resource in RESOURCES.items():
            for its in list(self.objects[other].values()):
                for field in resource.references:
                    if its[field] != number:
                        continue
                    if other in CASCADES.get(path, ()) or other == "schedules":
                        self.remove(other, its["id"])
                    else:
                        its[field] = None
        self.linked = {key: [one for one in its if one != number] for key, its in self.linked.items() if key[:2] != (path, number)}
        self.actors = {key: [one for one in its if one != number] for key, its in self.actors.items()}
        self.surveys.pop(number, None)
        self.remove_lonely_labels()

    def remove_lonely_labels(self) -> None:
        """Remove labels that had a template, and have none any more."""
        used = {one for (_path, _number, word), its in self.linked.items() if word == "labels" for one in its}
        for number in [number for number, its in self.objects["labels"].items() if number not in used and its.get("was_used")]:
            self.remove("labels", number)
        for number in used & self.objects["labels"].keys():
            self.objects["labels"][number]["was_used"] = True

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        """Return the class of handlers for http.server."""
        awx = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                status, said = awx.answer(self.command, self.path, self.headers.get("Authorization") or "", body)
                content = b"" if said is None else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("X-API-Product-Name", "AWX")
                self.send_header("X-API-Product-Version", "24.6.1")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, format, *args) -> None:
                """Log nothing."""

        return Handler
