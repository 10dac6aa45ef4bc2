# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every module that works with the credential store."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the store is and how it is opened."""

    DOCUMENTATION = r"""
options:
  store:
    description: Directory of the credential store.
    type: path
    required: true
  passphrase:
    description:
      - Opens and encrypts the secrets of the store (AES-256-GCM, a key derived by scrypt). Whether a store is encrypted is
        decided by the first run that writes to it.
      - Without it, secrets are protected by their permissions alone.
    type: str
requirements:
  - cryptography (Debian package python3-cryptography)
"""
