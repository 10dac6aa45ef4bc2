#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rewrite every Secret of a cluster, which encrypts it with the current key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_rewrite
short_description: Rewrite every Secret of a cluster
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - API servers encrypt a Secret with the current key when it is written. This module rewrites every Secret with its own content, so that the
    former key is no longer needed. M(cfcr.kubernetes.etcd_encryption_info) verifies that.
  - Secrets are listed in pages and written over several connections. A Secret that another client writes or deletes at the same time is
    skipped.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._administrator, cfcr.kubernetes._store]
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: The API does not show with which key a Secret is encrypted.
options:
  store:
    version_added: "1.0.0"
  page:
    description: Number of Secrets in one request.
    type: int
    default: 200
  connections:
    description: Number of Secrets that are written in parallel.
    type: int
    default: 8
  timeout:
    description: Seconds for the whole module. Taking longer is an error.
    type: int
    default: 1800
seealso:
  - module: cfcr.kubernetes.etcd_encryption_info
"""

EXAMPLES = r"""
- name: Rewrite every Secret
  cfcr.kubernetes.secret_rewrite:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
  delegate_to: "{{ cluster_director }}"
"""

RETURN = r"""
written:
  description: Number of Secrets written. In check mode, as it would be.
  type: int
  returned: success
left:
  description: Number of Secrets skipped because another client wrote or deleted them at the same time.
  type: int
  returned: success
"""

import collections
import concurrent.futures
import threading
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import OPTIONS, MissingBinding, administrator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError

SECRETS = "/api/v1/secrets"
CONFLICT = 409


def pages(cluster: Kubernetes, size: int) -> t.Iterator[list[dict[str, t.Any]]]:
    """Yield the Secrets page by page."""
    token = ""
    while True:
        found = cluster.request("GET", SECRETS, limit=size, **{"continue": token})
        yield found["items"]
        token = found["metadata"].get("continue", "")
        if not token:
            return


def write(cluster: Kubernetes, secret: dict[str, t.Any]) -> str:
    """Write a Secret with its own content; a conflict means that another client has just written, and so encrypted, it."""
    metadata = secret["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
    body = {"apiVersion": "v1", "kind": "Secret", **secret}
    try:
        return "written" if cluster.request("PUT", path, body, {"Content-Type": "application/json"}) else "left"
    except KubernetesError as error:
        if error.status != CONFLICT:
            raise
        return "left"


def rewrite(connect: t.Callable[[], Kubernetes], page: int, connections: int) -> dict[str, int]:
    """Write all Secrets, one page at a time, and count."""
    counts: collections.Counter[str] = collections.Counter(written=0, left=0)
    of_thread = threading.local()

    def write_here(secret: dict[str, t.Any]) -> str:
        if not hasattr(of_thread, "cluster"):
            of_thread.cluster = connect()
        return write(of_thread.cluster, secret)

    with concurrent.futures.ThreadPoolExecutor(max_workers=connections) as pool:
        for secrets in pages(connect(), page):
            counts.update(pool.map(write_here, secrets))
    return dict(counts)


def main() -> None:
    """Rewrite all Secrets; in check mode, count them."""
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            "page": {"type": "int", "default": 200},
            "connections": {"type": "int", "default": 8},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    params = module.params

    def connect() -> Kubernetes:
        return administrator(params, module.check_mode)

    try:
        if module.check_mode:
            counts = {"written": sum(map(len, pages(connect(), params["page"]))), "left": 0}
        else:
            counts = rewrite(connect, params["page"], params["connections"])
        module.exit_json(changed=counts["written"] > 0, **counts)
    except MissingBinding as error:
        module.warn(str(error))
        module.exit_json(changed=True, written=0, left=0)
    except (HostError, KubernetesError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
