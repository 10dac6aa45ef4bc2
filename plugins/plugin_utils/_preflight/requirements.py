# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collections and Python libraries that a provider needs on the controller, from requirements-<provider>.yml and .txt of the collection."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import typing as t
from pathlib import Path

import yaml
from ansible.module_utils.compat.version import LooseVersion

__all__ = ("missing",)

_ROOT = Path(__file__).parents[3]


def missing(name: str, root: Path = _ROOT) -> list[str]:
    """Return for each requirement that is not met what was found, what is expected and how to install it."""
    collections, libraries = root / f"requirements-{name}.yml", root / f"requirements-{name}.txt"
    return [
        *_missing("collection", _collections(collections), _collection_version, f"ansible-galaxy collection install --upgrade -r {collections}"),
        *_missing("Python library", _libraries(libraries), _library_version, f"{sys.executable} -m pip install -r {libraries}"),
    ]


def _missing(kind: str, expected: dict[str, str], find: t.Callable[[str], str | None], command: str) -> t.Iterator[str]:
    for name, least in expected.items():
        found = find(name)
        if found is None:
            yield f"found no {kind} {name}, expected >={least}: {command}"
        elif LooseVersion(found) < LooseVersion(least):
            yield f"found {kind} {name} {found}, expected >={least}: {command}"


def _collections(path: Path) -> dict[str, str]:
    """Return the least version of each collection."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["collections"] if path.exists() else []
    return {entry["name"]: entry["version"].removeprefix(">=") for entry in entries}


def _libraries(path: Path) -> dict[str, str]:
    """Return the least version of each library."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    requirements = [line.partition(">=") for line in lines if line.strip() and not line.startswith("#")]
    return {name: least for name, _at_least, least in requirements}


def _collection_version(name: str) -> str | None:
    """Return the version of an installed collection; a checkout has it in galaxy.yml."""
    try:
        (directory,) = map(Path, importlib.import_module(f"ansible_collections.{name}").__path__)
    except ImportError:
        return None
    manifest = directory / "MANIFEST.json"
    if manifest.exists():
        return json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    return yaml.safe_load((directory / "galaxy.yml").read_text(encoding="utf-8"))["version"]


def _library_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
