# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The binding that makes a group of ours the administrators, and the one use of system:masters: to create it."""

from __future__ import annotations

import contextlib
import typing as t

from .._credentials.authorities import authority_key, get_authority
from .._credentials.kubeconfig import embedded
from .._errors import HostError
from .._pki.certificate import Names
from .._pki.x509 import new_private_key, now, public_half, read_public_key, sign
from .._store.options import STORE, open_store
from .._store.store import Store
from .client import Kubernetes, KubernetesError, title

__all__ = ("BINDING", "GROUP", "OPTIONS", "MissingBinding", "administrator", "hand_over")

GROUP = "cfcr:administrators"
MASTERS = "system:masters"
COMMON_NAME = "cfcr:binding"  # seen in the audit log
MINUTES = 5
HAND_OVER_SECONDS = 5
# API servers learn of a binding a moment after it is there.
SETTLE_SECONDS = 15
KNOWN_SECONDS = 1
CHECK_SECONDS = 5  # how long check mode waits for the API, which may not run yet

BINDING: dict[str, t.Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": GROUP},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": GROUP}],
}
OPTIONS: dict[str, t.Any] = {"kubeconfig": {"type": "path", "required": True}, "store": {**STORE["store"], "required": False}}
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_REVIEW = {
    "apiVersion": "authorization.k8s.io/v1",
    "kind": "SelfSubjectAccessReview",
    "spec": {"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}},
}


class MissingBinding(KubernetesError):
    """The API refuses the administrators, and this is check mode: a run would restore their binding first."""


def administrator(options: dict[str, t.Any], check_mode: bool, server: str | None = None) -> Kubernetes:
    """Return a client of the administrator's kubeconfig. With a store, it restores the binding when the API refuses the administrator.

    In check mode it raises MissingBinding instead, because nothing more can be read then, and waits only shortly for the API.
    """

    def grant(refused: Kubernetes) -> float:
        """Return for how long a refusal may end by itself."""
        if _is_administrator(refused):
            return KNOWN_SECONDS
        if check_mode:
            raise MissingBinding(f"{refused.url} refuses the administrators: a run would restore {title(BINDING)} first, and nothing else can be compared")
        _bind(_master(open_store(options), refused.url, options["timeout"]))
        return SETTLE_SECONDS

    timeout = min(options["timeout"], CHECK_SECONDS) if check_mode else options["timeout"]
    return Kubernetes(options["kubeconfig"], timeout, server, grant if options["store"] else None)


def hand_over(store: Store, server: str, before: dict[str, t.Any] | None, after: dict[str, t.Any] | None) -> None:
    """Create the binding before a certificate leaves system:masters for the administrators, so that the new one works from the beginning.

    That happens once, when a cluster of version 0.9 is updated. An API that does not answer does not stop the run, which may be what repairs it: the
    binding is then created when the API refuses the new certificate.
    """
    if MASTERS not in (before or {}).get("organizations", ()) or GROUP not in (after or {}).get("organizations", ()):
        return
    with contextlib.suppress(KubernetesError):
        _bind(_master(store, server, HAND_OVER_SECONDS))


def _is_administrator(cluster: Kubernetes) -> bool:
    """Return whether the user may do everything, so that a refusal has another reason, such as admission."""
    try:
        return cluster.request("POST", _REVIEWS, _REVIEW, {"Content-Type": "application/json"})["status"]["allowed"]
    except KubernetesError as error:
        if error.status == 403:  # an administrator may ask
            return False
        raise


def _bind(cluster: Kubernetes) -> None:
    found = cluster.get(BINDING)
    if found and found["roleRef"] != BINDING["roleRef"]:  # cannot be changed
        cluster.delete(found)
    cluster.apply(BINDING)


def _master(store: Store, server: str, timeout: float) -> Kubernetes:
    """Return a client in group system:masters, whose key and certificate exist in memory only."""
    authority = get_authority(store, "kubernetes")
    if authority is None:
        raise HostError(f"the store {store} has no CA kubernetes")
    names = Names(COMMON_NAME, (MASTERS,), (), ("client_auth",))
    key = new_private_key("ecdsa-p256")
    certificate = sign(names, read_public_key(public_half(key)), MINUTES / 1440, authority, authority_key(store, authority.name), now())
    return Kubernetes(embedded("cfcr", server, authority.bundle(), certificate, key), timeout)
