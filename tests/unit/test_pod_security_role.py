# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role pod_security asks the API only before a running cluster gets a stricter level."""

from __future__ import annotations

import pytest
from _role_variables import renderer


@pytest.fixture
def render():
    """Return a function that renders a variable of the role."""
    of_roles = renderer("cluster/defaults/main.yml", "cluster/vars/main.yml", "pod_security/vars/main.yml")

    def run(name, record="", bootstrapped=True, masters=("m0",), **others):
        credentials = {"pod-security": {"value": record}, "etcd-cluster": {"value": "2f" if bootstrapped else ""}}
        facts = {"groups": {"master": ["m0", "m1"]}, "ansible_play_hosts": ["w0", *masters], "director_credentials": {"credentials": credentials}}
        return of_roles(name, **facts, **others)

    return run


@pytest.mark.parametrize(
    ("record", "wanted", "asks"),
    [
        ("", {}, True),  # a cluster of version 0.9
        ("", {"enforce": "privileged"}, False),
        ("baseline kube-system", {}, False),
        ("baseline kube-system", {"enforce": "restricted"}, True),
        ("restricted kube-system", {}, False),
        ("privileged kube-system", {}, True),
        ("baseline kube-system monitoring", {}, True),
        ("baseline kube-system monitoring", {"enforce": "privileged"}, False),
        ("baseline kube-system", {"exempt_namespaces": ["monitoring", "kube-system"]}, False),
        ("baseline", {}, False),
        ("baseline kube-system", {"warn": "privileged"}, False),
    ],
)
def test_asks_if_the_level_becomes_stricter(render, record, wanted, asks):
    assert render("__pod_security_asks", record, cluster_pod_security=wanted) is asks


@pytest.mark.parametrize("others", [{"bootstrapped": False}, {"masters": ()}, {"cluster_pod_security_accept": True}], ids=lambda others: next(iter(others)))
def test_asks_nothing(render, others):
    """In a new cluster, in a run without masters, and if the operator has accepted."""
    assert render("__pod_security_asks", **others) is False


def test_the_record_is_what_the_next_run_compares(render):
    policy = {"exempt_namespaces": ["monitoring", "kube-system"]}
    record = render("__pod_security_wanted", cluster_pod_security=policy)
    assert record == "baseline kube-system monitoring"
    assert render("__pod_security_asks", record, cluster_pod_security=policy) is False
    assert render("__pod_security_formerly_exempt", record) == ["monitoring"]
