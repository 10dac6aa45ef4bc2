# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host import forwarding


def chain(name: str, **options: str) -> dict[str, dict[str, str]]:
    return {"chain": {"family": "ip", "table": "filter", "name": name, **options}}


def test_chains_that_drop_forwarded_packets(monkeypatch):
    drop = {"hook": "forward", "policy": "drop"}
    listed = [
        {"metainfo": {"version": "1.0.6"}},
        chain("FORWARD", **drop),
        chain("forward", **drop, family="inet", table="firewalld"),
        chain("other", hook="forward", policy="accept"),
        chain("INPUT", hook="input", policy="drop"),
        chain("six", **drop, family="ip6"),
        chain("DOCKER"),
    ]
    monkeypatch.setattr(forwarding, "run", lambda *_words: json.dumps({"nftables": listed}))
    assert forwarding.dropping_chains() == ["ip filter FORWARD", "inet firewalld forward"]


@pytest.mark.parametrize("answer", [HostError("nft: No such file or directory"), "Error: JSON support not compiled-in"])
def test_nftables_that_cannot_be_read(monkeypatch, answer):
    def run(*_words):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(forwarding, "run", run)
    assert forwarding.dropping_chains() == []
