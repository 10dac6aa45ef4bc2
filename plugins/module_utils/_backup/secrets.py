# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof that the keys in a backup decrypt the Secrets in it. The functions are pure."""

from __future__ import annotations

import base64
import typing as t

from .._errors import HostError
from .secretbox import NONCE, open_box

__all__ = ("check_samples", "encryption_keys")

_RECORD = "credentials/encryption-at-rest"
_PROVIDER = "secretbox"
_PLAIN = (b"k8s\0", b"{")  # an object of Kubernetes as protobuf or JSON


def encryption_keys(records: t.Mapping[str, t.Any]) -> list[bytes]:
    """Return all keys that have encrypted Secrets, the newest first, as far as the history of the store has them."""
    keys: dict[bytes, None] = {}
    for version in reversed(records.get(_RECORD, [])):
        secret = version["secret"]
        for values in (secret, *secret.get("others", ())):
            if values.get("key"):
                keys[base64.b64decode(values["key"])] = None
    return list(keys)


def check_samples(samples: t.Mapping[str, t.Mapping[str, str]], records: t.Mapping[str, t.Any]) -> None:
    """Refuse a store whose keys do not decrypt a Secret of the snapshot."""
    keys = encryption_keys(records)
    for label, sample in samples.items():
        provider = label.partition(":")[0]
        if provider != _PROVIDER:
            raise HostError(f"{sample['key']}: found a Secret that is encrypted with {provider}, expected {_PROVIDER}, as role master configures it")
        box = base64.b64decode(sample["value"]).split(b":", 5)[-1]
        texts = (open_box(key, box[:NONCE], box[NONCE:]) for key in keys)
        if not any(text is not None and text.startswith(_PLAIN) for text in texts):
            raise HostError(
                f"{sample['key']}: found a Secret that is encrypted with {label}, which none of the {len(keys)} keys in the store decrypts; a restored "
                "cluster could not read it. Rewrite the Secrets with today's key (playbook rotate, encryption), or restore the record of the key"
            )
