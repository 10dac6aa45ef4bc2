# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a kubeconfig."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeconfig
short_description: Make a kubeconfig with the paths of a client certificate
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the structure of a kubeconfig for one user of one cluster.
positional: _input, server, authority, user
options:
  _input:
    description: Path of the client certificate and its key, without the suffixes C(.crt) and C(.key).
    type: path
    required: true
  server:
    description: URL of the API.
    type: str
    required: true
  authority:
    description: Path of the CA bundle that verifies the API.
    type: path
    required: true
  user:
    description: Name of the user in the kubeconfig. Kubernetes does not read it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show a kubeconfig
  ansible.builtin.debug:
    msg: "{{ '/etc/kubernetes/pki/kubelet-client' | cfcr.kubernetes.kubeconfig('https://master.cfcr.internal:8443', '/etc/kubernetes/pki/ca.crt', 'kubelet') }}"
"""

RETURN = r"""
_value:
  description: The kubeconfig.
  type: dict
"""

from ..module_utils._credentials.kubeconfig import kubeconfig as structure


def kubeconfig(certificate, server, authority, user):
    """Return a kubeconfig as a structure."""
    client = {"client-certificate": f"{certificate}.crt", "client-key": f"{certificate}.key"}
    return structure("default", server, {"certificate-authority": authority}, user, client)


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"kubeconfig": kubeconfig}
