#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_archive
short_description: Merge the logs of hosts into one archive on the controller
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Writes one tar.gz on the controller with a directory for each host. Only the user that runs Ansible may read it.
  - A host may be compromised, so the module accepts only archives that M(cfcr.kubernetes.host_logs) could have made. It refuses an archive that is
    damaged, has extended tar headers, sparse files or two files of the same name, or exceeds 32 MiB, 200 MB unpacked or 10,000 files. It still writes
    the archives of all other hosts. Check RV(refused) after this module.
  - It takes only names and contents of plain files. It leaves out links and devices, and puts every file below the directory of its host, whatever
    the name of the file is.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: The logs are different each time.
options:
  hosts:
    description: RV(cfcr.kubernetes.host_logs#module:archive) of M(cfcr.kubernetes.host_logs) by host; empty for a host that did not answer.
    type: dict
    required: true
  dest:
    description: The file to write.
    type: path
    required: true
seealso:
  - module: cfcr.kubernetes.host_logs
"""

EXAMPLES = r"""
- name: Write the archive
  cfcr.kubernetes.log_archive:
    hosts: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, ['logs', 'archive']))) }}"
    dest: logs.tar.gz
  register: logs_archive
  run_once: true

- name: Fail if the archive of a host was refused
  ansible.builtin.assert:
    that: logs_archive.refused == {}
    fail_msg: "{{ logs_archive.refused }}"
  run_once: true
"""

RETURN = r"""
dest:
  description: Absolute path of the archive.
  returned: success
  type: str
  sample: /home/me/cfcr-logs.tar.gz
files:
  description: Number of files in the archive.
  returned: success
  type: int
  sample: 214
missing:
  description: Hosts that did not answer.
  returned: success
  type: list
  elements: str
  sample: [worker-0]
refused:
  description: Reasons for refused archives, by host. The merged archive has no files of these hosts.
  returned: success
  type: dict
  sample: {worker-1: found a truncated tar file}
"""
