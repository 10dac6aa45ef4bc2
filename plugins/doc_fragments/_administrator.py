# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options kubeconfig and store, in every module that works as administrator of a cluster."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents OPTIONS of module_utils/_kubernetes/administrators.py. Fragment _store has the suboptions."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: A kubeconfig file whose current context embeds the CA of the server, the client certificate and its key.
    type: path
    required: true
  store:
    description:
      - The credential store of the cluster, for the administrator's kubeconfig only. If the API refuses the administrator, because the binding of
        group C(cfcr:administrators) does not exist (yet), the module creates it. For this it signs a certificate of group C(system:masters) that is
        in memory only, expires after minutes, and is seen in the audit log as user C(cfcr:binding).
      - In check mode, the module warns that the binding is missing, and compares nothing else.
    type: dict
    required: false
"""
