# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The director's part: decide which certificates and CA bundles of a host must change, and sign them.

Names, usages and lifetimes come from the controller. The host sends its public keys, certificates and bundles.
"""

from __future__ import annotations

import datetime
import typing as t

from .._errors import HostError
from .._pki.bundle import fingerprints
from .._pki.certificate import ByPath, Certificate, bundles_of, expiry, reasons, wanted_names
from .._pki.files import CERTIFICATES
from .._pki.keys import KEY_TYPES
from .._pki.x509 import Authority, describe, key_name, key_type, now, read, read_public_key, sign
from .._store.store import Store
from .authorities import authority_key, get_authority

__all__ = ("TERMS", "SPEC", "Terms", "authorities", "issue")

_PATH = {"path": {"type": "path", "required": True}}
_KEY = {"public_key": {"type": "str", "no_log": False}, "certificate": {"type": "str"}}
TERMS: dict[str, t.Any] = {
    "days": {"type": "int", "default": 365},
    "renew_before_days": {"type": "int", "default": 60},
    "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ecdsa-p256", "no_log": False},
}
SPEC: dict[str, t.Any] = {
    "certificates": {**CERTIFICATES, "required": True},
    "actual": {
        "type": "dict",
        "required": True,
        "options": {
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": {**_PATH, **_KEY}},
            "bundles": {"type": "list", "elements": "dict", "required": True, "options": {**_PATH, "content": {"type": "str"}}},
        },
    },
    **TERMS,
}


class Terms(t.NamedTuple):
    """The options that hold for all certificates of a call."""

    days: int
    renew_before_days: int
    key_type: str
    check_mode: bool


def authorities(store: Store, names: t.Iterable[str], check_mode: bool) -> dict[str, Authority | None]:
    """Return the CAs by name. A missing one is an error; in check mode it is None, since the tasks before have not created it."""
    found = {name: get_authority(store, name) for name in names}
    missing = sorted(name for name, authority in found.items() if authority is None)
    if missing and not check_mode:
        raise HostError(
            f"the store {store} has no CA {', '.join(missing)}; found {', '.join(store.names('authorities')) or 'none'}"
        )
    return found


def issue(store: Store, certificates: list[dict], actual: dict, terms: Terms) -> dict:
    """Return the new content of certificates and bundles, and the changes; the entries of both sides have a path in common.

    certificates: as the controller wants them. actual: certificates (path, public_key, certificate) and bundles (path, content) as the host has them.
    """
    keys, contents = (ByPath(actual[kind], "the host") for kind in ("certificates", "bundles"))
    # Of the host's entries only these values count: names and usages are the controller's.
    entries = [{**entry, **{name: keys[entry["path"]][name] for name in ("public_key", "certificate")}} for entry in certificates]
    bundles = [{"path": path, "authority": name, "content": contents[path]["content"]} for path, name in bundles_of(certificates).items()]
    _check_trust(store, entries, bundles)
    found = authorities(store, {entry["authority"] for entry in certificates}, terms.check_mode)
    moment = now()
    return {
        "certificates": [_certificate(store, entry, found[entry["authority"]], terms, moment) for entry in entries],
        "bundles": [_bundle(bundle, found[bundle["authority"]]) for bundle in bundles],
        "remarks": [
            f"CA {name} expires at {authority.not_after():%Y-%m-%d %H:%M}, and all its certificates with it; replace it with playbook rotate"
            for name, authority in sorted(found.items())
            if authority and authority.not_after() < moment + datetime.timedelta(days=terms.renew_before_days)
        ],
    }


def _check_trust(store: Store, certificates: list[dict], bundles: list[dict]) -> None:
    """Raise if a host trusts no CA of the store: its cluster would not trust the certificates that the store signs.

    During a rotation bundles hold two CAs. One in common is enough, and then a certificate may be signed by either.
    """
    known = [get_authority(store, name) for name in store.names("authorities")]
    trusted = {fingerprint for authority in known for fingerprint in fingerprints(authority.bundle())}
    unknown, shared = [], set()
    for bundle in bundles:
        there = fingerprints(bundle["content"])
        if not trusted.isdisjoint(there):
            shared.add(bundle["authority"])
        elif there:
            unknown.append(bundle["path"])
    for entry in certificates:
        if entry["authority"] not in shared and read(entry["certificate"], None) and not any(a.has_signed(entry["certificate"]) for a in known):
            unknown.append(f"{entry['path']}.crt")
    if unknown:
        raise HostError(
            f"{', '.join(unknown)}: found CAs that are not in the store {store}; nothing was changed. Restore the store that signed them "
            "(cluster_director, cluster_store_*). If their cluster is gone, remove these files from the host"
        )


def _certificate(store: Store, entry: dict, authority: Authority | None, terms: Terms, moment: datetime.datetime) -> dict:
    """Plan one certificate and, unless in check mode, sign it."""
    names = wanted_names(entry)
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
    """Return the public key that a host sent. It must have the wanted type, so that no host chooses a weak one."""
    if entry["public_key"] is None:
        if not terms.check_mode:
            raise HostError(f"{entry['path']}: found no public key from the host, expected one")
        return None
    key = read_public_key(entry["public_key"])
    if key_type(key) != terms.key_type:
        raise HostError(f"{entry['path']}: found a key of type {key_type(key)}, expected {terms.key_type}")
    return key


def _bundle(entry: dict, authority: Authority | None) -> dict:
    """Plan one CA bundle."""
    wanted = authority.bundle() if authority else None
    return {
        "path": entry["path"],
        "content": wanted if wanted != entry["content"] else None,
        "before": describe(entry["content"]),
        "after": describe(wanted) if authority else [f"{entry['authority']} (new)"],
        "changed": wanted is None or wanted != entry["content"],
    }
