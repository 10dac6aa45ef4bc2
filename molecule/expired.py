# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let all certificates of a cluster expire, as if it had slept for a year: on its hosts, in the store of the controller, and in the API."""

from __future__ import annotations

import base64
import datetime
import json
import pathlib
import typing as t

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from points import look
from scenario import DIRECTORY, addresses, kubectl, on

STORE = DIRECTORY / "store"


def expire_all() -> None:
    """Replace all certificates, and restart what uses them."""
    authorities = list(map(_authority, sorted((STORE / "authorities").glob("*.json"))))
    for credential in ("metrics-server", "admin", "health"):
        _expire_credential(STORE / f"credentials/{credential}.json", authorities)
    hosts = {name: look(name) for name in addresses()}
    for name, host in hosts.items():
        for path, pem in host["certificates"].items():
            on(name, "sh", "-c", f"cat > {path}", input=_expired(pem, authorities))
    for name, host in hosts.items():
        # Some units cannot start any more.
        on(name, "systemctl", "restart", "--no-block", *host["units"])


def _authority(path: pathlib.Path) -> tuple[x509.Certificate, t.Any]:
    """Return the certificate and the key with which a CA signs."""
    newest = json.loads(path.read_text(encoding="utf-8"))["versions"][-1]
    signing = newest["public"]["signing"]
    certificate, key = newest["public"]["certificates"][signing], newest["secret"]["private_keys"][signing]
    return x509.load_pem_x509_certificate(certificate.encode()), serialization.load_pem_private_key(key.encode(), None)


def _expire_credential(path: pathlib.Path, authorities: list[tuple[x509.Certificate, t.Any]]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    public = document["versions"][-1]["public"]
    public["certificate"] = _expired(public["certificate"], authorities)
    data = base64.b64encode(public["certificate"].encode()).decode()
    if path.stem == "metrics-server":
        kubectl("patch", "secret", "--namespace=kube-system", "metrics-server-tls", "--patch", json.dumps({"data": {"tls.crt": data}}))
    else:
        kubeconfig = DIRECTORY / "kubeconfig" if path.stem == "admin" else STORE / f"{path.stem}.kubeconfig"
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        config["users"][0]["user"]["client-certificate-data"] = data
        kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
    path.write_text(json.dumps(document), encoding="utf-8")


def _expired(pem: str, authorities: list[tuple[x509.Certificate, t.Any]]) -> str:
    """Return the same certificate of the same CA, with a validity that has ended."""
    found = x509.load_pem_x509_certificate(pem.encode())
    authority, key = next((certificate, key) for certificate, key in authorities if certificate.subject == found.issuer)
    ended = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(
        found.issuer, found.subject, found.public_key(), x509.random_serial_number(), ended - datetime.timedelta(days=365), ended, list(found.extensions)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
