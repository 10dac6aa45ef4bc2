# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the director answers to a host: which certificates and bundles must be other than they are, and their new content.

Names, usages and lifetimes come from the controller; the host contributes public keys and the certificates that it has.
"""

from __future__ import annotations

import datetime
import typing as t

from .._errors import HostError
from .._pki.bundle import fingerprints
from .._pki.certificate import Certificate, expiry, reasons, wanted_names
from .._pki.x509 import Authority, describe, key_name, key_type, now, read, read_public_key, sign
from .._store.store import Store
from .authorities import authority_key, get_authority

__all__ = ("Terms", "authorities", "issue")


class Terms(t.NamedTuple):
    """What holds for every certificate of a call."""

    days: int
    renew_before_days: int
    key_type: str
    check_mode: bool


def authorities(store: Store, names: t.Iterable[str], check_mode: bool) -> dict[str, Authority | None]:
    """Return the authorities by name; one that is missing is an error, and None in check mode, where nobody made it."""
    found = {name: get_authority(store, name) for name in names}
    missing = sorted(name for name, authority in found.items() if authority is None)
    if missing and not check_mode:
        raise HostError(
            f"no authority {', '.join(missing)} in the store {store}; it has {', '.join(store.names('authorities')) or 'none'}"
        )
    return found


def issue(store: Store, certificates: list[dict], bundles: list[dict], terms: Terms) -> dict:
    """Return what to write and what it changes.

    certificates: path, authority, common_name, organizations, alternative_names, usages as wanted; public_key, certificate as they are.
    bundles: path, authority as wanted; content as it is.
    """
    _refuse_strangers(store, certificates, bundles)
    found = authorities(store, {entry["authority"] for entry in (*certificates, *bundles)}, terms.check_mode)
    moment = now()
    return {
        "certificates": [_certificate(store, entry, found[entry["authority"]], terms, moment) for entry in certificates],
        "bundles": [_bundle(entry, found[entry["authority"]]) for entry in bundles],
        "remarks": [
            f"authority {name} ends at {authority.not_after():%Y-%m-%d %H:%M}: no certificate of it can last longer; replace it"
            for name, authority in sorted(found.items())
            if authority and authority.not_after() < moment + datetime.timedelta(days=terms.renew_before_days)
        ],
    }


def _refuse_strangers(store: Store, certificates: list[dict], bundles: list[dict]) -> None:
    """Raise where a host trusts nobody whom the store knows: what the store would sign, the cluster that the host is in would not trust.

    An authority is replaced by way of bundles that hold two; one in common is enough, and then a certificate may be of either.
    """
    known = [get_authority(store, name) for name in store.names("authorities")]
    trusted = {fingerprint for authority in known for fingerprint in fingerprints(authority.bundle())}
    strange, shared = [], set()
    for bundle in bundles:
        there = fingerprints(bundle["content"])
        if not trusted.isdisjoint(there):
            shared.add(bundle["authority"])
        elif there:
            strange.append(bundle["path"])
    for entry in certificates:
        if entry["authority"] not in shared and read(entry["certificate"], None) and not any(a.has_signed(entry["certificate"]) for a in known):
            strange.append(f"{entry['path']}.crt")
    if strange:
        raise HostError(
            f"{', '.join(strange)}: of authorities that the store {store} does not have, and nothing was changed. Bring back the store "
            "that they are from (cluster_director, cluster_store_*), or, where their cluster is gone, remove these files from the host"
        )


def _certificate(store: Store, entry: dict, authority: Authority | None, terms: Terms, moment: datetime.datetime) -> dict:
    """Plan one certificate and, unless in check mode, sign it."""
    names = wanted_names(*(entry[option] for option in ("common_name", "organizations", "alternative_names", "usages")))
    actual = read(entry["certificate"], authority)
    key = _public_key(entry, terms)
    wanted = Certificate(
        names=names,
        issuer=authority.issuer() if authority else f"{entry['authority']} (new)",
        key=key_name(key) if key else f"{terms.key_type} (new)",
        not_after=expiry(
            moment, terms.days, authority.not_after() if authority else datetime.datetime.max.replace(tzinfo=datetime.timezone.utc)
        ),
    )
    why = reasons(actual, names, wanted.issuer, wanted.key, moment, terms.renew_before_days, wanted.not_after)
    after = wanted if why else actual
    pem = None
    if why and not terms.check_mode:
        pem = sign(names, key, terms.days, authority, authority_key(store, authority.name), moment)
        after = read(pem, authority)
    return {
        "path": entry["path"],
        "certificate": pem,
        "reasons": why,
        "before": actual.summary() if actual else None,
        "after": after.summary(),
    }


def _public_key(entry: dict, terms: Terms):
    """Return the key that a host sent. It must be of the type that was asked for: a host cannot choose a weak one."""
    if entry["public_key"] is None:
        if not terms.check_mode:
            raise HostError(f"{entry['path']}: the host sent no public key")
        return None
    key = read_public_key(entry["public_key"])
    if key_type(key) != terms.key_type:
        raise HostError(f"{entry['path']}: the host sent a key of type {key_type(key)}, wanted is {terms.key_type}")
    return key


def _bundle(entry: dict, authority: Authority | None) -> dict:
    """Plan one bundle of authorities."""
    wanted = authority.bundle() if authority else None
    return {
        "path": entry["path"],
        "content": wanted if wanted != entry["content"] else None,
        "before": describe(entry["content"]),
        "after": describe(wanted) if authority else [f"{entry['authority']} (new)"],
        "changed": wanted is None or wanted != entry["content"],
    }
