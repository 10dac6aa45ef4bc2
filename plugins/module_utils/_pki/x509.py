# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""X.509 with the library cryptography (director only): read and sign certificates, create keys and CAs."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import ipaddress
import traceback
import typing as t

from .._errors import HostError
from .._timestamp import to_timestamp
from .certificate import Certificate, Names, expiry

CRYPTOGRAPHY_ERROR = None
try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    CRYPTOGRAPHY_ERROR = traceback.format_exc()
else:
    _USAGES = {"server_auth": ExtendedKeyUsageOID.SERVER_AUTH, "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH}
    _CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}
    _CURVE_NAMES = {"secp256r1": "p256", "secp384r1": "p384"}

__all__ = (
    "CRYPTOGRAPHY_ERROR",
    "Authority",
    "certificate_info",
    "describe",
    "key_name",
    "key_type",
    "new_authority",
    "new_private_key",
    "now",
    "public_half",
    "read",
    "read_public_key",
    "serial_number",
    "sign",
)

_BACKDATE = datetime.timedelta(minutes=5)  # tolerates small differences between the clocks of hosts


@dataclasses.dataclass(frozen=True)
class Authority:
    """The certificates of a CA: all are trusted, one signs."""

    name: str
    certificates: tuple[str, ...]
    signing: int = 0
    rotation: str = ""  # its phase, if it is being rotated

    def bundle(self) -> str:
        """Return the CA bundle; it has two certificates during a rotation."""
        return "".join(self.certificates)

    def certificate(self) -> str:
        """Return the certificate of the key that signs."""
        return self.certificates[self.signing]

    def issuer(self) -> str:
        """Return the issuer in the plain value of the certificates that it signs."""
        return _issuer(x509.load_pem_x509_certificate(self.certificate().encode()))

    def has_signed(self, pem: str) -> bool:
        """Return whether the CA has signed a certificate."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        signers = (x509.load_pem_x509_certificate(signer.encode()) for signer in self.certificates)
        return any(_is_of(certificate, signer) for signer in signers)

    def not_after(self) -> datetime.datetime:
        """Return when the signing certificate expires."""
        return _not_after(x509.load_pem_x509_certificate(self.certificate().encode()))


def now() -> datetime.datetime:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def new_private_key(key_type: str) -> str:
    """Return a new private key: PKCS #8 in PEM."""
    kind, size = key_type.split("-")
    key = rsa.generate_private_key(public_exponent=65537, key_size=int(size)) if kind == "rsa" else ec.generate_private_key(_CURVES[size]())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def public_half(private_key: str) -> str:
    """Return the public key of a private key, both in PEM."""
    return _pem(_load_private_key(private_key).public_key())


def read_public_key(encoded: str):
    """Return a public key in PEM or, from a host, in base64 of DER."""
    try:
        if encoded.startswith("-----BEGIN"):
            return serialization.load_pem_public_key(encoded.encode())
        return serialization.load_der_public_key(base64.b64decode(encoded))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise HostError(f"not a public key: {error}") from error


def key_type(public_key) -> str:
    """Return the type of a key, as in the option key_type."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"rsa-{public_key.key_size}"
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return f"ecdsa-{_CURVE_NAMES.get(public_key.curve.name, public_key.curve.name)}"
    return type(public_key).__name__


def key_name(public_key) -> str:
    """Return type and fingerprint of a key for a diff."""
    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"{key_type(public_key)} SHA256:{hashlib.sha256(der).hexdigest()[:32]}"


def read(pem: str | None, authority: Authority | None) -> Certificate | None:
    """Return the certificate in a file; None if it is damaged, a CA, or not the only content."""
    try:
        certificate = x509.load_pem_x509_certificate((pem or "").encode())
        if certificate.public_bytes(serialization.Encoding.PEM).decode() != pem:
            return None
        extensions = {extension.oid: extension.value for extension in certificate.extensions}
        constraints = extensions.get(x509.BasicConstraints.oid)
        if constraints is not None and constraints.ca:
            return None
        names = Names(
            common_name="".join(_attributes(certificate.subject, NameOID.COMMON_NAME)),
            organizations=tuple(sorted(_attributes(certificate.subject, NameOID.ORGANIZATION_NAME))),
            alternative_names=tuple(sorted(str(name.value) for name in extensions.get(x509.SubjectAlternativeName.oid, ()))),
            usages=tuple(sorted(_usage(oid) for oid in extensions.get(x509.ExtendedKeyUsage.oid, ()))),
        )
        return Certificate(names, _issuer_of(certificate, authority), key_name(certificate.public_key()), _not_after(certificate))
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def describe(bundle: str | None) -> list[str]:
    """Return a line for each CA in a bundle, for a diff."""
    lines = []
    for pem in (bundle or "").split("-----END CERTIFICATE-----\n")[:-1]:
        try:
            certificate = x509.load_pem_x509_certificate(f"{pem}-----END CERTIFICATE-----\n".encode())
        except ValueError:
            lines.append("unreadable")
        else:
            lines.append(f"{_issuer(certificate)} until {to_timestamp(_not_after(certificate))}")
    return lines


def certificate_info(pem: str) -> dict[str, str]:
    """Return the facts of a certificate for people."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "key": key_name(certificate.public_key()),
        "not_before": to_timestamp(_not_before(certificate)),
        "not_after": to_timestamp(_not_after(certificate)),
    }


def serial_number(pem: str) -> str:
    """Return the serial number of a certificate in hexadecimal digits."""
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:x}"


def new_authority(common_name: str, days: int, private_key: str, at: datetime.datetime) -> str:
    """Return a self-signed certificate of a CA that cannot sign further CAs."""
    key = _load_private_key(private_key)
    name = _name(common_name, ())
    builder = (
        _builder(name, name, key.public_key(), at - _BACKDATE, at + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _sign(builder, key)


def sign(names: Names, public_key, days: int, authority: Authority, authority_key: str, at: datetime.datetime) -> str:
    """Return a new certificate of a service or a user."""
    issuer = x509.load_pem_x509_certificate(authority.certificate().encode())
    if _not_after(issuer) <= at:
        raise HostError(f"CA {authority.name} expired at {_not_after(issuer):%Y-%m-%d %H:%M}; replace it first")
    key = _load_private_key(authority_key)
    if _pem(key.public_key()) != _pem(issuer.public_key()):
        raise HostError(f"CA {authority.name}: its private key does not match its certificate; restore the store from a backup")
    subject = _name(names.common_name, names.organizations)
    encipherment = isinstance(public_key, rsa.RSAPublicKey) and "server_auth" in names.usages
    builder = (
        _builder(subject, issuer.subject, public_key, max(at - _BACKDATE, _not_before(issuer)), expiry(at, days, _not_after(issuer)))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_encipherment=encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGES[usage] for usage in names.usages]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
    )
    if names.alternative_names:
        alternative = x509.SubjectAlternativeName([_general_name(name) for name in names.alternative_names])
        builder = builder.add_extension(alternative, critical=not list(subject))
    return _sign(builder, key)


def _builder(subject, issuer, public_key, not_before, not_after):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _sign(builder, key) -> str:
    return builder.sign(key, _hash(key)).public_bytes(serialization.Encoding.PEM).decode()


def _hash(key):
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp384r1" else hashes.SHA256()


def _name(common_name: str, organizations: t.Iterable[str]):
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    if common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def _general_name(name: str):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(**usages: bool):
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: usages.get(name, False) for name in names})


def _attributes(name, oid) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


def _usage(oid) -> str:
    return next((usage for usage, known in _USAGES.items() if known == oid), oid.dotted_string)


def _issuer(authority) -> str:
    return f"{authority.subject.rfc4514_string()} {key_name(authority.public_key())}"


def _issuer_of(certificate, authority: Authority | None) -> str:
    """Return the name of the issuer, with its key if the CA signed the certificate."""
    for pem in authority.certificates if authority else ():
        candidate = x509.load_pem_x509_certificate(pem.encode())
        if _is_of(certificate, candidate):
            return _issuer(candidate)
    return certificate.issuer.rfc4514_string()


def _is_of(certificate, authority) -> bool:
    return certificate.issuer == authority.subject and _signed_by(certificate, authority.public_key())


def _signed_by(certificate, public_key) -> bool:
    algorithm = certificate.signature_hash_algorithm
    scheme = (padding.PKCS1v15(), algorithm) if isinstance(public_key, rsa.RSAPublicKey) else (ec.ECDSA(algorithm),)
    try:
        public_key.verify(certificate.signature, certificate.tbs_certificate_bytes, *scheme)
    except (InvalidSignature, TypeError):  # TypeError: signed with another kind of key
        return False
    return True


def _not_after(certificate) -> datetime.datetime:
    # cryptography 42 added the attribute with a time zone; Debian 12 has 38.
    value = getattr(certificate, "not_valid_after_utc", None)
    return value or certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc)


def _not_before(certificate) -> datetime.datetime:
    value = getattr(certificate, "not_valid_before_utc", None)
    return value or certificate.not_valid_before.replace(tzinfo=datetime.timezone.utc)


def _load_private_key(pem: str):
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HostError(f"not a private key: {error}") from error


def _pem(public_key) -> str:
    return public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
