# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates of one host between their two ends: what is asked for, what the host has, what the director signs."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._credentials.signing import Terms, authorities, issue
from ...module_utils._errors import HostError
from ...module_utils._pki.certificate import USAGES, seconds
from ...module_utils._pki.keys import KEY_TYPES
from ...module_utils._store.options import STORE, open_store
from ...module_utils._store.store import Store
from .._controller.director import Director
from .list import bundles, check

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

__all__ = ("SPEC", "Certificates")

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
    **STORE,
    "days": {"type": "int", "default": 365},
    "renew_before_days": {"type": "int", "default": 60},
    "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ecdsa-p256"},
    "since": {"type": "str", "default": ""},
}
VARIABLES = {
    "director": "cluster_director",
    "store": "cluster_store",
    "days": "cluster_certificate_days",
    "renew_before_days": "cluster_certificate_renew_before_days",
    "key_type": "cluster_key_type",
    "since": "cluster_certificates_since",
}


@dataclasses.dataclass(frozen=True)
class Issued:
    """What the host is to write, and what there is to say about it."""

    files: dict[str, t.Any]
    result: dict[str, t.Any]


class Certificates:
    """The certificates that one host is asked to have, and the director that signs them."""

    def __init__(self, action: ActionBase, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> None:
        """Find all that is wrong before the host is touched; options that are not given are variables of the cluster."""
        self._check_mode = action._task.check_mode
        from_variables = {option: action._templar.template(task_vars[name]) for option, name in VARIABLES.items() if name in task_vars}
        validated = ArgumentSpecValidator(SPEC).validate({**from_variables, **arguments})
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        self._options = options = validated.validated_parameters
        check(options["certificates"], options["days"], options["renew_before_days"])
        self._since = seconds(options["since"])
        self._director = Director(action, options["director"], task_vars)
        if self._director.is_local:
            self._check_authorities()

    def wanted(self) -> dict[str, t.Any]:
        """Return what the host needs to know in order to read what is there and to make keys."""
        return {
            "certificates": [{"path": entry["path"], "owner": entry["owner"]} for entry in self._options["certificates"]],
            "bundles": [{"path": bundle["path"]} for bundle in bundles(self._options["certificates"])],
            "key_type": self._options["key_type"],
            "since": self._since,
        }

    def issue(self, actual: dict[str, t.Any]) -> Issued:
        """Have the director plan and sign, given what the host has."""
        plan = self._plan(actual)
        return Issued(self._files(plan, actual), _result(plan, actual["drift"]))

    def _check_authorities(self) -> None:
        """Find a name of an authority that does not exist before the host is touched; a remote director finds it when it is asked."""
        names = {entry["authority"] for entry in self._options["certificates"]}
        authorities(self._store, names, self._check_mode)

    @functools.cached_property
    def _store(self) -> Store:
        return open_store(self._options)

    def _plan(self, actual: dict[str, t.Any]) -> dict[str, t.Any]:
        """Plan and sign in this process where the director is here, by a module on the director elsewhere."""
        options = self._options
        # Nothing else of the answer is used: the controller says what is signed.
        keys, contents = ({there["path"]: there for there in actual[kind]} for kind in ("certificates", "bundles"))
        certificates = [
            {**entry, "public_key": keys[entry["path"]]["public_key"], "certificate": keys[entry["path"]]["certificate"]}
            for entry in options["certificates"]
        ]
        wanted = [{**bundle, "content": contents[bundle["path"]]["content"]} for bundle in bundles(options["certificates"])]
        terms = {option: options[option] for option in ("days", "renew_before_days", "key_type")}
        if self._director.is_local:
            return issue(self._store, certificates, wanted, Terms(**terms, check_mode=self._check_mode))
        arguments = {
            "store": options["store"],
            "certificates": certificates,
            "bundles": wanted,
            **terms,
        }
        result = self._director.execute_module("cfcr.kubernetes.certificate_sign", arguments)
        if result.get("failed"):
            raise HostError(f"director {options['director']}: {result.get('msg', 'failed')}")
        return result

    def _files(self, plan: dict[str, t.Any], actual: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what the host is to write; a certificate or bundle without content stays as it is."""
        return {
            "certificates": [
                {"path": entry["path"], "owner": entry["owner"], "public_key": there["public_key"], "certificate": new["certificate"]}
                for entry, there, new in zip(self._options["certificates"], actual["certificates"], plan["certificates"])
            ],
            "bundles": [{"path": bundle["path"], "content": bundle["content"]} for bundle in plan["bundles"]],
            "key_type": self._options["key_type"],
            "since": self._since,
        }


def _result(plan: dict[str, t.Any], drift: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result of a task: what is and what becomes of everything that is not as wanted."""
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
