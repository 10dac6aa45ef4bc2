# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated credentials: each as a record of the store, planned before anything is made."""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import secrets
import string

from ._authorities import authority_key, get_authority
from ._certificate import Certificate, expiry, reasons, wanted_names
from ._errors import HostError
from ._store import Conflict, Store
from ._x509 import new_private_key, public_half, read, read_public_key, sign

__all__ = ("Credential",)

_LETTERS = string.ascii_letters + string.digits
_VALUES = {
    "value": ("value",),
    "password": ("password",),
    "key": ("key",),
    "rsa": ("private_key", "public_key"),
    "certificate": ("private_key", "certificate", "bundle", "not_after"),
}


class Credential:
    """One credential: what the store has, what there must be, and the way there."""

    def __init__(self, store: Store, options: dict, moment: datetime.datetime, check_mode: bool) -> None:
        self.name, self.type, self._options, self._store, self._moment = options["name"], options["type"], options, store, moment
        self._path = f"credentials/{self.name}"
        self._record = store.get(self._path)
        found = self._record.public["type"] if self._record else options["type"]
        if found != options["type"]:
            raise HostError(f"credential {self.name} is a {found} in the store {store}, wanted is a {options['type']}")
        if found == "certificate":
            self._plan_certificate(check_mode)
        elif found == "value":
            self._plan_value()
        elif found == "password":
            self._plan_password()
        else:
            self._plan_once()

    def _plan_value(self) -> None:
        """Plan what is given, not made; without a value it is only looked up."""
        self.before = {"type": "value", "value": self._record.public["value"]} if self._record else None
        self.after = {"type": "value", "value": self._options["value"]} if self._options["value"] else self.before

    def _plan_password(self) -> None:
        """Plan what is given, or made once; one that somebody else made must have been given once."""
        given = self._options["value"]
        if not (given or self._options["generate"] or self._record):
            raise HostError(f"credential {self.name}: the store {self._store} has none, and it cannot be generated; give its value")
        self._plan_once()
        if given and self._record and self._record.secret()["password"] != given:
            self.after = {**self.after, "password": "(another one)"}

    def _plan_once(self) -> None:
        """Plan what is made once."""
        for option, minimum in (("length", 12), ("bytes", 16)):
            if self._options[option] < minimum:
                raise HostError(f"credential {self.name}: {option} is {self._options[option]}, allowed are {minimum} and more")
        self.after = {"type": self._options["type"]}
        self.before = self.after if self._record else None

    def _plan_certificate(self, check_mode: bool) -> None:
        """Plan what is made again when it must say something else."""
        options = self._options
        if not 0 <= options["renew_before_days"] < options["days"]:
            raise HostError(
                f"credential {self.name}: renew_before_days is {options['renew_before_days']}: allowed are 0 to less than {options['days']}"
            )
        try:
            self._names = wanted_names(*(options[option] for option in ("common_name", "organizations", "alternative_names", "usages")))
        except HostError as error:
            raise HostError(f"credential {self.name}: {error}") from error
        self._authority = get_authority(self._store, options["authority"])
        if not self._authority and not check_mode:
            raise HostError(f"credential {self.name}: no authority {options['authority']} in the store {self._store}")
        actual = read(self._record.public["certificate"], self._authority) if self._record else None
        limit = self._authority.not_after() if self._authority else self._moment + datetime.timedelta(days=options["days"])
        wanted = Certificate(
            names=self._names,
            issuer=self._authority.issuer() if self._authority else f"{options['authority']} (new)",
            key=f"{options['key_type']} (new)",
            not_after=expiry(self._moment, options["days"], limit),
        )
        kept_key = actual.key if actual else ""
        why = reasons(actual, self._names, wanted.issuer, kept_key, self._moment, options["renew_before_days"], wanted.not_after)
        self.before = {"type": "certificate", **actual.summary()} if actual else None
        self.after = {"type": "certificate", **wanted.summary()} if why else self.before

    def make(self) -> None:
        """Make it; whoever comes second takes what the first one made."""
        public, secret = getattr(self, f"_new_{self._options['type']}")()
        with contextlib.suppress(Conflict):
            self._store.put(self._path, {"type": self._options["type"], **public}, secret, self._record.version if self._record else 0)
        self._record = self._store.get(self._path)

    def values(self) -> dict:
        """Return the values that callers get; empty strings where it is still to be made."""
        if not self._record:
            return dict.fromkeys(_VALUES[self._options["type"]], "")
        values = {**self._record.public, **self._record.secret()}
        if self._options["type"] == "certificate":
            certificate = read(values["certificate"], self._authority)
            values.update(bundle=self._authority.bundle() if self._authority else "", not_after=certificate.summary()["not_after"])
        return {name: values[name] for name in _VALUES[self._options["type"]]}

    def _new_value(self) -> tuple[dict, dict]:
        return {"value": self._options["value"]}, {}

    def _new_password(self) -> tuple[dict, dict]:
        made = "".join(secrets.choice(_LETTERS) for _index in range(self._options["length"]))
        return {}, {"password": self._options["value"] or made}

    def _new_key(self) -> tuple[dict, dict]:
        return {}, {"key": base64.b64encode(os.urandom(self._options["bytes"])).decode()}

    def _new_rsa(self) -> tuple[dict, dict]:
        key = new_private_key(f"rsa-{self._options['bits']}")
        return {"public_key": public_half(key)}, {"private_key": key}

    def _new_certificate(self) -> tuple[dict, dict]:
        key = new_private_key(self._options["key_type"])
        signing_key = authority_key(self._store, self._authority.name)
        certificate = sign(
            self._names, read_public_key(public_half(key)), self._options["days"], self._authority, signing_key, self._moment
        )
        return {"certificate": certificate}, {"private_key": key}
