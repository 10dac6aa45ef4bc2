# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of Kubernetes objects that belong together (the ApplySet specification, KEP-3659), as plain values."""

from __future__ import annotations

import base64
import copy
import hashlib
import typing as t

from .client import KubernetesError, title

__all__ = ("PART_OF", "Identity", "comparable", "differences", "identity", "members", "owner", "recorded_kinds", "set_id")

MANAGED_BY = {"app.kubernetes.io/managed-by": "cfcr"}
PART_OF = "applyset.kubernetes.io/part-of"
SET_ID = "applyset.kubernetes.io/id"
KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
TOOLING = "applyset.kubernetes.io/tooling"

# Kinds that other objects need, and their order.
FIRST = {"Namespace": 0, "CustomResourceDefinition": 1}

# Fields of metadata that the server sets.
SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")

Identity = t.Tuple[str, str, str, str]


def identity(obj: dict[str, t.Any]) -> Identity:
    """Return group, kind, namespace and name, which identify an object."""
    metadata = obj["metadata"]
    return obj["apiVersion"].rpartition("/")[0], obj["kind"], metadata.get("namespace", ""), metadata["name"]


def set_id(name: str, namespace: str) -> str:
    """Return the ID of the set whose owner is a ConfigMap of this name."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def owner(name: str, namespace: str, identities: t.Iterable[Identity]) -> dict[str, t.Any]:
    """Return the ConfigMap that owns a set and records its kinds and namespaces."""
    identities = list(identities)
    kinds = {".".join(part for part in (kind, group) if part) for group, kind, _namespace, _name in identities}
    namespaces = {where for _group, _kind, where, _name in identities} - {"", namespace}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**MANAGED_BY, SET_ID: set_id(name, namespace)},
            "annotations": {TOOLING: "cfcr/v1", KINDS: ",".join(sorted(kinds)), NAMESPACES: ",".join(sorted(namespaces))},
        },
    }


def recorded_kinds(parent: dict[str, t.Any] | None) -> set[tuple[str, str]]:
    """Return group and kind of all objects that the owner records for its set."""
    names = ((parent or {}).get("metadata", {}).get("annotations") or {}).get(KINDS, "")
    return {(group, kind) for kind, _dot, group in (name.partition(".") for name in names.split(",") if name)}


def members(objects: list[dict[str, t.Any]], part_of: str) -> list[dict[str, t.Any]]:
    """Return copies of the objects that are labelled as members of a set, in the order to apply them."""
    found: dict[Identity, dict[str, t.Any]] = {}
    for number, original in enumerate(objects):
        obj = copy.deepcopy(original)
        metadata = obj.get("metadata") or {}
        if not (obj.get("apiVersion") and obj.get("kind") and metadata.get("name")):
            raise KubernetesError(f"object {number} of the list: expected apiVersion, kind and metadata.name")
        if identity(obj) in found:
            raise KubernetesError(f"{title(obj)} is in the list twice")
        metadata["labels"] = {**(metadata.get("labels") or {}), **MANAGED_BY, PART_OF: part_of}
        found[identity(obj)] = obj
    return sorted(found.values(), key=lambda obj: FIRST.get(obj["kind"], len(FIRST)))


def comparable(obj: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return an object without the fields that the server sets."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in SERVER_FIELDS}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def differences(
    before: dict[Identity, dict[str, t.Any]], after: dict[Identity, dict[str, t.Any]]
) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Return those objects, before and after, that differ, without the data of Secrets."""
    old: dict[str, t.Any] = {}
    new: dict[str, t.Any] = {}
    for key in sorted({*before, *after}):
        was, will = (comparable(side[key]) if key in side else None for side in (before, after))
        if was == will:
            continue
        was, will = _concealed(was, will)
        if was:
            old[title(was)] = was
        if will:
            new[title(will)] = will
    return old, new


def _concealed(was: dict[str, t.Any] | None, will: dict[str, t.Any] | None) -> tuple[dict[str, t.Any] | None, dict[str, t.Any] | None]:
    """Replace the data of a Secret by words that only show which values differ."""
    if (was or will or {}).get("kind") != "Secret":
        return was, will
    was, will = copy.deepcopy(was), copy.deepcopy(will)
    for field in ("data", "stringData"):
        old, new = ((side or {}).get(field) or {} for side in (was, will))
        for key in {*old, *new}:
            same = old.get(key) == new.get(key)
            for values, word in ((old, "before"), (new, "after")):
                if key in values:
                    values[key] = "(hidden)" if same else f"(hidden, {word})"
    return was, will
