# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of instances in Debian's chromium: layout, accessibility by axe-core, printing, and the screenshots of the documents.

tools/screenshots writes the screenshots to docs/images.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest

from .chromium import HERE, chromium
from .samples import sample_page

ROOT = HERE.parents[1]
SEEN = ROOT / ".local/test/browser"
SIZES = {9: 3, 200: 194}  # hosts, workers
WIDTHS = {"wide": 1440, "narrow": 390}
SCREENSHOT_BYTES = 250_000


@pytest.fixture(scope="session")
def browser():
    SEEN.mkdir(parents=True, exist_ok=True)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def axe(tmp_path_factory) -> str:
    """axe-core, whose digest package-lock.json has."""
    directory = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        (directory / name).write_bytes((HERE / name).read_bytes())
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=directory, check=True)
    return (directory / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("hosts", SIZES)
def test_a_page_is_accessible_and_fits(browser, axe, hosts, width, scheme):
    browser.show(sample_page(workers=SIZES[hosts]), width=WIDTHS[width], scheme=scheme)
    (SEEN / f"{hosts}-{width}-{scheme}.png").write_bytes(browser.picture())
    assert browser.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], "the page scrolls sideways"
    assert browser.evaluate("document.querySelectorAll('g > .name').length") >= hosts
    browser.evaluate(axe + "; 0")
    found = browser.evaluate("axe.run(document, {resultTypes: ['violations']}).then(result => JSON.stringify(result.violations))")
    violations = [(one["id"], one["help"], [node["html"][:200] for node in one["nodes"]][:3]) for one in json.loads(found)]
    assert violations == []


@pytest.mark.parametrize("hosts", SIZES)
def test_a_printed_page_is_light_and_shows_everything(browser, hosts):
    browser.show(sample_page(workers=SIZES[hosts]), width=718, scheme="dark", media="print")
    (SEEN / f"{hosts}-print.png").write_bytes(browser.picture())
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    clipped = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1).length"
    assert browser.evaluate(clipped) == 0, "the paper cuts a table or a picture off"
    pdf = browser.printed()
    (SEEN / f"{hosts}.pdf").write_bytes(pdf)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pages <= (4 if hosts == 9 else 30)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screenshots_of_the_documents_are_small(browser, scheme):
    browser.show(sample_page(workers=3), width=1280, scheme=scheme)
    taken = browser.picture(height=1100)
    screenshot = pathlib.Path(ROOT / f"docs/images/instances-{scheme}.png")
    if os.environ.get("CFCR_SCREENSHOTS"):
        screenshot.write_bytes(taken)
    assert screenshot.stat().st_size < SCREENSHOT_BYTES
    width, height = (int.from_bytes(screenshot.read_bytes()[start : start + 4], "big") for start in (16, 20))
    assert (width, height) == tuple(int.from_bytes(taken[start : start + 4], "big") for start in (16, 20)), "run tools/screenshots"
