# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real kube-apiserver on a real etcd, on loopback, for the tests of clients of the Kubernetes API."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import pathlib
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from _etcd import ARTIFACTS, VERSIONS, free_ports
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

START_SECONDS = 60


@pytest.fixture(scope="session")
def apiserver_program(tmp_path_factory) -> pathlib.Path:
    """Return the API server's program from the local artifacts."""
    found = ARTIFACTS / f"kube-apiserver/{VERSIONS['kubernetes']}/amd64/kube-apiserver"
    if not found.exists():
        pytest.skip(f"kube-apiserver {VERSIONS['kubernetes']} is not below {ARTIFACTS}; build the artifacts first")
    program = tmp_path_factory.mktemp("kube-apiserver") / "kube-apiserver"
    shutil.copyfile(found, program)
    program.chmod(0o755)
    return program


class Pair:
    """A private key and its certificate, both in PEM, signed by another pair or self-signed.

    It has the extensions that RFC 5280 wants of a CA, which Python 3.13 checks.
    """

    def __init__(self, name: str, organization: str = "cfcr", issuer: Pair | None = None) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name(
            [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]
        )
        now = datetime.datetime.now(datetime.timezone.utc)
        public, authority = self.private.public_key(), (issuer or self).private.public_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name((issuer or self).subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(_key_usage(issuer is None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            .sign((issuer or self).private, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        self.key = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )

    def write(self, path: pathlib.Path) -> tuple[str, str]:
        """Write path.crt and path.key and return both paths."""
        for suffix, content in ((".crt", self.certificate), (".key", self.key)):
            path.with_suffix(suffix).write_bytes(content)
        return f"{path}.crt", f"{path}.key"


def _key_usage(is_authority: bool) -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(digital_signature=True, key_cert_sign=is_authority, **dict.fromkeys(others, False))


def kubeconfig(path: pathlib.Path, port: int, authority: Pair, user: Pair) -> str:
    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": encoded(authority.certificate)}
    credential = {"client-certificate-data": encoded(user.certificate), "client-key-data": encoded(user.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": credential}],
    }
    path.write_text(json.dumps(config))
    return str(path)


class ApiServer:
    """The processes of etcd and of the API server, which can be stopped and started."""

    def __init__(self, directory: pathlib.Path, program: pathlib.Path, etcd_program: pathlib.Path) -> None:
        self.directory = directory
        self.port, client, peer = free_ports(3)
        self.authority = authority = Pair("authority")
        authority_path, _key = authority.write(directory / "ca")
        server, server_key = Pair("kube-apiserver", issuer=authority).write(directory / "server")
        _certificate, account_key = Pair("service-account").write(directory / "service-account")
        self.kubeconfig = kubeconfig(directory / "kubeconfig", self.port, authority, Pair("admin", "system:masters", authority))
        self._tls = ssl.create_default_context(cafile=authority_path)
        etcd = {
            "data-dir": directory / "etcd",
            "listen-client-urls": f"http://127.0.0.1:{client}",
            "advertise-client-urls": f"http://127.0.0.1:{client}",
            "listen-peer-urls": f"http://127.0.0.1:{peer}",
            "unsafe-no-fsync": "true",
        }
        self._command = [str(program)] + _flags(
            {
                "etcd-servers": f"http://127.0.0.1:{client}",
                "bind-address": "127.0.0.1",
                "secure-port": self.port,
                "tls-cert-file": server,
                "tls-private-key-file": server_key,
                "client-ca-file": authority_path,
                "authorization-mode": "RBAC",
                "service-account-issuer": "https://kubernetes.default.svc",
                "service-account-key-file": account_key,
                "service-account-signing-key-file": account_key,
                "service-cluster-ip-range": "10.100.0.0/16",
            }
        )
        self._log = open(directory / "log", "wb")  # noqa: SIM115 - closed in close()
        self._etcd = subprocess.Popen([str(etcd_program), *_flags(etcd)], stdout=self._log, stderr=self._log)
        self._server: subprocess.Popen | None = None

    def start(self) -> None:
        self._server = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)

    def await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/readyz", context=self._tls, timeout=2):
                    return
            except (OSError, urllib.error.URLError) as error:
                if time.monotonic() > deadline or self._server.poll() is not None:
                    raise AssertionError(f"{error}\n{(self.directory / 'log').read_text()[-4000:]}") from error
            time.sleep(0.1)

    def stop(self) -> None:
        if self._server:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def close(self) -> None:
        self.stop()
        self._etcd.terminate()
        self._etcd.wait()
        self._log.close()


def _flags(options: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory, apiserver_program, etcd_programs):
    """Return the running API server of the session. A test that stops it starts it again."""
    server = ApiServer(tmp_path_factory.mktemp("apiserver"), apiserver_program, etcd_programs / "etcd")
    try:
        server.start()
        server.await_ready()
        yield server
    finally:
        server.close()
