# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A target of backups, and the options of the playbooks."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from playbook import Run, succeed

PASSPHRASE = "a passphrase of the tests"


class Backups(t.NamedTuple):
    """The backups at a target."""

    target: pathlib.Path
    work: pathlib.Path
    options: list[str]  # of the playbooks; the passphrase is in a file, as documented

    @property
    def files(self) -> list[pathlib.Path]:
        """The backups, the oldest first."""
        return sorted(self.target.glob("*.cfcr"))

    def run(self, playbook: str, *options: str) -> Run:
        """Return a run that has ended well, and has not shown the passphrase."""
        done = succeed(playbook, *self.options, *options, seconds=1800)
        assert PASSPHRASE not in done.text
        return done


@pytest.fixture(scope="session")
def backups(tmp_path_factory) -> Backups:
    """Return the target, which outlives the cluster and its director."""
    directory = tmp_path_factory.mktemp("backups")
    target, work, file = directory / "target", directory / "work", directory / "variables.json"
    target.mkdir()
    variables = {
        "backup_passphrase": PASSPHRASE, "backup_targets": [{"type": "directory", "path": str(target)}], "backup_directory": str(work),
        "backup_keep": {"last": 1, "daily": 1, "weekly": 1}, "restore_directory": str(directory / "restore"),
    }  # fmt: skip
    file.touch(mode=0o600)
    file.write_text(json.dumps(variables), encoding="utf-8")
    return Backups(target, work, [f"--extra-vars=@{file}"])
