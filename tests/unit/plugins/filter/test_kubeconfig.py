# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The structure of a kubeconfig."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.filter.kubeconfig import FilterModule

kubeconfig = FilterModule().filters()["kubeconfig"]


def test_the_context_leads_to_the_cluster_and_the_user():
    config = kubeconfig("/etc/kubernetes/pki/kubelet-client", "https://master.cfcr.internal:8443", "/etc/kubernetes/pki/ca.crt", "kubelet")
    (context,) = [context["context"] for context in config["contexts"] if context["name"] == config["current-context"]]
    (cluster,) = [cluster["cluster"] for cluster in config["clusters"] if cluster["name"] == context["cluster"]]
    (user,) = [user["user"] for user in config["users"] if user["name"] == context["user"]]
    assert cluster == {"server": "https://master.cfcr.internal:8443", "certificate-authority": "/etc/kubernetes/pki/ca.crt"}
    assert user == {
        "client-certificate": "/etc/kubernetes/pki/kubelet-client.crt",
        "client-key": "/etc/kubernetes/pki/kubelet-client.key",
    }
