# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copy files of a bundle to a host."""

from __future__ import annotations

import fcntl
import hashlib
import os
import typing as t
from pathlib import Path

import ansible.constants as C
from ansible.errors import AnsibleActionFail

from ..module_utils._artifacts.archive import add_hashed, open_tar
from ..module_utils._bundle.lock import blob
from ..plugin_utils._controller.deadline import deadline
from ..plugin_utils._controller.host_action import HostAction


class ActionModule(HostAction):
    """Two round trips, one if nothing is missing, and in between one transfer of all that is missing."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Ask, send, and have it written."""
        result = super().answer(variables)
        if result.get("failed") or result.get("unreachable") or self._task.check_mode or not result["missing"]:
            return result
        files = self._task.args["files"]
        try:
            archive = packed(Path(self._task.args["source"]), sorted({files[path] for path in result["missing"]}))
        except OSError as error:
            raise AnsibleActionFail(f"bundle: {error}") from error
        directory = self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(directory, "bundle.tar")
            with deadline(self._most_seconds(variables)):
                self._transfer_file(str(archive), remote)
            self._fixup_perms2((directory, remote))
            written = self._execute_module(module_args={**self._task.args, "archive": remote}, task_vars=variables)
        finally:
            self._remove_tmp_path(directory)
        return {**written, "diff": result["diff"]} if not written.get("failed") else written


def packed(source: Path, blobs: list[str]) -> Path:
    """Return an archive of blobs, which hosts that miss the same ones share. Ansible removes its temporary directory at the end of the run."""
    target = Path(C.DEFAULT_LOCAL_TMP) / f"bundle-{hashlib.sha256(' '.join(blobs).encode()).hexdigest()[:16]}.tar"
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        temporary = target.with_suffix(".new")
        with temporary.open("wb") as stream, open_tar(stream) as archive:
            for sha256 in blobs:
                path = blob(source, sha256)
                with path.open("rb") as content:
                    found = add_hashed(archive, sha256, path.stat().st_size, content)
                if found != sha256:
                    raise AnsibleActionFail(f"{path}: found other content, expected that of its name: unpack the bundle again")
        os.rename(temporary, target)
    return target
