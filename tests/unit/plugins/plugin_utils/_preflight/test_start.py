# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a playbook was started: the version of Ansible, and options for tags."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.start import check_ansible, check_confirmation, check_tags


@pytest.mark.parametrize("version", ["2.19.0", "2.19.0rc1", "2.21.5", "2.100.1", "3.0.0"])
def test_versions_that_are_right(version):
    assert list(check_ansible(version)) == []


@pytest.mark.parametrize("version", ["2.14.18", "2.18.19", "2.9.27", "1.9"])
def test_an_older_version_is_refused_in_one_line(version):
    (problem,) = check_ansible(version)
    assert (problem.subject, problem.found) == ("ansible-core", version)
    assert problem.expected.startswith("2.19 or later") and "\n" not in problem.expected


@pytest.mark.parametrize(
    ("tags", "only", "skipped", "subjects"),
    [
        ([], ["etcd"], [], ["--tags"]),
        ([], ["always"], [], ["--tags"]),
        ([], ["tagged"], [], ["--tags"]),
        ([], ["untagged"], [], []),
        ([], ["all"], ["slow"], []),
        ([], ["all"], ["untagged"], ["--skip-tags"]),
        # Of a playbook that imports one of the collection with tags.
        (["kubernetes"], ["kubernetes"], [], []),
        (["kubernetes"], ["tagged"], [], []),
        (["kubernetes"], ["etcd"], [], ["--tags"]),
        (["kubernetes"], ["all"], ["kubernetes"], ["--skip-tags"]),
    ],
)
def test_tags_select_all_tasks_or_are_refused(tags, only, skipped, subjects):
    assert [problem.subject for problem in check_tags(tags, only, skipped)] == subjects


def test_the_typed_name_must_be_the_clusters():
    assert list(check_confirmation(None, "prod")) == []
    assert list(check_confirmation("prod", "prod")) == []
    (problem,) = check_confirmation("", "prod")
    assert (problem.subject, problem.found) == ("confirm_cluster", "no name")
    (problem,) = check_confirmation("test", "prod")
    assert (problem.found, problem.expected) == ("test", "prod, the name of this cluster. Nothing was changed")
