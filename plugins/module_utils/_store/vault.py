# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backend in HashiCorp Vault or OpenBao, secrets engine KV version 2: one secret for each document."""

from __future__ import annotations

import importlib.metadata
import sys
import traceback
import typing as t
import urllib.parse

from ansible.module_utils.basic import env_fallback

from .._errors import HostError
from .store import Conflict, Document

__all__ = ("VAULT", "VaultBackend")

VAULT: dict[str, t.Any] = {
    "address": {"type": "str", "fallback": (env_fallback, ["VAULT_ADDR"])},
    "namespace": {"type": "str", "fallback": (env_fallback, ["VAULT_NAMESPACE"])},
    "ca_path": {"type": "path", "fallback": (env_fallback, ["VAULT_CACERT"])},
    "mount": {"type": "str", "default": "secret"},
    "path": {"type": "str"},
    "token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["VAULT_TOKEN"])},
    "role_id": {"type": "str", "fallback": (env_fallback, ["VAULT_ROLE_ID"])},
    "secret_id": {"type": "str", "no_log": True, "fallback": (env_fallback, ["VAULT_SECRET_ID"])},
    "auth_mount": {"type": "str", "default": "approle"},
    "timeout": {"type": "int", "default": 10},
}

_CONFLICT = "check-and-set parameter did not match"
_HVAC_EXPECTED = f"expected 2.0 or later, which the store in Vault needs: {sys.executable} -m pip install 'hvac>=2.0'"
_NO_MOUNT = "no handler for route"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class VaultBackend:
    """A path in a mount of KV version 2."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self._options = vault = options["vault"]
        self._kept_versions = options["versions"]
        url = urllib.parse.urlsplit(vault["address"] or "")
        if not url.hostname or url.scheme != "https" and url.hostname not in _LOOPBACK:
            raise HostError(f"store.vault.address: found {vault['address'] or 'none'}, expected an https:// URL here or in VAULT_ADDR")
        if not (vault["path"] or "").strip("/"):
            raise HostError("store.vault.path: found none, expected the path of the store")
        if not vault["token"] and not (vault["role_id"] and vault["secret_id"]):
            raise HostError("store.vault: found no login, expected token (VAULT_TOKEN), or role_id and secret_id (VAULT_ROLE_ID, VAULT_SECRET_ID)")
        self._path = vault["path"].strip("/")
        self._client: t.Any = None

    def __str__(self) -> str:
        return f"{self._options['address']} {self._options['mount']}/{self._path}"

    def where(self, name: str) -> str:
        return f"{self}/{name}"

    def names(self, kind: str) -> list[str]:
        answer = self._ask("list", kind, lambda kv, at: kv.list_secrets(**at))
        return sorted(name for name in answer["data"]["keys"] if not name.endswith("/")) if answer else []

    def read(self, name: str) -> Document | None:
        return self._read(name)

    def history(self, name: str) -> list[Document]:
        answer = self._ask("read", name, lambda kv, at: kv.read_secret_metadata(**at))
        versions = answer["data"]["versions"] if answer else {}
        kept = sorted(int(number) for number, version in versions.items() if not version["deletion_time"] and not version["destroyed"])
        return [document for document in (self._read(name, number) for number in kept[-self._kept_versions :]) if document]

    def write(self, name: str, content: dict[str, t.Any], version: int) -> None:
        settings = {"max_versions": self._kept_versions, "cas_required": True}
        self._ask("write", name, lambda kv, at: kv.update_metadata(**settings, **at))
        answer = self._ask("write", name, lambda kv, at: kv.create_or_update_secret(secret=content, cas=version, **at))
        try:
            written = answer["data"]["version"]
        except (TypeError, KeyError) as error:
            raise self._not_version_2() from error
        if written != version + 1:
            raise HostError(
                f"{self.where(name)}: found version {written} after the write, expected {version + 1}; destroy it, and find out who else writes here"
            )

    def _read(self, name: str, version: int | None = None) -> Document | None:
        at_version = {"version": version, "raise_on_deleted_version": False}
        answer = self._ask("read", name, lambda kv, at: kv.read_secret_version(**at_version, **at))
        if answer is None:
            return None
        try:
            content, metadata = answer["data"]["data"], answer["data"]["metadata"]
        except (TypeError, KeyError) as error:
            raise self._not_version_2() from error
        if content is None:
            raise HostError(
                f"{self.where(name)}: version {metadata['version']} was deleted in Vault; undelete it, or delete its metadata to have the secret "
                "recreated"
            )
        return Document(metadata["version"], content)

    def _ask(self, what: str, name: str, call: t.Callable[[t.Any, dict[str, str]], t.Any]) -> t.Any:
        """Return the answer to a request, None if there is nothing of this name."""
        client, exceptions = self._connect()
        where = self.where(name)
        try:
            answer = call(client.secrets.kv.v2, {"path": f"{self._path}/{name}", "mount_point": self._options["mount"]})
            self._refuse_redirect(answer)
            return answer
        except exceptions.InvalidPath as error:
            if _NO_MOUNT in str(error):
                raise HostError(f"{self}: Vault has no secrets engine at the mount {self._options['mount']}") from error
            # A deleted or destroyed version has an answer with its metadata.
            return error.json if (error.json or {}).get("data") else None
        except exceptions.InvalidRequest as error:
            if _CONFLICT in str(error):
                raise Conflict(name) from error
            raise HostError(f"{where}: Vault refuses to {what} it: {_reason(error)}") from error
        except exceptions.Forbidden as error:
            raise HostError(f"{where}: Vault forbids to {what} it: {_reason(error)}. Is the token valid, and does its policy allow it?") from error
        except (exceptions.VaultError, OSError) as error:
            raise self._failed(error, exceptions) from error

    def _connect(self) -> tuple[t.Any, t.Any]:
        """Return a client that is logged in, and the module of its exceptions."""
        try:
            import hvac  # not at the top of the file: it takes 0.15 seconds, which other backends save
            import hvac.exceptions
        except ImportError as error:
            # The traceback comes first: preflight shows the last line.
            raise HostError(
                f"{traceback.format_exc()}\nfound no library hvac in the Python of the director ({sys.executable}), {_HVAC_EXPECTED}"
            ) from error
        if self._client is None:
            found = importlib.metadata.version("hvac")
            if int(found.partition(".")[0]) < 2:
                raise HostError(f"found hvac {found} in the Python of the director ({sys.executable}), {_HVAC_EXPECTED}")
            options = self._options
            client = hvac.Client(
                url=options["address"],
                # With None hvac would use the token of the user's own login.
                token=options["token"] or "",
                namespace=options["namespace"],
                verify=options["ca_path"] or True,
                timeout=options["timeout"],
                allow_redirects=False,  # the other server would get the token
            )
            if not options["token"]:
                self._log_in(client, hvac.exceptions)
            self._client = client
        return self._client, hvac.exceptions

    def _log_in(self, client: t.Any, exceptions: t.Any) -> None:
        options = self._options
        try:
            login = {"role_id": options["role_id"], "secret_id": options["secret_id"], "mount_point": options["auth_mount"]}
            answer = client.auth.approle.login(**login, use_token=False)
            self._refuse_redirect(answer)
            client.token = answer["auth"]["client_token"]
        except (exceptions.InvalidRequest, exceptions.Forbidden, exceptions.InvalidPath) as error:
            raise HostError(f"{self}: Vault refuses the login with role_id and secret_id at auth/{options['auth_mount']}: {_reason(error)}") from error
        except (exceptions.VaultError, OSError) as error:
            raise self._failed(error, exceptions) from error

    def _refuse_redirect(self, answer: t.Any) -> None:
        if getattr(answer, "is_redirect", False):
            raise HostError(
                f"{self}: Vault redirects to {answer.headers['Location']}, expected an address that answers: of the active node, of a load "
                "balancer in front of it, or of a standby that forwards requests"
            )

    def _failed(self, error: Exception, exceptions: t.Any) -> HostError:
        """Return the reason why Vault does not answer."""
        if isinstance(error, exceptions.VaultDown):
            return HostError(f"{self}: Vault is sealed or not ready: {_reason(error)}")
        if isinstance(error, exceptions.VaultError):
            return HostError(f"{self}: Vault fails: {_reason(error)}")
        return HostError(f"{self}: Vault cannot be reached: {error}")

    def _not_version_2(self) -> HostError:
        return HostError(f"{self}: the secrets engine at the mount {self._options['mount']} is not KV version 2")


def _reason(error: t.Any) -> str:
    """Return the message of Vault."""
    return ", ".join(error.errors or ()) or error.text or type(error).__name__
