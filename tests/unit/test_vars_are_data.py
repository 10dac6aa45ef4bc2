# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables are data: roles and playbooks parse files and the output of programs, but no text that they have built themselves."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted(path for folder in ("roles", "playbooks", "molecule", "inventories") for path in (ROOT / folder).rglob("*.yml") if "/." not in str(path))
PARSED = re.compile(r"\bfrom_(?:yaml|json)(?:_all)?\b")
EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)


class Loader(yaml.SafeLoader):
    """Ignores Ansible's tags, and reads the tagged text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def variables(value: t.Any) -> t.Iterator[tuple[str, str]]:
    """Yield every name with a string value, at any depth."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(inner, str):
            yield str(name), inner
        yield from variables(inner)


TEXTS = {path: list(variables(yaml.load(path.read_text(encoding="utf-8"), Loader))) for path in FILES}
GLUED = {name for texts in TEXTS.values() for name, text in texts if "{%" in text}


def glued_and_parsed(expression: str, glued: t.Collection[str]) -> set[str]:
    """Return the glued texts that an expression parses."""
    return set(re.findall(r"\w+", expression)) & set(glued) if PARSED.search(expression) else set()


@pytest.mark.parametrize(
    ("expression", "found"),
    [("{{ text | from_yaml }}", {"text"}), ("{{ [text] | map('from_json') }}", {"text"}), ("{{ text }}", set()), ("{{ result.stdout | from_json }}", set())],
)
def test_glued_texts_are_found(expression, found):
    assert glued_and_parsed(expression, {"text"}) == found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_is_glued_and_parsed(path):
    expressions = [expression for _name, text in TEXTS[path] for expression in EXPRESSION.findall(text)]
    assert [glued_and_parsed(expression, GLUED) for expression in expressions if glued_and_parsed(expression, GLUED)] == []


@pytest.mark.parametrize("path", [path for path in FILES if "/tasks/" in str(path) or "/defaults/" in str(path)], ids=lambda path: str(path.relative_to(ROOT)))
def test_tasks_and_defaults_have_no_statements(path):
    """Loops and branches over data are filters with tests."""
    assert [name for name, text in TEXTS[path] if "{%" in text] == []


def test_only_configuration_files_are_written_in_vars():
    """They are lines of configuration files, which no role parses."""
    assert {str(path.relative_to(ROOT)) for path in FILES if "/vars/" in str(path) and any("{%" in text for _name, text in TEXTS[path])} == {
        "roles/dns/vars/main.yml",
    }
