# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which issuers preflight refuses."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.oidc import check_oidc

URL = "https://issuer.example.com"


def issuer(url=URL, audiences=("kubernetes",), prefix="oidc:", groups=None):
    mappings = {"username": {"claim": "sub", "prefix": prefix}, **({"groups": groups} if groups else {})}
    return {"issuer": {"url": url, "audiences": list(audiences)}, "claimMappings": mappings}


def names(*entries):
    return [problem.subject for problem in check_oidc({"cluster_oidc": list(entries)})]


def test_good_issuers_are_accepted():
    assert names() == []
    expression = {"issuer": {"url": f"{URL}/b", "audiences": ["k"]}, "claimMappings": {"username": {"expression": "'oidc:' + claims.sub"}}}
    assert names(issuer(groups={"claim": "groups", "prefix": "oidc:"}), expression) == []


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([issuer("http://issuer.example.com")], "cluster_oidc[0].issuer.url"),
        ([issuer(), issuer()], "cluster_oidc[1].issuer.url"),
        ([issuer(f"{URL}?tenant=a")], "cluster_oidc[0].issuer.url"),
        ([issuer("https://me@issuer.example.com")], "cluster_oidc[0].issuer.url"),
        ([issuer(audiences=())], "cluster_oidc[0].issuer.audiences"),
        ([issuer(audiences=("a", "a"))], "cluster_oidc[0].issuer.audiences"),
        ([issuer(audiences=("a", "b"))], "cluster_oidc[0].issuer.audienceMatchPolicy"),
        ([{**issuer(), "claims": {}}], "cluster_oidc[0]"),
        ([issuer(prefix="")], "cluster_oidc[0].claimMappings.username.prefix"),
        ([issuer(prefix="system:")], "cluster_oidc[0].claimMappings.username.prefix"),
        ([issuer(prefix="sys")], "cluster_oidc[0].claimMappings.username.prefix"),
        ([issuer(groups={"claim": "groups", "prefix": "cfcr:"})], "cluster_oidc[0].claimMappings.groups.prefix"),
        ([{"issuer": {"url": URL, "audiences": ["k"]}}], "cluster_oidc[0].claimMappings.username"),
    ],
)
def test_bad_issuers_are_refused(entries, name):
    assert names(*entries) == [name]
