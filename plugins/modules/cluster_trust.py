#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Have everything inside of a cluster trust exactly the given authorities."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_trust
short_description: Have everything inside of a cluster trust exactly the given authorities
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - API servers tell extension API servers whom to trust in ConfigMap C(kube-system/extension-apiserver-authentication), where they add authorities
    and never remove one. This module removes what is too much.
  - The controller manager gives every namespace the authorities of the API servers in ConfigMap C(kube-root-ca.crt). This module waits until all are
    as they must be. A minute later pods that run have them in their volumes, pods that start have them at once.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
options:
  kubeconfig:
    description: File of a kubeconfig whose current context embeds the authority of the server, the client certificate and its key.
    type: path
    required: true
  kubernetes:
    description: Certificates of the authorities of API servers, kubelets and users, in PEM.
    type: str
    required: true
  front_proxy:
    description: Certificates of the authorities of what API servers are to extension API servers, in PEM.
    type: str
    required: true
  timeout:
    description: Seconds until all is as it must be.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Have everything in the cluster trust the authorities
  cfcr.kubernetes.cluster_trust:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    kubernetes: "{{ authorities.kubernetes.bundle }}"
    front_proxy: "{{ authorities['front-proxy'].bundle }}"
"""

RETURN = r"""
namespaces:
  description: How many namespaces have the authorities of API servers.
  type: int
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.bundle import fingerprints
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

AUTHENTICATION = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
ROOTS = "kube-root-ca.crt"


def known(data: dict[str, str], names: t.Iterable[str]) -> dict[str, list[str]]:
    """Return the fingerprints of the authorities below each name."""
    return {name: sorted(fingerprints(data.get(name, ""))) for name in names}


def authentication(cluster: Kubernetes) -> dict[str, str]:
    """Return what extension API servers are told; a new cluster's API server writes it a moment after its start."""
    while True:
        found = cluster.request("GET", AUTHENTICATION)
        if found:
            return found.get("data") or {}
        cluster.pause(lambda: f"{AUTHENTICATION} does not exist")


def wait_for_roots(cluster: Kubernetes, bundle: str) -> int:
    """Wait until every namespace has the authorities."""
    while True:
        found = cluster.list("", "ConfigMap", fieldSelector=f"metadata.name={ROOTS}")
        others = [one["metadata"]["namespace"] for one in found if fingerprints((one.get("data") or {}).get("ca.crt", "")) != fingerprints(bundle)]
        if found and not others:
            return len(found)
        cluster.pause(lambda others=others: f"{ROOTS} holds other authorities in {', '.join(others) or 'no namespace at all'}")


def main() -> None:
    """Correct one, wait for the others."""
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "kubernetes": {"type": "str", "required": True},
            "front_proxy": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    wanted = {"client-ca-file": module.params["kubernetes"], "requestheader-client-ca-file": module.params["front_proxy"]}
    result: dict[str, int] = {}
    try:
        cluster = Kubernetes(module.params["kubeconfig"], module.params["timeout"])
        before, after = known(authentication(cluster), wanted), known(wanted, wanted)
        finish(
            module,
            before,
            after,
            lambda: cluster.request("PATCH", AUTHENTICATION, {"data": wanted}, {"Content-Type": "application/merge-patch+json"}),
            lambda: result.update(namespaces=wait_for_roots(cluster, module.params["kubernetes"])),
        )
    except KubernetesError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
