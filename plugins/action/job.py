# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configure and run one component of a host. The director signs its certificates in between."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible.errors import AnsibleActionFail

from ..module_utils._errors import HostError
from ..plugin_utils._certificates.request import Certificates
from ..plugin_utils._controller.answers import certificates as shape_of_certificates
from ..plugin_utils._controller.canary import canary
from ..plugin_utils._controller.changes import changed_since, note_change
from ..plugin_utils._controller.host_action import HostAction, RefusedAnswer
from ..plugin_utils._controller.run import current_run
from ..plugin_utils._controller.shapes import InvalidAnswer


class ActionModule(HostAction):
    """One round trip to the host, none if host_facts found the job in the desired state, two if certificates are signed."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Apply the job. Notify the handlers of the task only if units wait for a restart."""
        result = super().run(tmp, task_vars)
        if not result.get("restart"):
            self._task.notify = None  # the worker process has a copy of the task
        return result

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Read, sign, apply."""
        options = {**self._task.args}
        wanted = options.pop("certificates", None)
        if options.get("state") == "restarted":
            return self._restart(options, variables)
        try:
            certificates = Certificates(self, {"certificates": wanted}, variables) if wanted else None
            if certificates:
                options["pki"] = {"phase": "read", **certificates.wanted()}
            if not options.get("secrets"):
                options["asked"] = _digest(options)
            # After the digest: the way of a download is not part of the desired state.
            if proxy := self._proxy(variables):
                options.setdefault("proxy", proxy)
            result = self._found(options, variables) or self._on_host(options, variables)
            if not certificates or result.get("failed") or result.get("unreachable"):
                return result
            issued = certificates.issue(result.pop("pki"))
        except HostError as error:
            raise AnsibleActionFail(f"{options.get('name')}: {error}") from error
        healthy = result.pop("healthy")
        if not self._task.check_mode and (issued.result["changed"] or result["changed"] or not healthy):
            result = self._on_host({**options, "pki": {"phase": "write", **issued.files}}, variables)
        return _joined(result, issued.result)

    def _proxy(self, variables: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """Return the cluster's proxy for downloads with its exceptions, if it has one."""
        url = self._templar.template(variables["cluster_http_proxy"]) if "cluster_http_proxy" in variables else ""
        return {"url": url, "exceptions": self._templar.template(variables["cluster_proxy_exceptions"])} if url else None

    def _restart(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Restart on one host first, so that a faulty configuration does not stop a unit on all hosts.

        One failed host may be broken or compromised, so a second one may try. If hosts restart one at a time, the first failure stops the others.
        A host that failed in an update has its former files again, but Ansible still runs the handlers that it had not reached.
        """
        if "update_failed" in variables:
            return {"changed": False, "diff": {"before": {}, "after": {}}, "restart": []}
        with canary(self._task._uuid, variables["inventory_hostname"], failures=1 if self._task.throttle == 1 else 2) as tell:
            result = self._on_host(options, variables)
            tell(result.get("msg", "failed") if result.get("failed") else None)
        return result

    def _found(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """Return the answer without a round trip if host_facts found the job in the desired state with the same options."""
        found = self._unchanged(variables).get(options.get("name"))
        if not found or found["asked"] != options.get("asked"):
            return None
        result = {"changed": False, "diff": {"before": {}, "after": {}}, "restart": []}
        if "pki" not in options:
            return result
        try:
            return {**result, "healthy": True, "pki": shape_of_certificates(options["pki"])(found["pki"], "cfcr_jobs")}
        except InvalidAnswer as error:
            raise RefusedAnswer(error) from None

    def _on_host(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        writes = options.get("pki", {}).get("phase") == "write"
        changes = True  # without a valid answer, assume so
        try:
            result = self._execute_module(module_name="cfcr.kubernetes.job", module_args=options, task_vars=variables)
            changes = writes or result.get("failed") or result["changed"]
        finally:
            if changes and not self._task.check_mode:
                note_change()
        return {**({} if result.get("failed") else {"diff": {"before": {}, "after": {}}}), **result}

    def _unchanged(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the jobs that host_facts found in their recorded state.

        The fact is valid only in the run that gathered it, since it may come from a cache, and only until the run changes a host: another job
        may read the changed files, and its health may depend on another host.
        """
        facts = variables.get("ansible_facts", {}).get("cfcr_jobs", {})
        counts = facts.get("run") == current_run(variables)["id"] and not changed_since(facts["time"])
        return facts["unchanged"] if counts else {}


def _digest(options: dict[str, t.Any]) -> str:
    return hashlib.sha256(json.dumps(options, default=str).encode()).hexdigest()


def _joined(job: dict[str, t.Any], issued: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result of a job, together with the result of its certificates."""
    if job.get("failed") or job.get("unreachable"):
        return job
    if issued["changed"]:
        job["changed"] = True
        for side in ("before", "after"):
            job["diff"][side] = {"certificates": issued["diff"][side], **job["diff"][side]}
    if "warnings" in issued:
        job["warnings"] = [*job.get("warnings", []), *issued["warnings"]]
    return {**job, "certificates": issued["certificates"]}
