# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of site.yml keeps the versions of a cluster."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import CatalogError, record, resolve
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.problems import Problem
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.versions import check_versions, check_workers, versions_of_cluster

OLD, NEW = resolve("1.35"), resolve("1.36")
WORKER = {"kubelet": "1.35.4", "containerd": "2.3.7", "runc": "1.5.2", "cni-plugins": "1.9.1", "flannel": "0.28.10"}
HOSTS = [WORKER, {"etcd": "3.6.15"}, {}]


def test_a_new_cluster_gets_the_versions_of_its_release():
    assert versions_of_cluster("1.36", {}, [], []) == NEW


def test_a_new_host_of_a_cluster_has_nothing_to_say():
    assert versions_of_cluster("1.36", record(OLD), [{}, {"kubelet": "1.36.3"}], ["worker-9"]) == OLD


def test_without_a_record_the_hosts_tell():
    assert versions_of_cluster("1.36", {}, HOSTS, []) == OLD


def test_without_a_record_a_part_of_the_hosts_must_know_everything():
    """Otherwise a repair of one host would take the release for the versions of the cluster."""
    assert versions_of_cluster("1.36", {}, HOSTS, ["worker-2"]) == OLD
    with pytest.raises(CatalogError, match="no host with kubernetes, containerd, runc, cni-plugins, flannel, expected a first"):
        versions_of_cluster("1.36", {}, HOSTS[1:], ["worker-0"])


@pytest.mark.parametrize("version", ["1.36", "1.36.3"])
def test_the_same_versions_are_right_by_whatever_name(version):
    assert list(check_versions(version, NEW)) == []


def test_other_versions_name_those_that_differ_and_both_ways_out():
    assert list(check_versions("1.36", OLD)) == [
        Problem(
            "cluster_kubernetes_version",
            "1.36, which has kubernetes 1.36.3, etcd 3.6.16, containerd 2.4.2",
            "the versions of the cluster, kubernetes 1.35.4, etcd 3.6.15, containerd 2.3.7: playbook update changes them, "
            "and cluster_kubernetes_version 1.35 keeps them",
        )
    ]


def test_a_collection_with_other_versions_of_the_same_release_is_no_update():
    (problem,) = check_versions("1.36", {**NEW, "runc": "1.4.3"})
    assert problem.found == "1.36, which has runc 1.5.2"
    assert problem.expected == "the versions of the cluster, runc 1.4.3: playbook update changes them"


def test_a_worker_that_missed_an_update_is_not_changed_below_its_pods():
    """A new one, one with the versions and one with another patch are right."""
    workers = {"w0": WORKER, "w1": {}, "w2": {"kubelet": "1.36.3", "containerd": "2.4.2"}, "w3": {"kubelet": "1.36.1", "containerd": "2.4.0"}}
    assert list(check_workers(workers, NEW)) == [
        Problem("w0", "kubelet 1.35.4", "1.36.3: playbook update drains the worker first"),
        Problem("w0", "containerd 2.3.7", "2.4.2: playbook update drains the worker first"),
    ]


def test_a_cluster_of_a_minor_that_the_catalog_does_not_have_is_named():
    with pytest.raises(CatalogError, match=r"found Kubernetes 1\.33\.2, expected a minor of the catalog"):
        versions_of_cluster("1.36", {"kubernetes": "1.33.2"}, [], [])
