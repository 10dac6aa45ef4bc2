# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials as records of the store. All are planned before any is written."""

from __future__ import annotations

import contextlib
import datetime
import typing as t

from .._errors import HostError
from .._pki.certificate import Certificate, expiry, reasons, seconds, wanted_names
from .._pki.keys import KEY_TYPES
from .._pki.x509 import new_private_key, public_half, read, read_public_key, sign
from .._store.store import Conflict, Record, Store
from .authorities import authority_key, get_authority
from .hosts import with_indices
from .types import TYPES, Type

__all__ = ("GENERATION", "Credential")

# The values of the types that TYPES does not have: they are compared with what is wanted in every run.
_VALUES = {"certificate": ("private_key", "certificate", "bundle", "not_after"), "hosts": ("hosts",), "versions": ("now", "former")}
# How many keys or passwords a credential has had; the field keeps its first name so that existing stores stay readable.
GENERATION = "number"


class Credential:
    """One credential: its state in the store, its wanted state, and the change."""

    def __init__(self, store: Store, options: dict, moment: datetime.datetime, check_mode: bool) -> None:
        self.name, self.type, self._options, self._store, self._moment = options["name"], options["type"], options, store, moment
        self._path = f"credentials/{self.name}"
        self._record = store.get(self._path)
        found = self._record.public["type"] if self._record else options["type"]
        if found != options["type"]:
            raise HostError(f"credential {self.name}: found type {found} in the store {store}, expected {options['type']}")
        self._asked: tuple[dict, dict] | None = None
        try:
            if found == "certificate":
                self._plan_certificate(check_mode)
            elif found == "hosts":
                self._plan_hosts()
            elif found == "versions":
                self._plan_versions()
            else:
                self._plan_once(TYPES[found])
        except HostError as error:
            raise HostError(f"credential {self.name}: {error}") from error

    def _plan_once(self, kind: Type) -> None:
        """Plan a credential that is generated once, given, or restored to a former version."""
        kind.check(self._options)
        if self._options["version"]:
            self._asked = self._old(self._options["version"])
        elif self._options["value"]:
            self._asked = kind.take(self._options)
        elif self._is_adopted():
            self._asked = kind.take({"value": self._options["adopt"]["value"]})
        if self._asked and self._record and "rotation" in self._record.public:
            raise HostError("it is being rotated; finish the rotation first")
        if not self._asked and kind.make and not self._options["generate"] and not self._record:
            raise HostError(f"the store {self._store} has none, and generate is false; give its value")
        self.before = self._summary(self._record.public) if self._record else None
        if not self._record:
            self.after = self._summary(self._asked[0] if self._asked else {}) if self._asked or kind.make else None
        elif self._asked and self._asked != self._parts(self._record):
            self.after = self._summary(self._asked[0])
            if self.after == self.before:
                self.after = {**self.after, kind.values[0]: "(another value)"}
        else:
            self.after = self.before

    def _is_adopted(self) -> bool:
        """Say whether the store is older than this credential: then everybody uses the value from before."""
        adopt = self._options["adopt"]
        return bool(adopt and not self._record and self._store.get(f"credentials/{adopt['credential']}"))

    def _plan_hosts(self) -> None:
        """Plan the indices of hosts. Part of a cluster does not tell the positions of its hosts, so it begins no record."""
        if not self._record and not self._options["complete"]:
            raise HostError(f"found part of a cluster, and none in the store {self._store}, expected a first run with all hosts (preflight_whole_inventory)")
        recorded = self._record.public["hosts"] if self._record else None
        hosts = with_indices(recorded or {}, self._options["groups"], self._options["complete"])
        self._asked = ({"hosts": hosts}, {})
        self.before = {"type": self.type, "hosts": recorded} if self._record else None
        self.after = {"type": self.type, "hosts": hosts}

    def _plan_versions(self) -> None:
        """Plan the versions of a cluster. Only an update replaces them, and keeps the former ones, to which it may roll back."""
        recorded = self._parts(self._record)[0] if self._record else None
        wanted = self._options["versions"]
        if not recorded or (self._options["replace"] and recorded["now"] != wanted):
            self._asked = ({"now": wanted, "former": recorded["now"] if recorded else {}}, {})
        self.before = {"type": self.type, **recorded} if recorded else None
        self.after = {"type": self.type, **self._asked[0]} if self._asked else self.before

    def _old(self, version: int) -> tuple[dict, dict]:
        """Return a former version."""
        history = {record.version: record for record in self._store.history(self._path)}
        if version not in history:
            raise HostError(f"version: found {version}, expected one of those in the store {self._store}: {', '.join(map(str, history)) or 'none'}")
        return self._parts(history[version])

    def _parts(self, record: Record) -> tuple[dict, dict]:
        return {name: value for name, value in record.public.items() if name != "type"}, record.secret()

    def _summary(self, public: dict) -> dict:
        """Return a credential for a diff. A public key is left out: it is long, and changes only with the private one."""
        return {"type": self.type, **({"value": public["value"]} if "value" in public else {})}

    def _plan_certificate(self, check_mode: bool) -> None:
        """Plan a certificate, which is reissued if its content must change."""
        options = self._options
        if not 0 <= options["renew_before_days"] < options["days"]:
            raise HostError(f"renew_before_days: found {options['renew_before_days']}, expected 0 or more and less than days ({options['days']})")
        for option in ("value", "version"):
            if options[option]:
                raise HostError(f"{option}: found a value, expected none for a certificate")
        self._key_type = options["key_type"] or "ecdsa-p256"
        if self._key_type not in KEY_TYPES:
            raise HostError(f"key_type: found {self._key_type}, expected for a certificate one of {', '.join(KEY_TYPES)}")
        self._names = wanted_names(options)
        self._authority = get_authority(self._store, options["authority"])
        if not self._authority and not check_mode:
            raise HostError(f"the store {self._store} has no CA {options['authority']}")
        actual = read(self._record.public["certificate"], self._authority) if self._record else None
        limit = self._authority.not_after() if self._authority else self._moment + datetime.timedelta(days=options["days"])
        wanted = Certificate(
            names=self._names,
            issuer=self._authority.issuer() if self._authority else f"{options['authority']} (new)",
            key=f"{self._key_type} (new)",
            not_after=expiry(self._moment, options["days"], limit),
        )
        kept_key = actual.key if actual else ""
        why = reasons(actual, self._names, wanted.issuer, kept_key, self._moment, options["renew_before_days"], wanted.not_after)
        since = seconds(options["since"])
        if self._record and seconds(self._record.created_at or "") < since:
            why.append(f"created before {options['since']}")
        self.before = {"type": "certificate", **actual.summary()} if actual else None
        self.after = {"type": "certificate", **wanted.summary()} if why else self.before

    def make(self) -> None:
        """Write it. If another run was faster, take its value, unless a given value is wanted."""
        public, secret = self._asked or self._new()
        with contextlib.suppress(Conflict):
            self._store.put(self._path, {"type": self._options["type"], **public}, secret, self._record.version if self._record else 0)
        self._record = self._store.get(self._path)
        if self._asked and self._parts(self._record) != self._asked:
            raise HostError(f"credential {self.name}: another run wrote another value at the same time; run again")

    def values(self) -> dict:
        """Return the values for the result. In check mode they are the given ones, and empty strings if it is yet to be generated."""
        if self._asked:
            values = {**self._asked[0], **self._asked[1]}
        elif self._record:
            values = {**self._record.public, **self._record.secret()}
        else:
            return dict.fromkeys(self._value_names, "")
        if self._options["type"] == "certificate":
            certificate = read(values["certificate"], self._authority)
            values.update(bundle=self._authority.bundle() if self._authority else "", not_after=certificate.summary()["not_after"])
        returned = _with_generation(values, self._value_names)
        if "others" in values:
            returned["others"] = [_with_generation(other, other) for other in values["others"]]
        return returned

    @property
    def _value_names(self) -> tuple[str, ...]:
        return _VALUES[self.type] if self.type in _VALUES else TYPES[self.type].values

    def _new(self) -> tuple[dict, dict]:
        return self._new_certificate() if self.type == "certificate" else TYPES[self.type].make(self._options)

    def _new_certificate(self) -> tuple[dict, dict]:
        key = new_private_key(self._key_type)
        signing_key = authority_key(self._store, self._authority.name)
        certificate = sign(
            self._names, read_public_key(public_half(key)), self._options["days"], self._authority, signing_key, self._moment
        )
        return {"certificate": certificate}, {"private_key": key}


def _with_generation(values: dict, names: t.Iterable[str]) -> dict:
    """Return values of a record by these names, and the generation if it has one."""
    returned = {name: values[name] for name in names if name != GENERATION}
    return {**returned, "generation": values[GENERATION]} if GENERATION in values else returned
