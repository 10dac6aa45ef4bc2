# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changelog of a release lists everything that the release adds."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
DOCUMENTED = sorted(path for kind in ("modules", "lookup", "filter") for path in (ROOT / "plugins" / kind).glob("*.py") if path.name != "__init__.py")
RELEASES = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"]
FRAGMENTS = [yaml.safe_load(path.read_text()) for path in (ROOT / "changelogs/fragments").glob("*.yml")]
COMING = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
VERSIONS = {*RELEASES, COMING}


def listed(kind: str) -> set[str]:
    """Return the objects of a kind that fragments and earlier releases list."""
    released = [release.get("objects", {}).get(kind, []) for release in RELEASES.values()]
    pending = [fragment.get(f"add object.{kind}", []) for fragment in FRAGMENTS]
    return {entry["name"] for entries in released + pending for entry in entries}


# antsibull-changelog lists a plugin as new if it was added in the version that is released.
@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_plugin_was_added_in_a_known_version(path):
    (version,) = re.findall(r'^version_added: "?([0-9.]+)"?$', path.read_text(), re.MULTILINE)
    assert version in VERSIONS


# antsibull-changelog does not read playbooks, so a fragment lists a new one.
@pytest.mark.parametrize("name", PLAYBOOKS)
def test_playbook_is_in_the_changelog(name):
    assert name in listed("playbook")


# It lists a role by the version of its entry point main. A fragment lists a new role that has no such entry point.
@pytest.mark.parametrize("path", sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")), ids=lambda path: path.parts[-3])
def test_role_is_in_the_changelog(path):
    main = yaml.safe_load(path.read_text())["argument_specs"].get("main")
    if main is None:
        assert path.parts[-3] in listed("role")
    else:
        assert main["version_added"] in VERSIONS
