# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checksums of loaded files, read from a real HTTP server."""

from __future__ import annotations

import subprocess

import pytest
from _http import answers, serving
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import reload

CONTENT = "global\n    # Grüße\r\n"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Return a URL that answers with the output of sha256sum, and the path of the only file."""
    path = tmp_path_factory.mktemp("etc") / "a.cfg"
    path.write_bytes(CONTENT.encode())
    said = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout
    with serving(answers({"/loaded": (200, said), "/failing": (503, said)})) as url:
        yield url, str(path)


def test_current_files_are_no_problem(loaded):
    url, path = loaded
    assert reload.problem({"url": f"{url}/loaded"}, {path: reload.digest(CONTENT)}) is None


@pytest.mark.parametrize("content", ["another", None])
def test_outdated_files_are_named(content, loaded):
    url, path = loaded
    wanted = {path: reload.digest(content), "/not/loaded": reload.digest(content)}
    assert reload.problem({"url": f"{url}/loaded"}, wanted) == f"{url}/loaded: has not loaded the current {path}, /not/loaded"


def test_an_error_answer_is_a_problem(loaded):
    url, path = loaded
    assert "has not loaded" in reload.problem({"url": f"{url}/failing"}, {path: reload.digest(CONTENT)})


def test_a_refused_connection_is_a_problem():
    assert reload.problem({"url": "http://127.0.0.1:1/loaded"}, {}) == "http://127.0.0.1:1/loaded: [Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["sha256sum"], None),
        (["true"], "true {path}: has not loaded the current {path}"),
        (["false"], "false {path}: false {path}: exit code 1: "),
    ],
)
def test_a_command_says_which_files_are_loaded(command, expected, loaded):
    _url, path = loaded
    found = reload.problem({"command": [*command, path], "url": None}, {path: reload.digest(CONTENT)})
    assert found == (expected and expected.format(path=path))
