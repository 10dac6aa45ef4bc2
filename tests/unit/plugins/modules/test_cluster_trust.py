# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting until every namespace has the CA bundle."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.x509 import new_authority, new_private_key, now
from ansible_collections.cfcr.kubernetes.plugins.modules import cluster_trust

OLD, NEW = (new_authority("kubernetes", 100, new_private_key("ecdsa-p256"), now()) for _number in range(2))


class Cluster:
    """A cluster whose namespaces change between two looks; after the last one the time is up."""

    def __init__(self, *looks):
        self.looks = list(looks)

    def list(self, _group, _kind, **_query):
        return [{"metadata": {"namespace": name}, **({"data": {"ca.crt": bundle}} if bundle else {})} for name, bundle in self.looks[0].items()]

    def pause(self, problem):
        del self.looks[0]
        if not self.looks:
            raise KubernetesError(problem())


def test_it_waits_for_all_namespaces():
    looks = [{}, {"default": NEW, "emptied": None}, {"default": NEW, "emptied": OLD}, {"default": NEW, "emptied": NEW}]
    assert cluster_trust.wait_for_roots(Cluster(*looks), NEW) == 2


@pytest.mark.parametrize(
    ("namespaces", "told"),
    [({"default": NEW, "other": OLD}, "CAs in other, expected"), ({"default": OLD + NEW}, "CAs in default, expected"), ({}, "CAs in no namespace at all")],
)
def test_it_names_those_that_have_others(namespaces, told):
    with pytest.raises(KubernetesError, match=told):
        cluster_trust.wait_for_roots(Cluster(namespaces), NEW)
