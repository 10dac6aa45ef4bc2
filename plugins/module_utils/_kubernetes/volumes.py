# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PersistentVolumes whose data is on the disk of one node, and is lost with it."""

from __future__ import annotations

import typing as t

__all__ = ("by_node",)

Object = dict[str, t.Any]

_HOSTNAME = "kubernetes.io/hostname"
_NAME = "metadata.name"


def by_node(volumes: t.Iterable[Object], nodes: t.Iterable[Object]) -> dict[str, list[str]]:
    """Return the local volumes by the name of their node, each with its claim. A volume without a node affinity is on no known node."""
    found: dict[str, list[str]] = {}
    for volume in volumes:
        terms = (((volume["spec"].get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms")) or []
        if _is_local(volume["spec"], terms):
            for node in nodes:
                if any(_selects(term, node["metadata"]) for term in terms):
                    found.setdefault(node["metadata"]["name"], []).append(_title(volume))
    return {name: sorted(titles) for name, titles in found.items()}


def _is_local(spec: Object, terms: list[Object]) -> bool:
    """Tell whether the data is on one node: by the type of the volume or, for a CSI driver, because it can be used on that node only."""
    return "local" in spec or "hostPath" in spec or any(key in (_HOSTNAME, _NAME) for term in terms for key, _expression in _expressions(term))


def _selects(term: Object, metadata: Object) -> bool:
    """Tell whether a term selects a node. An operator other than In may select any node, so that no loss goes unnamed."""
    values = {**metadata.get("labels", {}), _NAME: metadata["name"]}
    expressions = list(_expressions(term))
    return bool(expressions) and all(
        expression["operator"] != "In" or values.get(key) in expression.get("values", []) for key, expression in expressions
    )


def _expressions(term: Object) -> t.Iterator[tuple[str, Object]]:
    for kind in ("matchExpressions", "matchFields"):
        for expression in term.get(kind) or []:
            yield expression["key"], expression


def _title(volume: Object) -> str:
    claim = volume["spec"].get("claimRef")
    return volume["metadata"]["name"] + (f" ({claim['namespace']}/{claim['name']})" if claim else "")
