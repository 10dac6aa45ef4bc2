#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limit the CAs that components inside a cluster trust to the given ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_trust
short_description: Limit the CAs that components inside a cluster trust
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - API servers publish the CAs of client certificates, and of the requests that they forward to extension API servers, in ConfigMap
    C(kube-system/extension-apiserver-authentication). They add CAs there, but never remove one. This module sets exactly the given CAs.
  - The controller manager publishes the CA bundle of the API servers to every namespace, in ConfigMap C(kube-root-ca.crt). This module waits until
    all namespaces have the given one. A new pod has it at once; a running pod has it in its volume a minute later.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._administrator, cfcr.kubernetes._store]
options:
  store:
    version_added: "1.0.0"
  kubernetes:
    description: CA bundle for API servers, kubelets and users, in PEM.
    type: str
    required: true
  front_proxy:
    description: CA bundle for the client certificates of API servers at extension API servers, in PEM.
    type: str
    required: true
  timeout:
    description: Seconds to wait for all namespaces. Taking longer is an error that names the others.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Limit the CAs that components inside the cluster trust
  cfcr.kubernetes.cluster_trust:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    kubernetes: "{{ authorities.kubernetes.bundle }}"
    front_proxy: "{{ authorities['front-proxy'].bundle }}"
"""

RETURN = r"""
namespaces:
  description: Number of namespaces with the CA bundle of the API servers.
  type: int
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import BINDING, OPTIONS, MissingBinding, administrator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError, Unavailable, title
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.bundle import fingerprints
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish, finish_unread

AUTHENTICATION = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
ROOTS = "kube-root-ca.crt"


def known(data: dict[str, str], names: t.Iterable[str]) -> dict[str, list[str]]:
    """Return the fingerprints of the CAs under each name."""
    return {name: sorted(fingerprints(data.get(name, ""))) for name in names}


def authentication(cluster: Kubernetes) -> dict[str, str]:
    """Return the ConfigMap for extension API servers. The API server of a new cluster writes it shortly after its start."""
    while True:
        found = cluster.request("GET", AUTHENTICATION)
        if found:
            return found.get("data") or {}
        cluster.pause(lambda: f"{AUTHENTICATION} does not exist")


def wait_for_roots(cluster: Kubernetes, bundle: str) -> int:
    """Wait until every namespace has the CA bundle, and return the number of namespaces."""
    while True:
        found = cluster.list("", "ConfigMap", fieldSelector=f"metadata.name={ROOTS}")
        others = [one["metadata"]["namespace"] for one in found if fingerprints((one.get("data") or {}).get("ca.crt", "")) != fingerprints(bundle)]
        if found and not others:
            return len(found)
        cluster.pause(lambda others=others: f"{ROOTS}: found other CAs in {', '.join(others) or 'no namespace at all'}, expected the given ones in all")


def main() -> None:
    """Set the CAs in one ConfigMap, and wait for the others."""
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            "kubernetes": {"type": "str", "required": True},
            "front_proxy": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    wanted = {"client-ca-file": module.params["kubernetes"], "requestheader-client-ca-file": module.params["front_proxy"]}
    result: dict[str, int] = {}
    try:
        cluster = administrator(module.params, module.check_mode)
        before, after = known(authentication(cluster), wanted), known(wanted, wanted)
        finish(
            module,
            before,
            after,
            lambda: cluster.request("PATCH", AUTHENTICATION, {"data": wanted}, {"Content-Type": "application/merge-patch+json"}),
            lambda: result.update(namespaces=wait_for_roots(cluster, module.params["kubernetes"])),
        )
    except MissingBinding as error:
        module.warn(str(error))
        finish(module, {}, {title(BINDING): BINDING}, None)
    except (HostError, KubernetesError) as error:
        if module.check_mode and isinstance(error, Unavailable):
            finish_unread(module, error, known(wanted, wanted))
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
