# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The types of credentials that are generated once or given: how to generate each, and how to read a given value."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
import secrets
import string
import typing as t

from .._errors import HostError
from .._pki.x509 import new_private_key, public_half
from .ssh_keys import new_ssh_key, public_line

__all__ = ("TYPES", "Type")

Parts = t.Tuple[dict, dict]  # public and secret

_CLASSES = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "number": string.digits,
    "special": string.punctuation,
}
_LEAST_CHARACTERS, _LEAST_BYTES = 12, 16


def _nothing(_options: dict) -> None:
    """Accept all options."""


@dataclasses.dataclass(frozen=True)
class Type:
    """One type. Its functions get the options of the credential; take raises if the given value is invalid."""

    values: tuple[str, ...]
    take: t.Callable[[dict], Parts]
    make: t.Callable[[dict], Parts] | None = None
    check: t.Callable[[dict], None] = _nothing


def _take_value(options: dict) -> Parts:
    return {"value": options["value"]}, {}


def _make_token(options: dict) -> Parts:
    return {"value": secrets.token_hex(options["bytes"])}, {}


def _check_password(options: dict) -> None:
    if options["length"] < _LEAST_CHARACTERS:
        raise HostError(f"length: found {options['length']}, expected {_LEAST_CHARACTERS} or more")
    if not _alphabets(options):
        raise HostError("found all classes of characters excluded, expected at least one")


def _alphabets(options: dict) -> list[str]:
    excluded = {name for name in ("lower", "upper", "number") if options[f"exclude_{name}"]}
    return [letters for name, letters in _CLASSES.items() if name not in excluded and (name != "special" or options["include_special"])]


def _make_password(options: dict) -> Parts:
    """Return a password with at least one character of each class."""
    alphabets = _alphabets(options)
    characters = [secrets.choice(letters) for letters in alphabets]
    characters += [secrets.choice("".join(alphabets)) for _index in range(options["length"] - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return {}, {"password": "".join(characters)}


def _take_password(options: dict) -> Parts:
    return {}, {"password": options["value"]}


def _check_key(options: dict) -> None:
    if options["bytes"] < _LEAST_BYTES:
        raise HostError(f"bytes: found {options['bytes']}, expected {_LEAST_BYTES} or more")


def _make_key(options: dict) -> Parts:
    return {}, {"key": base64.b64encode(os.urandom(options["bytes"])).decode()}


def _take_key(options: dict) -> Parts:
    try:
        content = base64.b64decode(options["value"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise HostError("value: found something else, expected base64") from error
    if len(content) < _LEAST_BYTES:
        raise HostError(f"value: found {len(content)} bytes, expected {_LEAST_BYTES} or more")
    return {}, {"key": base64.b64encode(content).decode()}


def _make_rsa(options: dict) -> Parts:
    key = new_private_key(f"rsa-{options['bits']}")
    return {"public_key": public_half(key)}, {"private_key": key}


def _take_rsa(options: dict) -> Parts:
    key = f"{options['value'].strip()}\n"
    return {"public_key": public_half(key)}, {"private_key": key}


def _make_ssh(options: dict) -> Parts:
    key = new_ssh_key(options["key_type"] or "ed25519")
    return {"public_key": public_line(key, options["comment"])}, {"private_key": key}


def _take_ssh(options: dict) -> Parts:
    key = f"{options['value'].strip()}\n"
    return {"public_key": public_line(key, options["comment"])}, {"private_key": key}


TYPES = {
    "value": Type(("value",), _take_value),
    "token": Type(("value",), _take_value, _make_token, _check_key),
    "password": Type(("password",), _take_password, _make_password, _check_password),
    "key": Type(("key",), _take_key, _make_key, _check_key),
    "rsa": Type(("private_key", "public_key"), _take_rsa, _make_rsa),
    "ssh": Type(("private_key", "public_key"), _take_ssh, _make_ssh),
}
