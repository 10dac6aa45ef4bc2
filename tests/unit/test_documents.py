# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Markdown files: their links resolve, the index lists them, and each names its audience."""

from __future__ import annotations

import functools
import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"
# collections/ has a link to the collection, and build/ has copies of it.
NOT_OURS = {"collections", "build"}


def markdown_files() -> list[pathlib.Path]:
    found = []
    for directory, subdirectories, names in os.walk(ROOT):
        subdirectories[:] = [name for name in subdirectories if not name.startswith(".") and name not in NOT_OURS]
        found += [pathlib.Path(directory, name) for name in names if name.endswith(".md")]
    return sorted(found)


def without_blocks(path: pathlib.Path) -> str:
    """Return a document without its code blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(path: pathlib.Path) -> set[str]:
    """Return the targets of links and images outside of code."""
    text = re.sub(r"(?<!`)`[^`\n]+`(?!`)", "code", without_blocks(path))
    return {*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'\b(?:src|srcset|href)="([^"]+)"', text)}


@functools.lru_cache
def anchors(path: pathlib.Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", without_blocks(path), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{slug}-{number}"
        found.add(anchor)
    return found


def problem(path: pathlib.Path, link: str) -> str | None:
    """Return why a link does not resolve. Links to other sites are not followed."""
    if re.match(r"[a-z]+:", link):
        return None
    place, anchor = (link.split("#", 1) + [""])[:2]
    target = (path.parent / place).resolve() if place else path
    if not target.exists():
        return f"{link}: found no such file"
    if anchor and (target.suffix != ".md" or anchor not in anchors(target)):
        return f"{link}: found no such heading"
    return None


FILES = markdown_files()
DOCUMENTS = [path for path in FILES if DOCS in path.parents]
NUMBERED = [path for path in DOCUMENTS if path.parent == DECISIONS and path.name != "README.md"]


def name(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def listed(index: pathlib.Path) -> set[pathlib.Path]:
    return {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}


def test_documents_and_links_are_found():
    assert {ROOT / "README.md", DOCS / "README.md", ROOT / "roles/etcd/README.md"} <= set(FILES)
    assert "iaas.md#aws" in {link.removeprefix("docs/") for link in links(ROOT / "README.md")}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_links_resolve(path):
    assert [found for link in sorted(links(path)) if (found := problem(path, link))] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_the_index_lists_every_document(path):
    assert path == DOCS / "README.md" or path in listed(DECISIONS / "README.md" if path in NUMBERED else DOCS / "README.md")


@pytest.mark.parametrize("path", [ROOT / "CONTRIBUTING.md", *(path for path in DOCUMENTS if path not in NUMBERED)], ids=name)
def test_a_document_names_its_audience(path):
    title, audience, *_text = path.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    assert audience.startswith("For ")


@pytest.mark.parametrize("number, path", list(enumerate(NUMBERED, start=1)), ids=lambda value: value.name if isinstance(value, pathlib.Path) else "")
def test_a_decision_has_a_number_a_date_and_its_sections(number, path):
    text = path.read_text(encoding="utf-8")
    assert path.name.startswith(f"{number:04}-")
    assert re.match(rf"# {number:04}\. .+\n\n- Date: \d{{4}}-\d\d-\d\d\n- Status: (accepted|superseded by \d{{4}})\n\n## Context\n", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[1:] in (["Decision", "Measurement"], ["Decision", "Consequences"])
