# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for a cluster without a network: the bundle is whole, signed and for these hosts, and nothing else is a source of downloads."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from ...module_utils._bundle.lock import broken
from ...module_utils._bundle.signature import is_public_key
from .._bundle.opened import CODENAMES, needed, opened
from .._catalog.catalog import CatalogError, Versions, load
from .problems import Problem

__all__ = ("check_bundle", "check_content", "check_parts")

Values = t.Mapping[str, t.Any]

# Variables that name another source.
_OTHER_SOURCES = ("cluster_artifact_mirror", "cluster_http_proxy", "cf_routing_wheels")
_MOST_SHOWN = 5  # files of a bundle that is not whole


def check_bundle(values: Values) -> t.Iterator[Problem]:
    """Check the variables of one host whose source is a bundle."""
    if values.get("cluster_artifact_source") != "bundle":
        return
    if not values.get("cluster_bundle", "").startswith("/"):
        expected = "the absolute path of an unpacked bundle on the controller, because cluster_artifact_source is bundle"
        yield Problem("cluster_bundle", values.get("cluster_bundle") or "nothing", expected)
    if not values.get("cluster_bundle_signers"):
        yield Problem("cluster_bundle_signers", "nothing", "the public SSH key of whoever signs bundles")
    for key in values.get("cluster_bundle_signers", []):
        if not is_public_key(key):
            yield Problem("cluster_bundle_signers", repr(key), "public SSH keys, such as ssh-ed25519 AAAA…")
    for name in _OTHER_SOURCES:
        if values.get(name):
            # A proxy may have a password in its URL.
            yield Problem(name, "a value (not shown)", "nothing, because cluster_artifact_source is bundle, and hosts download nothing")
    for entry in values.get("cluster_registries", []):
        if entry["mirrors"]:
            yield Problem(f"cluster_registries, {entry['host']}", "mirrors", "none, because cluster_artifact_source is bundle, which has the images")


def check_content(directory: str, signers: t.Sequence[str]) -> list[Problem]:
    """Check the signature of a bundle, and every file that it lists."""
    try:
        lock = opened(directory, signers)
    except CatalogError as error:
        return [_problem(error)]
    found = broken(Path(directory), lock)
    problems = [Problem(f"cluster_bundle, {path}", found[path], f"the content with SHA-256 {lock.files[path].sha256}") for path in [*found][:_MOST_SHOWN]]
    if len(found) > _MOST_SHOWN:
        problems.append(Problem("cluster_bundle", f"{len(found)} such files", "none. Unpack the bundle again, and the older one first if it is a delta"))
    return problems


def check_parts(hosts: t.Mapping[str, tuple[Values, t.Sequence[str], Values]], versions: Versions) -> list[Problem]:
    """Check that the bundle has everything that each host needs, given its variables, groups and facts."""
    problems = {}
    for values, groups, facts in hosts.values():
        if values["cluster_artifact_source"] != "bundle" or "error" in facts:
            continue
        try:
            lock = opened(values["cluster_bundle"], values["cluster_bundle_signers"])
            codename = CODENAMES.get((facts["operating_system"], facts["operating_system_version"]), "")
            wheels = values["cluster_topology"] == "cf_routing" and "master" in groups
            needed(lock, load(versions), groups, facts["architecture"], codename, facts["python_version"] if wheels else "")
        except CatalogError as error:
            problems[str(error)] = _problem(error)
    return list(problems.values())


def _problem(error: CatalogError) -> Problem:
    """Return an error as a problem."""
    told = re.fullmatch(r"(.*?): found (.*?), expected (.*)", str(error), re.DOTALL)
    return Problem(*told.groups()) if told else Problem("cluster_bundle", str(error), "an unpacked bundle")
