# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for Vault, served over TLS in this process."""

from __future__ import annotations

import pathlib
import ssl
import sys
import typing as t

import pytest
from _http import serving
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.certificate import Names
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.x509 import (
    Authority,
    new_authority,
    new_private_key,
    now,
    public_half,
    read_public_key,
    sign,
)

sys.path.append(str(pathlib.Path(__file__).parents[1] / "standins"))

from vault import Vault

__all__ = ("Served", "vault", "vault_pki")


class Served(t.NamedTuple):
    """A running Vault, and the options to reach it."""

    state: Vault
    options: dict[str, t.Any]

    def store(self, **changes: t.Any) -> dict[str, t.Any]:
        """Return a value for option store."""
        return {"backend": "vault", "vault": {**self.options, **changes}}


@pytest.fixture(scope="session")
def vault_pki(tmp_path_factory) -> pathlib.Path:
    """Return a directory with the server's key and certificate, its CA as ca.crt, and another CA as other.crt."""
    directory = tmp_path_factory.mktemp("vault")
    for name in ("ca", "other"):
        key = new_private_key("ecdsa-p256")
        authority = Authority(name, (new_authority(name, 2, key, now()),))
        (directory / f"{name}.crt").write_text(authority.certificate())
        if name == "ca":
            own = new_private_key("ecdsa-p256")
            names = Names("", (), ("127.0.0.1",), ("server_auth",))
            certificate = sign(names, read_public_key(public_half(own)), 1, authority, key, now())
            (directory / "vault.pem").write_text(own + certificate)
    return directory


@pytest.fixture
def vault(vault_pki, monkeypatch) -> t.Iterator[Served]:
    """Serve a Vault for one test, without the Vault environment variables of the user."""
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_CACERT", "VAULT_ROLE_ID", "VAULT_SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    state = Vault("hvs.own")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(vault_pki / "vault.pem")
    with serving(state.handler(), context) as address:
        yield Served(state, {"address": address, "ca_path": str(vault_pki / "ca.crt"), "path": "cfcr/test", "token": "hvs.own"})
