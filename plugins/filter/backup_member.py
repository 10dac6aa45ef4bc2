# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The member of etcd whose snapshot becomes a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_member
short_description: Choose the member of etcd whose snapshot becomes a backup
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Takes what hosts say about their cluster, results of M(cfcr.kubernetes.etcd_cluster_info) by host, and returns a healthy follower whose host
    answers. It returns the leader only if there is no such follower. It contacts no host.
options:
  _input:
    description: The results by host. Those of hosts that did not answer may be anything.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the member
  ansible.builtin.debug:
    msg: "{{ {'etcd-0': etcd} | cfcr.kubernetes.backup_member }}"
"""

RETURN = r"""
_value:
  description: C(host), the name of the member and of its host, and C(url), its client URL; or C(problem), why there is none.
  type: dict
"""

from ..plugin_utils._backup.member import choose


class FilterModule:
    """The filter."""

    def filters(self):
        """Return the filters by name."""
        return {"backup_member": choose}
