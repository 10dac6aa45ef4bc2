# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import subprocess

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import x509 as x509_module
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.certificate import wanted_names
from cryptography import x509

NOW = x509_module.now().replace(microsecond=0)
DAY = datetime.timedelta(days=1)


def names_of(common_name, organizations, alternative_names, usages):
    return wanted_names(
        {"common_name": common_name, "organizations": organizations, "alternative_names": alternative_names, "usages": usages}
    )


def authority(name="etcd", days=3650, key_type="ecdsa-p256"):
    key = x509_module.new_private_key(key_type)
    return x509_module.Authority(name, (x509_module.new_authority(name, days, key, NOW),)), key


def public_key(key_type="ecdsa-p256"):
    return x509_module.read_public_key(x509_module.public_half(x509_module.new_private_key(key_type)))


def extension(pem, kind):
    return x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(kind)


@pytest.mark.parametrize("of_authority", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
@pytest.mark.parametrize("of_leaf", ["ecdsa-p256", "rsa-2048"])
def test_openssl_accepts_signed_certificates(of_authority, of_leaf, tmp_path):
    ca, key = authority(key_type=of_authority)
    names = names_of("", [], ["10.0.0.1", "a.b"], ["server_auth", "client_auth"])
    (tmp_path / "ca.crt").write_text(ca.bundle())
    (tmp_path / "a.crt").write_text(x509_module.sign(names, public_key(of_leaf), 365, ca, key, NOW))
    for checks in (
        ["-purpose", "sslserver", "-verify_ip", "10.0.0.1"],
        ["-purpose", "sslserver", "-verify_hostname", "a.b"],
        ["-purpose", "sslclient"],
    ):
        command = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", *checks, "a.crt"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "a.crt: OK\n"


def test_a_certificate_has_the_requested_names():
    ca, key = authority()
    names = names_of("system:node:10.0.0.1", ["system:nodes", "b"], ["10.0.0.1", "2001:db8::1", "a.b"], ["client_auth"])
    leaf = public_key()
    actual = x509_module.read(x509_module.sign(names, leaf, 30, ca, key, NOW), ca)
    assert actual.names == names
    assert (actual.issuer, actual.key, actual.not_after) == (ca.issuer(), x509_module.key_name(leaf), NOW + 30 * DAY)


def test_extensions():
    ca, key = authority()
    anonymous = x509_module.sign(names_of("", [], ["a.b"], ["server_auth"]), public_key("rsa-2048"), 365, ca, key, NOW)
    named = x509_module.sign(names_of("a", [], ["a.b"], ["client_auth"]), public_key(), 365, ca, key, NOW)
    assert extension(anonymous, x509.SubjectAlternativeName).critical
    assert not extension(named, x509.SubjectAlternativeName).critical
    assert not extension(named, x509.BasicConstraints).value.ca
    assert extension(anonymous, x509.KeyUsage).value.key_encipherment
    assert not extension(named, x509.KeyUsage).value.key_encipherment
    assert extension(ca.certificate(), x509.BasicConstraints).value == x509.BasicConstraints(ca=True, path_length=0)
    usage = extension(ca.certificate(), x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    identifier = extension(ca.certificate(), x509.SubjectKeyIdentifier).value.digest
    assert extension(named, x509.AuthorityKeyIdentifier).value.key_identifier == identifier


def test_a_certificate_is_backdated_and_expires_with_its_authority():
    ca, key = authority(days=10)
    certificate = x509.load_pem_x509_certificate(
        x509_module.sign(names_of("a", [], [], ["client_auth"]), public_key(), 365, ca, key, NOW).encode()
    )
    assert certificate.not_valid_before_utc == NOW - datetime.timedelta(minutes=5)
    assert certificate.not_valid_after_utc == ca.not_after() == NOW + 10 * DAY


def test_an_expired_authority_does_not_sign():
    ca, key = authority(days=10)
    with pytest.raises(HostError, match="CA etcd expired at"):
        x509_module.sign(names_of("a", [], [], ["client_auth"]), public_key(), 365, ca, key, NOW + 11 * DAY)


def test_an_authority_does_not_sign_with_the_key_of_another():
    with pytest.raises(HostError, match="does not match"):
        x509_module.sign(names_of("a", [], [], ["client_auth"]), public_key(), 365, authority()[0], authority()[1], NOW)


def test_the_authority_is_identified_by_its_signature():
    (ca, key), (impostor, _key) = authority(), authority()
    pem = x509_module.sign(names_of("a", [], [], ["client_auth"]), public_key(), 365, ca, key, NOW)
    assert x509_module.read(pem, ca).issuer == ca.issuer()
    assert x509_module.read(pem, impostor).issuer != impostor.issuer()


def test_both_authorities_are_trusted_during_a_replacement():
    (old, old_key), (new, new_key) = authority(), authority()
    phases = [x509_module.Authority("etcd", old.certificates + new.certificates, signing) for signing in (0, 1)]
    leaf = public_key()
    names = names_of("a", [], [], ["client_auth"])
    by_old, by_new = (x509_module.sign(names, leaf, 365, phase, key, NOW) for phase, key in zip(phases, (old_key, new_key)))
    assert phases[0].bundle() == phases[1].bundle() == old.bundle() + new.bundle()
    assert [x509_module.read(by_old, phase).issuer == phase.issuer() for phase in phases] == [True, False]
    assert [x509_module.read(by_new, phase).issuer == phase.issuer() for phase in phases] == [False, True]
    assert len(x509_module.describe(phases[0].bundle())) == 2


def test_damaged_certificates_and_cas_are_not_read():
    ca, key = authority()
    pem = x509_module.sign(names_of("a", [], [], ["client_auth"]), public_key(), 365, ca, key, NOW)
    for text in (None, "", pem[:-40], pem[: len(pem) // 2], pem + "x", "\0" * 900, ca.certificate()):
        assert x509_module.read(text, ca) is None
