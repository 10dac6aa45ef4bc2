# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the keys and certificates of one host: its public keys go to the director, what the director signs comes back."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.cfcr.kubernetes.plugins.module_utils._certificate import USAGES
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._issue import Terms, authorities, issue
from ansible_collections.cfcr.kubernetes.plugins.module_utils._keys import KEY_TYPES
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import FileStore
from ansible_collections.cfcr.kubernetes.plugins.module_utils._x509 import CRYPTOGRAPHY_ERROR
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._certificate_list import bundles, check
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._director import Director

ENTRY = {
    "path": {"type": "path", "required": True},
    "authority": {"type": "str", "required": True},
    "authority_path": {"type": "path"},
    "common_name": {"type": "str", "default": ""},
    "organizations": {"type": "list", "elements": "str", "default": []},
    "alternative_names": {"type": "list", "elements": "str", "default": []},
    "usages": {"type": "list", "elements": "str", "choices": list(USAGES), "required": True},
    "owner": {"type": "str", "default": "root"},
}
SPEC = {
    "certificates": {"type": "list", "elements": "dict", "required": True, "options": ENTRY},
    "director": {"type": "str", "required": True},
    "store": {"type": "path", "required": True},
    "passphrase": {"type": "str", "no_log": True},
    "days": {"type": "int", "default": 365},
    "renew_before_days": {"type": "int", "default": 60},
    "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ecdsa-p256"},
}
VARIABLES = {
    "director": "cluster_director",
    "store": "cluster_store_directory",
    "passphrase": "cluster_store_passphrase",
    "days": "cluster_certificate_days",
    "renew_before_days": "cluster_certificate_renew_before_days",
    "key_type": "cluster_key_type",
}


class ActionModule(ActionBase):
    """One round trip to the host where nothing changes, a second one where something is written."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Validate, read, plan and sign, write."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        from_variables = {option: self._templar.template(task_vars[name]) for option, name in VARIABLES.items() if name in task_vars}
        self._task.args = {**from_variables, **self._task.args}
        _validation, options = self.validate_argument_spec(argument_spec=SPEC)
        try:
            check(options["certificates"], options["days"], options["renew_before_days"])
            director = Director(self, options["director"], task_vars)
            if director.is_here:
                self._check_authorities(options)
            actual = self._on_host({"phase": "read", **self._wanted_files(options)}, task_vars)
            plan = self._plan(director, options, actual)
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error
        result = _result(plan, actual["drift"])
        if result["changed"] and not self._task.check_mode:
            self._on_host({"phase": "write", **_files(options, plan, actual)}, task_vars)
        return result

    def _check_authorities(self, options: dict) -> None:
        """Find a name of an authority that does not exist before the host is touched; a remote director finds it when it is asked."""
        if CRYPTOGRAPHY_ERROR:
            raise AnsibleActionFail(f"the Python that runs Ansible has no library cryptography:\n{CRYPTOGRAPHY_ERROR}")
        names = {entry["authority"] for entry in options["certificates"]}
        authorities(FileStore(options["store"], options["passphrase"]), names, self._task.check_mode)

    @staticmethod
    def _wanted_files(options: dict) -> dict:
        """Return what the host needs to know in order to read what is there and to make keys."""
        return {
            "certificates": [{"path": entry["path"], "owner": entry["owner"]} for entry in options["certificates"]],
            "bundles": [{"path": bundle["path"]} for bundle in bundles(options["certificates"])],
            "key_type": options["key_type"],
        }

    def _on_host(self, arguments: dict, task_vars: dict) -> dict:
        """Run the host's half."""
        result = self._execute_module(module_name="cfcr.kubernetes.certificate_files", module_args=arguments, task_vars=task_vars)
        if result.get("failed"):
            raise AnsibleActionFail(result.get("msg", "failed"), result=result)
        return result

    def _plan(self, director: Director, options: dict, actual: dict) -> dict:
        """Have the director plan and sign, in this process where it keeps the store itself."""
        certificates = [{**entry, **there} for entry, there in zip(options["certificates"], actual["certificates"])]
        wanted = [{**bundle, **there} for bundle, there in zip(bundles(options["certificates"]), actual["bundles"])]
        terms = {option: options[option] for option in ("days", "renew_before_days", "key_type")}
        if director.is_here:
            store = FileStore(options["store"], options["passphrase"])
            return issue(store, certificates, wanted, Terms(**terms, check_mode=self._task.check_mode))
        arguments = {
            "store": options["store"],
            "passphrase": options["passphrase"],
            "certificates": certificates,
            "bundles": wanted,
            **terms,
        }
        result = director.execute_module("cfcr.kubernetes.certificate_sign", arguments)
        if result.get("failed"):
            raise AnsibleActionFail(f"director {options['director']}: {result.get('msg', 'failed')}", result=result)
        return result


def _files(options: dict, plan: dict, actual: dict) -> dict:
    """Return what the host is to write; a certificate or bundle without content stays as it is."""
    return {
        "certificates": [
            {"path": entry["path"], "owner": entry["owner"], "public_key": there["public_key"], "certificate": new["certificate"]}
            for entry, there, new in zip(options["certificates"], actual["certificates"], plan["certificates"])
        ],
        "bundles": [{"path": bundle["path"], "content": bundle["content"]} for bundle in plan["bundles"]],
        "key_type": options["key_type"],
    }


def _result(plan: dict, drift: dict) -> dict:
    """Return the action's result: what is and what becomes of everything that is not as wanted."""
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for entry in plan["certificates"]:
        if entry["reasons"]:
            before[entry["path"]], after[entry["path"]] = entry["before"], entry["after"]
    for bundle in plan["bundles"]:
        if bundle["changed"]:
            before[bundle["path"]], after[bundle["path"]] = {"authorities": bundle["before"]}, {"authorities": bundle["after"]}
    for path, state in drift.items():
        before[path], after[path] = {**before.get(path, {}), **state["before"]}, {**after.get(path, {}), **state["after"]}
    certificates = [{"path": entry["path"], "reasons": entry["reasons"], **entry["after"]} for entry in plan["certificates"]]
    result = {"changed": before != after, "diff": {"before": before, "after": after}, "certificates": certificates}
    return {**result, "warnings": plan["remarks"]} if plan["remarks"] else result
