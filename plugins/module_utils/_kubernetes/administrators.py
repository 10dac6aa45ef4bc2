# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The binding that makes a group of ours the administrators, and the one use of system:masters: to create it."""

from __future__ import annotations

import base64
import contextlib
import typing as t

from .._credentials.authorities import authority_key, get_authority
from .._credentials.kubeconfig import kubeconfig
from .._errors import HostError
from .._pki.certificate import Names
from .._pki.x509 import new_private_key, now, public_half, read, read_public_key, sign
from .._store.options import open_store
from .client import Kubernetes, KubernetesError

__all__ = ("BINDING", "GROUP", "MASTERS", "grant_of", "hand_over")

GROUP = "cfcr:administrators"
MASTERS = "system:masters"
COMMON_NAME = "cfcr:binding"  # seen in the audit log
MINUTES = 5
HAND_OVER_SECONDS = 5

BINDING: dict[str, t.Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": GROUP},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": GROUP}],
}
_REVIEW = {
    "apiVersion": "authorization.k8s.io/v1",
    "kind": "SelfSubjectAccessReview",
    "spec": {"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}},
}


def grant_of(options: dict[str, t.Any], check_mode: bool) -> t.Callable[[Kubernetes], bool] | None:
    """Return the function that restores the binding for a refused administrator; None without option store, and in check mode."""
    if not options["store"] or check_mode:
        return None

    def grant(refused: Kubernetes) -> bool:
        """Restore the binding, unless the refusal has another reason, such as admission."""
        answer = refused.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", _REVIEW, {"Content-Type": "application/json"})
        if answer["status"]["allowed"]:
            return False
        _apply(_master(options, refused.url))
        return True

    return grant


def hand_over(path: str) -> None:
    """Create the binding with the kubeconfig of an earlier version, which is in group system:masters, before the file gets the new certificate.

    An API that does not answer does not stop the run, which may be what repairs it: the binding is then created when the new user is refused.
    """
    with contextlib.suppress(KubernetesError):
        former = Kubernetes(path, HAND_OVER_SECONDS)
        certificate = read(former.certificate, None)
        if certificate and MASTERS in certificate.names.organizations:
            _apply(former)


def _apply(cluster: Kubernetes) -> None:
    found = cluster.get(BINDING)
    if found and found["roleRef"] != BINDING["roleRef"]:  # cannot be changed
        cluster.delete(found)
    cluster.apply(BINDING)


def _master(options: dict[str, t.Any], server: str) -> Kubernetes:
    """Return a client in group system:masters, whose key and certificate exist in memory only."""
    store = open_store(options)
    authority = get_authority(store, "kubernetes")
    if authority is None:
        raise HostError(f"the store {store} has no CA kubernetes")
    names = Names(COMMON_NAME, (MASTERS,), (), ("client_auth",))
    key = new_private_key("ecdsa-p256")
    certificate = sign(names, read_public_key(public_half(key)), MINUTES / 1440, authority, authority_key(store, authority.name), now())
    bundle, public, private = (base64.b64encode(pem.encode()).decode() for pem in (authority.bundle(), certificate, key))
    client = {"client-certificate-data": public, "client-key-data": private}
    return Kubernetes(kubeconfig("cfcr", server, {"certificate-authority-data": bundle}, "cfcr", client), options["timeout"])
