# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The origin and the licence of files that package managers have: wheels of Python and packages of Debian."""

from __future__ import annotations

import email.parser
import re
import typing as t
import urllib.parse
import zipfile
from pathlib import Path

from .lock import File

__all__ = ("NOTHING", "described", "distribution_of")

NOTHING = "NOASSERTION"
# An SPDX expression has no other characters. Older wheels have the whole text of a licence in that field.
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
}


def described(path: str, file: Path, sha256: str) -> File:
    """Return the entry of a file by its path in the bundle."""
    size = file.stat().st_size
    if path.endswith(".whl"):
        name, version, *_tags = path.rpartition("/")[2].split("-")
        return File(sha256, size, f"pkg:pypi/{name.lower().replace('_', '-')}@{version}", _licence_of_wheel(file), "Python package")
    if path.endswith(".deb"):
        return File(sha256, size, _purl_of_package(path), NOTHING, "package of the distribution, which contains its licence")
    return File(sha256, size, "", NOTHING, "index" if path.startswith(("packages/", "wheels/")) else "part of the collection")


def distribution_of(codename: str) -> str:
    """Return the distribution of a release."""
    return "ubuntu" if codename in ("jammy", "noble", "resolute") else "debian"


def _purl_of_package(path: str) -> str:
    """Return the package URL of packages/<code name>/<architecture>/<name>_<version>_<architecture>.deb, as apt names it in its cache."""
    _packages, codename, _architecture, file_name = path.split("/")
    name, version, architecture = file_name.removesuffix(".deb").split("_")
    version = urllib.parse.quote(urllib.parse.unquote(version), safe="~+")
    return f"pkg:deb/{distribution_of(codename)}/{name}@{version}?arch={architecture}&distro={codename}"


def _licence_of_wheel(file: Path) -> str:
    with zipfile.ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = email.parser.HeaderParser().parsestr(archive.read(name).decode(errors="replace"))
    for field in ("License-Expression", "License"):
        if _EXPRESSION.fullmatch(found := t.cast("str", metadata.get(field, ""))):
            return found
    return next((_CLASSIFIERS[each] for each in metadata.get_all("Classifier", []) if each in _CLASSIFIERS), NOTHING)
