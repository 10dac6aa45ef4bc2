# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of all plugins and roles: it renders, it equals the argument specs, and its examples are valid."""

from __future__ import annotations

import ast
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._certificates import request

ROOT = pathlib.Path(__file__).parents[3]
COLLECTION = "cfcr.kubernetes"
PACKAGE = "ansible_collections.cfcr.kubernetes.plugins"
ENVIRONMENT = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "NO_COLOR": "1"}

Options = dict[str, dict[str, t.Any]]


def plugins(kind: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / kind).glob("[a-z]*.py"))


MODULES, ACTIONS = plugins("modules"), plugins("action")
NAMES = {
    "module": MODULES,
    "filter": plugins("filter"),
    "lookup": plugins("lookup"),
    "role": sorted(path.parents[1].name for path in ROOT.glob("roles/*/meta/argument_specs.yml")),
}


def start(*command: str) -> subprocess.Popen[str]:
    program = pathlib.Path(sys.executable).parent / command[0]
    return subprocess.Popen([program, *command[1:]], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def documented() -> dict[str, dict[str, t.Any]]:
    """Return what ansible-doc says of all plugins, by type and name, with doc fragments resolved."""
    started = {kind: start("ansible-doc", "-t", kind, "-j", *(f"{COLLECTION}.{name}" for name in names)) for kind, names in NAMES.items()}
    answers = {kind: (process, *process.communicate()) for kind, process in started.items()}
    for kind, (process, _output, errors) in answers.items():
        assert process.returncode == 0, f"{kind}: {errors}"
    said = {kind: json.loads(output) for kind, (_process, output, _errors) in answers.items()}
    return {kind: {name.removeprefix(f"{COLLECTION}."): entry for name, entry in entries.items()} for kind, entries in said.items()}


class Called(Exception):
    """A module has come to its argument spec."""


def spec_of_module(name: str, monkeypatch: pytest.MonkeyPatch) -> Options | None:
    """Return what a module gives to AnsibleModule, None if there is only documentation in it."""
    module = importlib.import_module(f"{PACKAGE}.modules.{name}")
    if not hasattr(module, "main"):
        return None

    def take(argument_spec: Options, **_options: t.Any) -> t.NoReturn:
        raise Called(argument_spec)

    monkeypatch.setattr(module, "AnsibleModule", take)
    with pytest.raises(Called) as called:
        module.main()
    return called.value.args[0]


def spec_of_action(name: str) -> Options | None:
    """Return what an action validates its arguments with, None if it leaves that to the module."""
    module = importlib.import_module(f"{PACKAGE}.action.{name}")
    if name == "certificate":
        return request.SPEC
    if hasattr(module.ActionModule, "spec"):
        return module.ActionModule.spec
    tree = ast.parse((ROOT / "plugins/action" / f"{name}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "validate_argument_spec"]
    specs = [getattr(module, keyword.value.id) for call in calls for keyword in call.keywords if keyword.arg == "argument_spec"]
    assert len(specs) == len(calls) <= 1
    return specs[0] if specs else None


def plain(options: Options) -> Options:
    """Return options in the one form in which specs and documentation are compared."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": list(option["choices"]) if option.get("choices") else None,
            "aliases": option.get("aliases", []),
            "options": plain(option.get("options") or option.get("suboptions") or {}),
        }
        for name, option in options.items()
    }


def flat(options: Options, above: str = "") -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Yield all options with their paths."""
    for name, option in options.items():
        yield f"{above}{name}", option
        yield from flat(option.get("options") or option.get("suboptions") or {}, f"{above}{name}.")


def text_of(option: dict[str, t.Any]) -> str:
    description = option["description"]
    return description if isinstance(description, str) else " ".join(description)


@pytest.mark.parametrize("kind", NAMES)
def test_everything_renders(documented, kind):
    assert sorted(documented[kind]) == NAMES[kind]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_the_options_that_it_documents(documented, name, monkeypatch):
    options = documented["module"][name]["doc"]["options"]
    specs = [spec_of_module(name, monkeypatch), spec_of_action(name) if name in ACTIONS else None]
    assert any(spec is not None for spec in specs)
    for spec in specs:
        if spec is not None:
            assert plain(spec) == plain(options)


def test_every_action_has_a_module():
    assert set(ACTIONS) <= set(MODULES)


# Words by which a description of a number names its unit or what is counted.
UNIT = re.compile(
    r"second|minute|hour|\bday|MiB|byte|\bbits?\b|percent|character|number of|how many|how often|port|version|minor|index|minimum|serial"
    r"|at once|connections?|epoch|lines?|hosts|share",
    re.IGNORECASE,
)


@pytest.mark.parametrize("kind", ["module", "filter", "lookup"])
def test_options_are_described(documented, kind):
    for name, entry in documented[kind].items():
        for path, option in flat(entry["doc"].get("options", {})):
            text = text_of(option)
            assert text.endswith("."), f"{name}.{path}: {text}"
            if option.get("type") in ("int", "float"):
                assert UNIT.search(f"{path} {text}"), f"{name}.{path}: the description of a number names no unit: {text}"


def test_fallbacks_are_described(documented, monkeypatch):
    for name in MODULES:
        options = dict(flat(documented["module"][name]["doc"]["options"]))
        for path, option in flat(spec_of_module(name, monkeypatch) or {}):
            for variable in option.get("fallback", (None, []))[1]:
                assert f"E({variable})" in text_of(options[path]), f"{name}.{path}"


@pytest.mark.parametrize("name", MODULES)
def test_results_are_described(documented, name):
    returned = documented["module"][name]["return"]
    assert returned
    for key, value in returned.items():
        assert value.get("description") and value.get("type") and value.get("returned"), key
        for part, inner in (value.get("contains") or {}).items():
            assert inner.get("description") and inner.get("type"), f"{key}.{part}"


def examples(documented: dict[str, dict[str, t.Any]]) -> dict[str, list[dict[str, t.Any]]]:
    return {
        f"{kind} {name}": yaml.safe_load(entry["examples"]) for kind in ("module", "filter", "lookup") for name, entry in documented[kind].items()
    }


def test_examples_pass_the_syntax_check(documented, tmp_path):
    """They are tasks, all in one play."""
    tasks = []
    for name, found in examples(documented).items():
        assert isinstance(found, list) and found, name
        assert all(task.get("name") for task in found), name
        tasks += found
    (tmp_path / "examples.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    check = start("ansible-playbook", "--syntax-check", "-i", "localhost,", str(tmp_path / "examples.yml"))
    output, errors = check.communicate()
    assert check.returncode == 0, output + errors


def mistakes(arguments: t.Any, options: Options, path: str = "") -> t.Iterator[str]:
    """Yield what is wrong with arguments, as far as that can be told without values of variables."""
    for number, entry in enumerate(arguments if isinstance(arguments, list) else [arguments]):
        if not isinstance(entry, dict):
            continue
        where = f"{path}[{number}]"
        yield from (f"{where}: no option {name}" for name in entry if name not in options)
        yield from (f"{where}: {name} is missing" for name, option in options.items() if option.get("required") and name not in entry)
        for name, value in entry.items():
            option = options.get(name, {})
            if option.get("choices") and "{{" not in str(value):
                yield from (f"{where}.{name}: {one}" for one in (value if isinstance(value, list) else [value]) if one not in option["choices"])
            if option.get("suboptions"):
                yield from mistakes(value, option["suboptions"], f"{where}.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_options_that_exist(documented, name):
    tasks = [task[f"{COLLECTION}.{name}"] for task in yaml.safe_load(documented["module"][name]["examples"]) if f"{COLLECTION}.{name}" in task]
    assert tasks, f"no example uses {name}"
    for arguments in tasks:
        assert list(mistakes(arguments or {}, documented["module"][name]["doc"]["options"])) == []
