# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The descriptor that a job leaves on its host."""

from __future__ import annotations

import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import descriptor as job_descriptor

OPTIONS = {
    "name": "etcd",
    "units": [{"name": "etcd", "health": [{"url": "http://127.0.0.1:2381/readyz", "ca_path": None, "condition": None}]}],
    "sysctls": {"vm.panic_on_oom": "0"},
    "directories": [{"path": "/var/lib/etcd"}],
    "pki": {"certificates": [{"path": "/etc/etcd/pki/server"}], "bundles": [{"path": "/etc/etcd/pki/ca.crt"}]},
}
FILES = [
    {"path": "/etc/etcd/etcd.env", "content": "plain", "secret": False},
    {"path": "/etc/etcd/password", "content": "hidden", "secret": True},
]


def test_a_descriptor_names_files_and_holds_no_content():
    text = job_descriptor.render(OPTIONS, FILES)
    assert json.loads(text) == {
        "name": "etcd",
        "units": [{"name": "etcd", "health": [{"url": "http://127.0.0.1:2381/readyz"}]}],
        "certificates": ["/etc/etcd/pki/server.crt"],
        "bundles": ["/etc/etcd/pki/ca.crt"],
        "sysctls": {"vm.panic_on_oom": "0"},
        "directories": ["/var/lib/etcd"],
        "files": ["/etc/etcd/etcd.env"],
        "secret_files": ["/etc/etcd/password", "/etc/etcd/pki/server.key"],
    }
    assert "hidden" not in text and "plain" not in text


def test_a_job_without_certificates_lists_none():
    descriptor = json.loads(job_descriptor.render({**OPTIONS, "pki": None}, []))
    assert descriptor["certificates"] == descriptor["bundles"] == descriptor["secret_files"] == []


def test_a_descriptor_has_the_reload_of_a_unit():
    reload = {"watch": ["/etc/a.cfg"], "url": "http://127.0.0.1/loaded"}
    descriptor = json.loads(job_descriptor.render({**OPTIONS, "units": [{"name": "a", "health": [], "reload": reload}]}, []))
    assert descriptor["units"] == [{"name": "a", "health": [], "reload": reload}]


def test_a_descriptor_has_what_a_unit_puts_into_the_kernel():
    kernel = {"tables": ["ip a"], "interfaces": []}
    descriptor = json.loads(job_descriptor.render({**OPTIONS, "units": [{"name": "a", "health": [], "kernel": {**kernel, "vxlan": None}}]}, []))
    assert descriptor["units"] == [{"name": "a", "health": [], "kernel": kernel}]


def test_all_descriptors_are_read(tmp_path):
    directory = tmp_path / job_descriptor.DIRECTORY
    assert job_descriptor.read_all(tmp_path) == []
    directory.mkdir(parents=True)
    for name in ("etcd", "dns"):
        (directory / f"{name}.json").write_text(job_descriptor.render({**OPTIONS, "name": name}, []))
    assert [descriptor["name"] for descriptor in job_descriptor.read_all(tmp_path)] == ["dns", "etcd"]
    (directory / "dns.json").write_text("{")
    with pytest.raises(HostError, match="dns.json"):
        job_descriptor.read_all(tmp_path)


def test_a_descriptor_written_before_0_9_0_is_read(tmp_path):
    path = tmp_path / job_descriptor.DIRECTORY / "etcd.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"name": "etcd", "units": [], "authorities": ["/etc/etcd/pki/ca.crt"]}')
    assert job_descriptor.read_all(tmp_path) == [{"name": "etcd", "units": [], "bundles": ["/etc/etcd/pki/ca.crt"], "sysctls": {}}]
