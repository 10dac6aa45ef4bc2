# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove secrets from texts before they leave a host.

There are two independent ways: whatever looks like a secret is removed, and so are the contents of the host's secret files wherever
they occur, in plain text or in base64. A secret that neither way knows, such as a password in a sentence of a program of the user's, remains.
"""

from __future__ import annotations

import base64
import re
import typing as t

__all__ = ("Redaction", "certificates_only")

REMOVED = "(removed)"

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?")
# A key without an end is removed up to the end of the text.
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_NAME = r"[\w.-]*(?:password|passwd|passphrase|pass|pwd|secret|token|credential|client-key-data|api[_-]?key|access[_-]?key)s?"
# A path, a switch or a small number is no secret.
_PATH = r"/(?:dev|etc|home|mnt|opt|proc|root|run|srv|sys|tmp|usr|var)\b"
_HARMLESS = rf"""["']?(?:{_PATH}|(?:true|false|null|\d{{1,5}})["']?(?:[\s,;}})\]]|\Z))"""
_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}"']+)"""
_SECRETS = (
    # "name: value", "name=value" and "name is value", quoted or not
    re.compile(rf"""(["']?\b{_NAME}["']?(?:[ \t]*[:=][ \t]*|[ \t]+is[ \t]+))(?!{_HARMLESS}|[|>]){_VALUE}""", re.IGNORECASE),
    # "--name value"
    re.compile(rf"""(\s--{_NAME}[ \t]+)(?!{_HARMLESS}|-){_VALUE}""", re.IGNORECASE),
    # "name:", and the value alone on the next line, as YAML folds long ones
    re.compile(rf"""(["']?\b{_NAME}["']?[ \t]*[:=][ \t]*(?:[|>][+-]?)?[ \t]*\n[ \t]+)(?!{_HARMLESS}|-[ ])[^\s:]+(?=[ \t]*$)""", re.IGNORECASE | re.MULTILINE),
    re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    # tokens of Vault and OpenBao, bootstrap tokens of Kubernetes, JSON web tokens
    re.compile(r"()\b(?:hv[bsr]\.[A-Za-z0-9_-]{20,}|s\.[A-Za-z0-9]{24}|[a-z0-9]{6}\.[a-z0-9]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)(?![\w.-])"),
)
_IN_URL = re.compile(r"(://)[^/\s:@]+:[^/\s@]+@")
_WORD = re.compile(r"[A-Za-z0-9+/=_-]{20,}")


def certificates_only(text: str) -> str:
    """Return only the certificates in a text."""
    return "".join(_CERTIFICATE.findall(text))


class Redaction:
    """The secrets to remove from every text of one host."""

    def __init__(self, secrets: t.Iterable[str]) -> None:
        """Take the contents of the host's secret files."""
        words = {form for secret in secrets for word in _words(secret) for form in (word, *_base64(word))}
        # Longest first, since one may contain another.
        self._known = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))) if words else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        text = _PRIVATE_KEY.sub(REMOVED, text)
        for secret in _SECRETS:
            text = secret.sub(rf"\1{REMOVED}", text)
        text = _IN_URL.sub(rf"\1{REMOVED}@", text)
        return self._known.sub(REMOVED, text) if self._known else text


def _base64(word: str) -> t.Iterator[str]:
    """Return what base64 makes of a word, wherever it begins in the encoded text: without the characters that its neighbours have a part in."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + word.encode()).decode().rstrip("=")
        whole = encoded[(before * 8 + 5) // 6 : (before + len(word.encode())) * 8 // 6]
        yield whole
        yield whole.translate(str.maketrans("+/", "-_"))


def _words(secret: str) -> t.Iterator[str]:
    """Return the secret parts of a secret file: a single word, or in structures and keys the values that nobody writes by hand."""
    stripped = secret.strip()
    if len(stripped) >= 8 and not any(character.isspace() for character in stripped):
        yield stripped
    for key in _PRIVATE_KEY.findall(secret):
        yield from (line for line in key.splitlines()[1:-1] if len(line) >= 8)
    for word in _WORD.findall(secret):
        if re.search("[0-9]", word) and re.search("[a-z]", word) and re.search("[A-Z]", word):
            yield word
