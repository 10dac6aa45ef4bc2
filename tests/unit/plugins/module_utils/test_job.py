# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a job is and what it should be."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils import _job
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

OPTIONS = {"name": "etcd", "kernel_modules": [], "sysctls": {}, "files": [], "secrets": {}}


def test_only_what_differs_is_shown():
    actual = {"files": {"/a": "1", "/b": "2"}, "sysctls": {}}
    wanted = {"files": {"/a": "1", "/b": "3", "/c": "4"}, "sysctls": {"x": "1"}}
    assert _job.differences(actual, wanted) == (
        {"files": {"/b": "2", "/c": None}, "sysctls": {"x": None}},
        {"files": {"/b": "3", "/c": "4"}, "sysctls": {"x": "1"}},
    )


def test_nothing_is_shown_where_all_is_as_wanted():
    assert _job.differences({"files": {"/a": "1", "/more": "x"}}, {"files": {"/a": "1"}}) == ({}, {})


def test_kernel_modules_and_sysctls_are_kept_for_the_next_boot():
    files = _job.all_files({**OPTIONS, "kernel_modules": ["vxlan", "overlay"], "sysctls": {"net.ipv4.ip_forward": "1"}})
    assert [(entry["path"], entry["content"]) for entry in files] == [
        ("/etc/modules-load.d/cfcr-etcd.conf", "vxlan\noverlay\n"),
        ("/etc/sysctl.d/60-cfcr-etcd.conf", "net.ipv4.ip_forward = 1\n"),
    ]


def test_a_secret_is_named_and_not_shown():
    entry = {"path": "/key", "content": "the key", "secret": True, "mode": "0600", "owner": "root"}
    (file,) = _job.all_files({**OPTIONS, "files": [entry], "secrets": {"the key": "hidden"}})
    assert file["content"] == "hidden"
    assert "hidden" not in str(_job.Job._shown(file, "hidden"))
    assert _job.Job._shown(file, "hidden") != _job.Job._shown(file, "something else")


def test_an_unknown_secret_is_an_error():
    entry = {"path": "/key", "content": "the key", "secret": True, "mode": "0600", "owner": "root"}
    with pytest.raises(HostError, match="/key.*the key.*there is: another"):
        _job.all_files({**OPTIONS, "files": [entry], "secrets": {"another": "x"}})


def test_a_unit_depends_on_its_program_and_on_what_it_watches(tmp_path):
    artifact = {"component": "etcd", "version": "3.6.16", "architectures": {name: {"files": {"etcd": ""}} for name in ("amd64", "arm64")}}
    unit = {"program": "etcd", "watch": [str(tmp_path / "certificate")]}
    before = _job.digest_of_dependencies(unit, [artifact], {})
    (tmp_path / "certificate").write_text("new")
    after = _job.digest_of_dependencies(unit, [artifact], {})
    assert before != after
    assert _job.digest_of_dependencies(unit, [artifact], {str(tmp_path / "certificate"): "new"}) == after
    assert _job.digest_of_dependencies(unit, [{**artifact, "version": "3.6.17"}], {}) != after
    assert "3.6.16" not in _job.digest_of_dependencies({**unit, "program": "another"}, [artifact], {})
