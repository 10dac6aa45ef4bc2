# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The members of etcd as a host knows them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.peers import members, parse, strangers

ANSWER = json.dumps(
    [
        {"id": 10276657743932975437, "peerURLs": ["https://10.0.0.61:2380"], "name": "etcd-0", "clientURLs": ["https://10.0.0.61:2379"]},
        {"id": 16, "peerURLs": ["https://10.0.0.62:2380"], "name": "", "isLearner": True},
    ]
)
MEMBERS = [
    {"id": "10", "name": "", "peer_urls": ["https://10.0.0.62:2380"], "learner": True},
    {"id": "8e9e05c52164694d", "name": "etcd-0", "peer_urls": ["https://10.0.0.61:2380"], "learner": False},
]


def test_members_are_parsed():
    assert parse(ANSWER) == MEMBERS


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"units": []}', '{"units": [{"flags": {}}]}', '{"units": [{"flags": {"listen-peer-urls": 1}}]}'])
def test_a_host_without_a_member_has_no_list(tmp_path, record):
    assert members(tmp_path / "missing.json") is None
    (tmp_path / "etcd.json").write_text(record)
    assert members(tmp_path / "etcd.json") is None


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ({"etcd-0": "10.0.0.61", "etcd-1": "10.0.0.62"}, []),
        ({"another-name": "10.0.0.61", "etcd-1": "10.0.0.62"}, []),
        ({"etcd-0": "10.9.9.9"}, ["10 (10.0.0.62)"]),
        ({}, ["10 (10.0.0.62)", "etcd-0 (10.0.0.61)"]),
    ],
)
def test_a_member_is_known_by_name_or_address(hosts, expected):
    assert list(strangers(MEMBERS, hosts)) == expected


def test_any_peer_url_is_shown():
    assert list(strangers([{"id": "1", "name": "x", "peer_urls": ["https://[::1"], "learner": False}], {})) == ["x (https://[::1)"]
