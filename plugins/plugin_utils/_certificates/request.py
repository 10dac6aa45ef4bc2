# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part: check a list of certificates, carry the host's public keys to the director and its signatures back."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ...module_utils._credentials.signing import TERMS, Terms, authorities, issue
from ...module_utils._errors import HostError
from ...module_utils._pki.certificate import ByPath, bundles_of, check, seconds
from ...module_utils._pki.files import CERTIFICATES
from ...module_utils._store.options import STORE, open_store
from ...module_utils._store.store import Store
from .._controller.director import Director, validated

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

__all__ = ("SPEC", "Certificates")

SPEC: dict[str, t.Any] = {
    "certificates": {**CERTIFICATES, "required": True},
    "director": {"type": "str"},
    "store": {**STORE["store"], "required": False},
    **TERMS,
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
    """The arguments of the host's module for phase write, and the result of the task."""

    files: dict[str, t.Any]
    result: dict[str, t.Any]


class Certificates:
    """The wanted certificates of one host, and the director that signs them."""

    def __init__(self, action: ActionBase, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> None:
        """Validate everything before the host is touched. Options that are not given come from the variables of the cluster."""
        self._check_mode = action._task.check_mode
        from_variables = {option: action._templar.template(task_vars[name]) for option, name in VARIABLES.items() if name in task_vars}
        self._options = options = validated(SPEC, {**from_variables, **arguments})
        for option in ("director", "store"):
            if not options[option]:
                raise HostError(f"{option}: found neither the option nor the variable {VARIABLES[option]}, expected one of them")
        check(options["certificates"], options["days"], options["renew_before_days"])
        self._since = seconds(options["since"])
        self._director = Director(action, options["director"], task_vars)
        if self._director.is_local:
            self._check_authorities()

    def wanted(self) -> dict[str, t.Any]:
        """Return the arguments of the host's module for phase read, in which it generates missing keys."""
        return self._files({entry["path"]: {} for entry in self._options["certificates"]}, dict.fromkeys(bundles_of(self._options["certificates"]), {}))

    def issue(self, actual: dict[str, t.Any]) -> Issued:
        """Have the director plan and sign, given what the host has."""
        plan = self._plan({kind: actual[kind] for kind in ("certificates", "bundles")})
        keys = ByPath(actual["certificates"], "the host")
        signed, bundles = (ByPath(plan[kind], "the director") for kind in ("certificates", "bundles"))
        # A certificate or bundle without content stays as it is.
        certificates = {path: {"public_key": keys[path]["public_key"], "certificate": signed[path]["certificate"]} for path in keys}
        return Issued(self._files(certificates, {path: {"content": bundles[path]["content"]} for path in bundles}), _result(plan, actual["drift"]))

    def _files(self, certificates: dict[str, dict[str, t.Any]], bundles: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
        """Return arguments of the host's module, with these values by path."""
        return {
            "certificates": [{"path": entry["path"], "owner": entry["owner"], **certificates[entry["path"]]} for entry in self._options["certificates"]],
            "bundles": [{"path": path, **values} for path, values in bundles.items()],
            "key_type": self._options["key_type"],
            "since": self._since,
        }

    def _check_authorities(self) -> None:
        """Find the name of a CA that does not exist before the host is touched. A remote director finds it when it signs."""
        names = {entry["authority"] for entry in self._options["certificates"]}
        authorities(self._store, names, self._check_mode)

    @functools.cached_property
    def _store(self) -> Store:
        return open_store(self._options)

    def _plan(self, actual: dict[str, t.Any]) -> dict[str, t.Any]:
        """Plan and sign: in this process if the director is the controller, else by module certificate_sign on the director."""
        options = self._options
        terms = {option: options[option] for option in TERMS}
        if self._director.is_local:
            return issue(self._store, options["certificates"], actual, Terms(**terms, check_mode=self._check_mode))
        arguments = {"store": options["store"], "certificates": options["certificates"], "actual": actual, **terms}
        result = self._director.execute_module("cfcr.kubernetes.certificate_sign", arguments)
        if result.get("failed"):
            raise HostError(f"director {options['director']}: {result.get('msg', 'failed')}")
        return result


def _result(plan: dict[str, t.Any], drift: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result of the task, with a diff of all that changes."""
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
