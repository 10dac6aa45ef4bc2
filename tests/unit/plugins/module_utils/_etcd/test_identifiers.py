# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IDs that etcd makes of URLs and a token. The first pair is in etcd's own documentation, as the IDs of its default configuration."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.identifiers import cluster_id, member_id

URL, TOKEN = "http://localhost:2380", "etcd-cluster"


def test_the_default_ids_of_etcd():
    assert member_id(URL, TOKEN) == 0x8E9E05C52164694D
    assert cluster_id([URL], TOKEN) == 0xCDF818194E3A8C32


def test_the_order_of_members_does_not_count_and_the_token_does():
    urls = [f"https://10.0.0.{number}:2380" for number in range(3)]
    assert cluster_id(urls, "a") == cluster_id(reversed(urls), "a") != cluster_id(urls, "b")
