# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kubeconfig as a structure."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeconfig
short_description: Make a kubeconfig that names the files of a client certificate
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the structure of a kubeconfig for one user of one cluster.
positional: _input
options:
  _input:
    description: Path of the client certificate without suffix; C(.crt) and C(.key) stand there.
    type: path
    required: true
  server:
    description: URL of the API.
    type: str
    required: true
  authority:
    description: Path of the file with the authorities that the API's certificate is verified against.
    type: path
    required: true
  user:
    description: Name of the user, for people.
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
