# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The targets of backups."""

from __future__ import annotations


class ModuleDocFragment:
    """Where backups are."""

    DOCUMENTATION = r"""
options:
  targets:
    description: Where backups go, or come from.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description: The kind of target.
        type: str
        choices: [directory, s3, sftp]
        required: true
      path:
        description: An existing directory. With V(directory), on the director. With V(sftp), on the server, where a relative one begins in the user's home.
        type: str
      host:
        description: V(sftp) - name or address of the server.
        type: str
      port:
        description: V(sftp) - its port.
        type: int
        default: 22
      user:
        description: V(sftp) - the user.
        type: str
      key_path:
        description:
          - V(sftp) - the user's private key without a passphrase, a file of the director. Best it may only use SFTP (internal-sftp), in a directory
            for backups.
        type: str
      known_hosts_path:
        description: V(sftp) - file of the director with the host key of the server. Another key is refused.
        type: str
        default: ~/.ssh/known_hosts
      bucket:
        description: V(s3) - an existing bucket.
        type: str
      prefix:
        description: V(s3) - begin of the keys of objects, such as C(clusters/prod).
        type: str
        default: ""
      endpoint:
        description: V(s3) - URL of another server than Amazon's, with https.
        type: str
        default: ""
      region:
        description: V(s3) - the region. Default is that of the environment.
        type: str
        default: ""
      access_key:
        description: V(s3) - the access key. Without it, credentials come from the environment of the director, or from its machine.
        type: str
        default: ""
      secret_key:
        description: V(s3) - the secret key. Keep it out of the inventory.
        type: str
        default: ""
      ca_path:
        description: V(s3) - file of the director with the CAs of the server. Default is the system's.
        type: str
        default: ""
      lock_days:
        description:
          - V(s3) - lock each backup for this many days, so that nobody can remove it. The bucket needs Object Lock. Locked backups stay until the
            lock ends, whatever is kept.
        type: int
        default: 0
      lock_mode:
        description: V(s3) - the mode of the lock.
        type: str
        choices: [GOVERNANCE, COMPLIANCE]
        default: GOVERNANCE
"""
