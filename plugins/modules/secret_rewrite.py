#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write every Secret of a cluster again, for the key that encrypts them by now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_rewrite
short_description: Write every Secret of a cluster again
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - API servers encrypt a Secret with the key that is in use when it is written. This module writes every Secret as it is, so that the key that
    was used before is needed no more. M(cfcr.kubernetes.etcd_encryption_info) proves it.
  - Secrets are listed in pages and written by several connections. One that somebody else writes at the same time is left to them, and one
    that is deleted meanwhile is not missed.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: none
    details: What a Secret is encrypted with is not to be seen through the API.
options:
  kubeconfig:
    description: File of a kubeconfig whose current context embeds the authority of the server, the client certificate and its key.
    type: path
    required: true
  page:
    description: Secrets that are asked for at once.
    type: int
    default: 200
  connections:
    description: Secrets that are written at once.
    type: int
    default: 8
  timeout:
    description: Seconds that all of it may take.
    type: int
    default: 1800
seealso:
  - module: cfcr.kubernetes.etcd_encryption_info
"""

EXAMPLES = r"""
- name: Write every Secret again
  cfcr.kubernetes.secret_rewrite:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
  delegate_to: "{{ cluster_director }}"
"""

RETURN = r"""
written:
  description: Secrets that were written; in check mode those that would be.
  type: int
  returned: success
left:
  description: Secrets that somebody else wrote or deleted at the same time.
  type: int
  returned: success
"""

import collections
import concurrent.futures
import threading
import typing as t

from ansible.module_utils.basic import AnsibleModule
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
    """Write a Secret as it is, if nobody else does: that they are encrypted anew is all that counts."""
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
    """Write all of them, a page at a time, and count."""
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
    """Write all, or count them in check mode."""
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "page": {"type": "int", "default": 200},
            "connections": {"type": "int", "default": 8},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    params = module.params

    def connect() -> Kubernetes:
        return Kubernetes(params["kubeconfig"], params["timeout"])

    try:
        if module.check_mode:
            counts = {"written": sum(map(len, pages(connect(), params["page"]))), "left": 0}
        else:
            counts = rewrite(connect, params["page"], params["connections"])
        module.exit_json(changed=counts["written"] > 0, **counts)
    except KubernetesError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
