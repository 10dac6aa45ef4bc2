# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage the keys and certificates of one host: its public keys go to the director, the signed certificates come back."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail

from ..module_utils._errors import HostError
from ..plugin_utils._certificates.request import Certificates
from ..plugin_utils._controller.host_action import HostAction


class ActionModule(HostAction):
    """One round trip to the host if nothing changes, else two."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Validate, read, plan and sign, write."""
        try:
            certificates = Certificates(self, self._task.args, variables)
            issued = certificates.issue(self._on_host({"phase": "read", **certificates.wanted()}, variables))
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error
        if issued.result["changed"] and not self._task.check_mode:
            self._on_host({"phase": "write", **issued.files}, variables)
        return issued.result

    def _on_host(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run the host's part."""
        result = self._execute_module(module_name="cfcr.kubernetes.certificate_files", module_args=arguments, task_vars=variables)
        if result.get("failed"):
            raise AnsibleActionFail(result.get("msg", "failed"), result=result)
        return result
