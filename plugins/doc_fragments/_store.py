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
    description: The credential store.
    type: dict
    required: true
    suboptions:
      backend:
        description: Whether it is a directory of the host that the module runs on, or a path in HashiCorp Vault or OpenBao.
        type: str
        choices: [local, vault]
        default: local
      passphrase:
        description:
          - Opens and encrypts the secrets of the store (AES-256-GCM, a key derived by scrypt). Whether a store is encrypted is
            decided by the first run that writes to it.
          - Without it, secrets are protected by the permissions of the directory, or by Vault, alone.
        type: str
      versions:
        description: Versions of each record that are kept.
        type: int
        default: 10
      directory:
        description: The directory. Required for O(store.backend=local).
        type: path
      vault:
        description:
          - Where in Vault it is, and how one gets in. Required for O(store.backend=vault).
          - Environment variables are those of where the module runs, which is the controller where the director is the controller.
        type: dict
        suboptions:
          address:
            description: URL of the server, https unless it is a loopback address. Defaults to environment variable E(VAULT_ADDR).
            type: str
          namespace:
            description: Namespace. Defaults to environment variable E(VAULT_NAMESPACE).
            type: str
          ca_path:
            description:
              - File of the authorities that the server's certificate is verified with. Defaults to environment variable E(VAULT_CACERT), and else
                to those of the system.
            type: path
          mount:
            description: Where the secrets engine, KV version 2, is mounted.
            type: str
            default: secret
          path:
            description: Path below the mount, the store's own. Required.
            type: str
          token:
            description: Token to log in with. Defaults to environment variable E(VAULT_TOKEN).
            type: str
          role_id:
            description: AppRole to log in with where there is no token. Defaults to environment variable E(VAULT_ROLE_ID).
            type: str
          secret_id:
            description: Secret of the AppRole. Defaults to environment variable E(VAULT_SECRET_ID).
            type: str
          auth_mount:
            description: Where the authentication method AppRole is mounted.
            type: str
            default: approle
          timeout:
            description: Seconds that an answer may take.
            type: int
            default: 10
requirements:
  - cryptography (Debian package python3-cryptography)
  - hvac 2.0 or later, for O(store.backend=vault)
"""
