# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs, run as a user with any PATH."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils import _command
from ansible_collections.cfcr.kubernetes.plugins.module_utils._command import run
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

# The PATH of a user, which Debian's su keeps.
USERS_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"


@pytest.fixture
def administration(tmp_path, monkeypatch):
    """A directory that replaces those of the system administrator, with one program."""
    program = tmp_path / "sbin/adduser-like"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf %s \"$PATH\"\n")
    program.chmod(0o755)
    monkeypatch.setattr(_command, "_SYSTEM_DIRECTORIES", (str(program.parent),))
    return program.parent


@pytest.mark.parametrize("environment", [{"PATH": USERS_PATH}, {}])
def test_programs_of_the_administrator_are_found(administration, environment):
    """They are on the PATH of the program as well: dpkg refuses to work without them."""
    assert run("adduser-like", environment=environment).rpartition(":")[2] == str(administration)


def test_the_path_of_the_process_is_completed(administration, monkeypatch):
    monkeypatch.setenv("PATH", USERS_PATH)
    assert run("adduser-like") == f"{USERS_PATH}:{administration}"


def test_a_complete_path_is_kept(administration):
    assert run("adduser-like", environment={"PATH": f"{administration}:/bin"}) == f"{administration}:/bin"


def test_a_missing_program_is_named():
    with pytest.raises(HostError, match="no-such-program: No such file or directory"):
        run("no-such-program")


def test_a_failure_has_the_messages_of_the_program():
    with pytest.raises(HostError, match="exit code 3: it is broken"):
        run("sh", "-c", "echo it is broken >&2; exit 3")
