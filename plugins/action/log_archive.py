# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Merge the logs of hosts into one archive on the controller."""

from __future__ import annotations

import os
import pwd
import time
import typing as t

from ansible.errors import AnsibleActionFail

from ..module_utils._files import write_atomically
from ..plugin_utils._controller.controller_action import ControllerAction
from ..plugin_utils._controller.log_archive import merge

_OPTIONS = {"hosts": {"type": "dict", "required": True}, "dest": {"type": "path", "required": True}}


class ActionModule(ControllerAction):
    """Merge the archives in memory, so that an interrupted run leaves no partial file."""

    spec = _OPTIONS

    def answer(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Write the archive."""
        dest = os.path.abspath(options["dest"])
        merged = merge({host: archive for host, archive in options["hosts"].items() if archive}, time.time())
        if not self._task.check_mode:
            try:
                write_atomically(dest, merged.content, 0o600, pwd.getpwuid(os.geteuid()).pw_name)
            except OSError as error:
                raise AnsibleActionFail(f"{dest}: {error.strerror}") from error
        missing = [host for host, archive in options["hosts"].items() if not archive]
        return {"changed": True, "dest": dest, "files": merged.files, "missing": missing, "refused": merged.refused}
