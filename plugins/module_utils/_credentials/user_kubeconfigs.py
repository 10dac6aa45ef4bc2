# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubeconfigs of users: who may get one, the file, and the record of each certificate that was issued.

The file is the only place of the private key. The store has a record for each certificate, by its serial number and without secrets, so that the list
of what was issued is complete. A record is written before its file: no certificate exists that the list does not have.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
import os
import stat
import typing as t

from .._errors import HostError
from .._pki.bundle import fingerprints
from .._pki.certificate import MOST_CHARACTERS, Certificate, Names, expiry, reasons
from .._pki.keys import KEY_TYPES
from .._pki.x509 import key_name, new_private_key, now, public_half, read, read_public_key, serial_number, sign
from .._result import outcome
from .._store.options import STORE
from .._store.store import Store
from .._timestamp import from_timestamp, to_timestamp
from .authorities import authority_key, get_authority
from .kubeconfig import MODE, digest, self_contained, write

__all__ = ("SPEC", "check", "issue", "issued", "state_of")

SPEC: dict[str, t.Any] = {
    **STORE,
    "user": {"type": "str", "required": True},
    "groups": {"type": "list", "elements": "str", "default": []},
    "days": {"type": "int", "default": 30},
    "path": {"type": "path", "required": True},
    "cluster": {"type": "str", "required": True},
    "server": {"type": "str", "required": True},
    "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ecdsa-p256", "no_log": False},
}

_AUTHORITY = "kubernetes"
_MOST_DAYS = 365
_MOST_BYTES = 1 << 20
# Kubernetes gives permissions to names with the first prefix, the collection uses the second for its own identities.
_OF_KUBERNETES, _OF_THE_COLLECTION = "system:", "cfcr:"
# Common names of the cluster's own certificates. A binding gives kube-apiserver-kubelet-client all pods' logs and exec.
_COMPONENTS = ("admin", "cf-api-registrar", "cf-route-sync", "health", "kube-apiserver", "kube-apiserver-kubelet-client", "metrics-server")


class _File(t.NamedTuple):
    """A file as it is. Certificate and key are empty if it is not a kubeconfig as this module writes it."""

    content: bytes
    mode: int
    owner: int
    certificate: str
    private_key: str


def check(user: str, groups: t.Iterable[str], days: int, path: str) -> list[str]:
    """Return what is wrong with a request."""
    problems = []
    for option, name in (("user", user), *(("groups", group) for group in groups)):
        lower = name.casefold()
        if not 0 < len(name) <= MOST_CHARACTERS or not name.isprintable() or name != name.strip():
            problems.append(f"{option}: found {name!r}, expected 1 to {MOST_CHARACTERS} printable characters without spaces at the ends")
        elif lower.startswith(_OF_KUBERNETES):
            problems.append(f"{option}: found {name!r}, expected a name without {_OF_KUBERNETES}, which Kubernetes reserves for its own")
        elif option == "user" and (lower.startswith(_OF_THE_COLLECTION) or lower in _COMPONENTS):
            problems.append(f"{option}: found {name!r}, expected a name that no component of the cluster uses")
    if not 1 <= days <= _MOST_DAYS:
        problems.append(f"days: found {days}, expected 1 to {_MOST_DAYS}, since nothing revokes the certificate earlier")
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        problems.append(f"path: found {path!r}, expected an absolute, normalized path on the director")
    return problems


def issue(store: Store, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Write the kubeconfig of a user. Issue a certificate unless the file has one that lasts."""
    problems = check(options["user"], options["groups"], options["days"], options["path"])
    if problems:
        raise HostError("; ".join(problems))
    wanted = _Kubeconfig(store, options, now())
    returned: dict[str, t.Any] = wanted.values()

    def apply() -> None:
        wanted.make()
        returned.update(wanted.values())

    return outcome(check_mode, wanted.before, wanted.after, apply, kubeconfig=returned)


class _Kubeconfig:
    """The kubeconfig of a user: its state, its wanted state, and the change."""

    def __init__(self, store: Store, options: dict[str, t.Any], moment: datetime.datetime) -> None:
        self._store, self._options, self._moment = store, options, moment
        self._authority = get_authority(store, _AUTHORITY)
        if self._authority is None:
            raise HostError(f"the store {store} has no CA {_AUTHORITY}; run site.yml first")
        self._names = Names(options["user"], tuple(sorted(set(options["groups"]))), (), ("client_auth",))
        self._file = _read(options["path"])
        actual = self._actual()
        new_key = f"{options['key_type']} (new)"
        limit = expiry(moment, options["days"], self._authority.not_after())
        wanted = Certificate(self._names, self._authority.issuer(), actual.key if actual else new_key, limit)
        self.reasons = self._reasons(actual, wanted)
        self.before = _summary(actual, digest(self._file.content), self._file.mode) if actual else {}
        if self.reasons:
            self._not_after, self._serial = limit, ""
            self.after = _summary(dataclasses.replace(wanted, key=new_key), "with the new certificate", MODE)
        else:
            self._not_after, self._serial = actual.not_after, serial_number(self._file.certificate)
            self.after = _summary(actual, digest(self._content(self._file.certificate, self._file.private_key)), MODE)

    def make(self) -> None:
        """Write the file. If it gets a new certificate, record that first."""
        owner = self._file.owner if self._file else os.geteuid()
        certificate, private_key = self._issue() if self.reasons else (self._file.certificate, self._file.private_key)
        write(self._options["path"], self._content(certificate, private_key), owner)

    def values(self) -> dict[str, t.Any]:
        """Return the certificate for the result. A certificate that is yet to be issued has no serial number."""
        recorded = _values(self._store, self._serial) if self._serial else {"issued_at": "", "not_after": to_timestamp(self._not_after)}
        values = {"user": self._names.common_name, "groups": list(self._names.organizations), "path": self._options["path"], "reasons": self.reasons}
        return {**values, "serial": self._serial, **recorded}

    def _actual(self) -> Certificate | None:
        """Return the certificate of the file if it was issued for this user, None if there is no file; raise if the file is anything else."""
        if self._file is None:
            return None
        user, certificate = self._options["user"], read(self._file.certificate, self._authority)
        record = self._store.get(_record(serial_number(self._file.certificate))) if certificate else None
        if not record or record.public["user"] != user or not _is_key_of(self._file.private_key, certificate):
            raise HostError(
                f"{self._options['path']}: found a file that is not the kubeconfig of {user} as it was issued, expected no file; nothing was issued. "
                "Choose another path, or move the file away"
            )
        return certificate

    def _reasons(self, actual: Certificate | None, wanted: Certificate) -> list[str]:
        """Return why a certificate must be issued; nothing if that of the file can stay."""
        if actual is None:
            return ["there is no file"]
        days = self._options["days"]
        found = reasons(actual, self._names, wanted.issuer, wanted.key, self._moment, days / 3, wanted.not_after)
        return [*found, f"lasts longer than {days} days"] if actual.not_after > wanted.not_after else found

    def _content(self, certificate: str, private_key: str) -> bytes:
        return self_contained(self._options["cluster"], self._options["server"], self._authority.bundle(), certificate, private_key)

    def _issue(self) -> tuple[str, str]:
        """Record a new certificate, and return it with its key."""
        private_key = new_private_key(self._options["key_type"])
        signing_key, public_key = authority_key(self._store, _AUTHORITY), read_public_key(public_half(private_key))
        certificate = sign(self._names, public_key, self._options["days"], self._authority, signing_key, self._moment)
        (fingerprint,) = fingerprints(self._authority.certificate())
        public = {
            "user": self._names.common_name,
            "groups": list(self._names.organizations),
            "not_after": to_timestamp(self._not_after),
            "authority": fingerprint,
        }
        self._serial = serial_number(certificate)
        self._store.put(_record(self._serial), public, {}, version=0)
        return certificate, private_key


def issued(store: Store) -> list[dict[str, t.Any]]:
    """Return every certificate that was issued, by user and expiry."""
    authority, moment = get_authority(store, _AUTHORITY), now()
    trusted = fingerprints(authority.bundle()) if authority else []
    found = []
    for serial in store.names("kubeconfigs"):
        entry = {"serial": serial, **_values(store, serial)}
        not_after = from_timestamp(entry["not_after"])
        days_left = (not_after - moment) // datetime.timedelta(days=1)
        found.append({**entry, "days_left": days_left, "state": state_of(not_after, entry["authority"], moment, trusted)})
    return sorted(found, key=lambda entry: (entry["user"], entry["not_after"], entry["serial"]))


def state_of(not_after: datetime.datetime, authority: str, moment: datetime.datetime, trusted: t.Sequence[str]) -> str:
    """Return whether a certificate works. The CA bundle has the former CA first during a rotation, which ends with the new one only."""
    if not_after <= moment:
        return "expired"
    if authority not in trusted:
        return "untrusted"
    return "rotating" if len(trusted) > 1 and authority == trusted[0] else "valid"


def _record(serial: str) -> str:
    return f"kubeconfigs/{serial}"


def _values(store: Store, serial: str) -> dict[str, t.Any]:
    record = store.get(_record(serial))
    return {**{name: record.public[name] for name in ("user", "groups", "not_after", "authority")}, "issued_at": record.created_at}


def _read(path: str) -> _File | None:
    """Return what is at a path, None if nothing is."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return _File(b"", 0, status.st_uid, "", "")
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    return _File(content, stat.S_IMODE(status.st_mode), status.st_uid, *_pair(content))


def _pair(content: bytes) -> tuple[str, str]:
    """Return certificate and key of a kubeconfig, if writing it with its own values gives the same content."""
    try:
        config = json.loads(content)
        entry, client = config["clusters"][0], config["users"][0]["user"]
        bundle, certificate, private_key = (
            base64.b64decode(encoded, validate=True).decode()
            for encoded in (entry["cluster"]["certificate-authority-data"], client["client-certificate-data"], client["client-key-data"])
        )
        same = self_contained(entry["name"], entry["cluster"]["server"], bundle, certificate, private_key) == content
    except (ValueError, KeyError, IndexError, TypeError):
        return "", ""
    return (certificate, private_key) if same else ("", "")


def _is_key_of(private_key: str, certificate: Certificate) -> bool:
    try:
        return key_name(read_public_key(public_half(private_key))) == certificate.key
    except HostError:
        return False


def _summary(certificate: Certificate, content: str, mode: int) -> dict[str, t.Any]:
    """Return a kubeconfig for a diff, without its key."""
    return {"certificate": certificate.summary(), "file": {"content": content, "mode": f"{mode:04o}"}}
