# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks that read a cluster: instances, health and logs."""

from __future__ import annotations

import json
import re
import tarfile

import pytest
from playbook import Run

HOSTS = ["proxy-0", "master-0", "master-1", "worker-0", "worker-1", "worker-2", "etcd-0", "etcd-1", "etcd-2"]

testinfra_hosts = ["ansible://master-1?force_ansible=False"]


@pytest.fixture
def report(tmp_path):
    """Return the report of playbook instances."""
    run = Run("instances.yml", "--extra-vars=format=json", f"--extra-vars=output={tmp_path}/report.json")
    assert run.end() == 0, run.text
    return json.loads((tmp_path / "report.json").read_text())


def test_every_host_is_healthy(report):
    assert report["findings"] == []
    assert list(report["hosts"]) == HOSTS
    assert {host["state"] for host in report["hosts"].values()} == {"healthy"}
    assert [len(host["units"]) for host in report["hosts"].values()] == [7, 8, 8, 8, 8, 8, 5, 5, 5]
    assert sorted(host["etcd"]["role"] for host in report["hosts"].values() if host["etcd"]) == ["follower", "follower", "leader"]
    assert {host["node"]["condition"] for host in report["hosts"].values() if host["group"] == "worker"} == {"Ready"}
    print(f"\nA health check of {len(HOSTS)} hosts takes {report['seconds']} s.")


def test_a_stopped_unit_is_reported(host):
    assert Run("health.yml").end() == 0
    host.check_output("systemctl stop kube-scheduler")
    try:
        run = Run("health.yml")
        assert run.end() != 0, run.text
    finally:
        host.check_output("systemctl start kube-scheduler")
    assert "1 finding; hosts: " in run.text
    assert re.search("master-1 +critical +unit +kube-scheduler: found is inactive, expected active and healthy", run.text), run.text


def test_logs_have_no_secrets(host, tmp_path):
    run = Run("logs.yml", "--limit=master-1:etcd-0", f"--extra-vars=output={tmp_path}/logs.tar.gz")
    assert run.end() == 0, run.text
    with tarfile.open(tmp_path / "logs.tar.gz") as archive:
        texts = {member.name: archive.extractfile(member).read().decode() for member in archive}
    assert {name.split("/")[0] for name in texts} == {"master-1", "etcd-0"}
    assert "kube-apiserver[" in texts["master-1/journal/kube-apiserver.log"]
    assert texts["master-1/configuration/etc/kubernetes/pki/kube-apiserver.crt"].startswith("-----BEGIN CERTIFICATE-----")
    everything = "".join(texts.values())
    assert "PRIVATE KEY" not in everything
    # Long words of private keys and of the encryption configuration. Certificates share some of them, such as the public part of a key.
    find = "find /etc/*/pki /etc/kubernetes -name '*.key' -o -name encryption.yaml"
    secret = {line.strip() for path in host.check_output(find).split() for line in host.file(path).content_string.splitlines()}
    secret = {word for line in secret if "-----" not in line for word in re.findall(r"[A-Za-z0-9+/=]{24,}", line)}
    certificates = "".join(text for name, text in texts.items() if name.endswith(".crt"))
    assert len(secret) > 20
    assert not [word for word in secret if word in everything and word not in certificates]
