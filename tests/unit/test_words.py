# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of prose that a program can check: names of tasks begin with an imperative verb, and some words are avoided."""

from __future__ import annotations

import ast
import functools
import os
import pathlib
import re
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
# The collection is linked into collections/, and build/ has copies of it. Fragments of the changelog are the words of their time.
NOT_OURS = {"collections", "build", "changelogs"}

# They say what a run wants, not what the task does.
NOT_A_VERB_OF_A_TASK = {"ask", "be", "do", "go", "have", "judge", "keep", "know", "let", "look", "remember", "say", "see", "tell"}
NOT_A_VERB = {"a", "all", "an", "each", "every", "no", "nothing", "that", "the", "these", "this", "what", "where", "who"}
# A noun may follow "of its own", as in "a change of its own password".
AVOIDED = re.compile(r"\b(anew|as asked|beside|of its own(?! (?!and|for|if|in|on|or|that|to|which|with)[a-z]))\b", re.IGNORECASE)
BLOCKS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")


class Loader(yaml.SafeLoader):
    """Reads playbooks with Ansible's tags, such as !unsafe, which mean nothing here."""


Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


@functools.lru_cache
def files(*suffixes: str) -> tuple[pathlib.Path, ...]:
    """Return the files of the tree with these suffixes."""
    found = []
    for directory, subdirectories, names in os.walk(ROOT):
        subdirectories[:] = [name for name in subdirectories if not name.startswith(".") and name not in NOT_OURS and name != "__pycache__"]
        found += [pathlib.Path(directory, name) for name in names if name.endswith(suffixes)]
    return tuple(sorted(found))


def name_of(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.lru_cache
def content(path: pathlib.Path) -> t.Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506  a safe loader with Ansible's tags


def names(node: t.Any) -> t.Iterator[str]:
    """Yield the names of plays, of tasks, and of those in their blocks."""
    for entry in node if isinstance(node, list) else []:
        if isinstance(entry, dict):
            if isinstance(entry.get("name"), str):
                yield entry["name"]
            for block in BLOCKS:
                yield from names(entry.get(block))


def fault(name: str) -> str | None:
    """Return why the name of a task or handler is refused."""
    first = name.split()[0]
    if not first[0].isupper():
        return f"{name!r}: found a small letter, expected a capital letter"
    if first.strip(",").lower() in NOT_A_VERB_OF_A_TASK | NOT_A_VERB or not first.strip(",").isalpha():
        return f"{name!r}: found {first}, expected an imperative verb that says what the task does"
    return f"{name!r}: found {found[0]}, expected plainer words" if (found := AVOIDED.search(name)) else None


def descriptions(node: t.Any) -> t.Iterator[str]:
    """Yield the descriptions below any key of an argument spec or of other data."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "short_description", "purpose"):
                yield from [value] if isinstance(value, str) else [line for line in value or [] if isinstance(line, str)]
            yield from descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from descriptions(value)


def prose(path: pathlib.Path) -> t.Iterator[str]:
    """Yield the prose of a file: a document without code blocks and links; or comments, descriptions in YAML, and strings of Python, with messages."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield re.sub(r"^( *)```.*?^\1```$|\]\([^)]*\)", "", text, flags=re.DOTALL | re.MULTILINE)
        return
    yield from re.findall(r"(?:^|\s)# (.+)$", text, re.MULTILINE)
    if path.suffix == ".py":
        yield from (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    elif path.suffix == ".yml":
        yield from descriptions(content(path))


PLAYBOOKS = [path for path in files(".yml") if name_of(path).startswith(("roles/", "playbooks/", "molecule/", "tests/")) and isinstance(content(path), list)]
PROSE = [path for path in files(".md", ".yml", ".py", ".j2") if path != pathlib.Path(__file__)]


def test_files_are_found():
    found = {name_of(path) for path in (*PLAYBOOKS, *PROSE)}
    assert {"roles/etcd/tasks/main.yml", "roles/etcd/handlers/main.yml", "roles/etcd/README.md", "roles/etcd/meta/argument_specs.yml"} <= found
    assert {"roles/addons/templates/Corefile.j2", "plugins/action/job.py"} <= found


def test_names_of_tasks_say_what_they_do():
    assert [f"{name_of(path)}: {found}" for path in PLAYBOOKS for name in names(content(path)) if (found := fault(name))] == []


def test_prose_is_plain():
    found = [f"{name_of(path)}: {found[0]}: {text.strip()[:120]}" for path in PROSE for text in prose(path) if (found := AVOIDED.search(text))]
    assert found == []


@pytest.mark.parametrize("name", ["install etcd", "Keep the job", "Ask the hosts", "The job", "{{ item }}", "Issue keys anew"])
def test_a_bad_name_is_found(name):
    assert fault(name)


def test_a_name_in_a_block_is_found():
    assert list(names([{"name": "Install", "block": [{"name": "Download"}], "rescue": [{"name": "Report"}]}])) == ["Install", "Download", "Report"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.md", "A server of its own."),
        ("a.yml", "options: {x: {description: [Stands beside it.]}}"),
        ("a.yml", "x: 1  # made anew"),
        ("a.py", 'raise ValueError(f"{x} is not as asked")'),
        ("a.j2", "{{ x }}\n  # made anew"),
    ],
)
def test_a_bad_word_is_found(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert any(AVOIDED.search(found) for found in prose(path))
