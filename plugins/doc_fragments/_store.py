# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option store, in every module that works with the credential store."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents STORE of module_utils/_store/options.py."""

    DOCUMENTATION = r"""
options:
  store:
    description: The credential store.
    type: dict
    required: true
    suboptions:
      backend:
        description: Whether the store is a directory on the host that runs the module, or a path in HashiCorp Vault or OpenBao.
        type: str
        choices: [local, vault]
        default: local
      passphrase:
        description:
          - Encrypts the secrets of the store (AES-256-GCM, with a key that scrypt derives). The first run that writes to a store decides
            whether it is encrypted. A wrong passphrase is an error.
          - Without it, only the permissions of the directory, or Vault, protect the secrets.
        type: str
      versions:
        description: Number of versions of each record to keep, 1 or more.
        type: int
        default: 10
      directory:
        description: The directory. Required for O(store.backend=local).
        type: path
      vault:
        description:
          - Location of the store in Vault, and the login. Required for O(store.backend=vault).
          - Unset options come from Vault's environment variables on the director (or of C(ansible-playbook), if the controller is the director).
        type: dict
        suboptions:
          address:
            description: URL of the server, https unless it is a loopback address. Defaults to the environment variable E(VAULT_ADDR).
            type: str
          namespace:
            description: Namespace. Defaults to the environment variable E(VAULT_NAMESPACE).
            type: str
          ca_path:
            description:
              - File with the CAs that verify the certificate of the server. Defaults to the environment variable E(VAULT_CACERT), or else to the
                CAs of the system.
            type: path
          mount:
            description: Mount of the secrets engine KV version 2.
            type: str
            default: secret
          path:
            description: Path of the store in the mount, used for nothing else. Required.
            type: str
          token:
            description: Token for the login. Defaults to the environment variable E(VAULT_TOKEN).
            type: str
          role_id:
            description: AppRole for the login if there is no token. Defaults to the environment variable E(VAULT_ROLE_ID).
            type: str
          secret_id:
            description: Secret ID of the AppRole. Defaults to the environment variable E(VAULT_SECRET_ID).
            type: str
          auth_mount:
            description: Mount of the authentication method AppRole.
            type: str
            default: approle
          timeout:
            description: Seconds to wait for an answer of Vault.
            type: int
            default: 10
requirements:
  - cryptography (Debian package python3-cryptography)
  - hvac 2.0 or later, for O(store.backend=vault)
"""
