# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy of downloads."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils import _proxy


def test_without_a_proxy_the_environment_stays():
    assert _proxy.environment(None) == {}


def test_programs_find_the_proxy_in_either_case():
    variables = _proxy.environment({"url": "http://proxy:3128", "exceptions": [".example.com", "10.0.0.0/8"]})
    assert variables["http_proxy"] == variables["HTTPS_PROXY"] == "http://proxy:3128"
    assert variables["no_proxy"] == variables["NO_PROXY"] == ".example.com,10.0.0.0/8"


@pytest.mark.parametrize(
    ("url", "needed"),
    [
        ("https://github.com/file", True),
        ("http://10.1.2.3/file", False),
        ("http://10.1.2.3:8080/file", False),
        ("http://192.0.2.7/file", True),
        ("http://[2001:db8::1]/file", True),
    ],
)
def test_networks_are_exceptions(monkeypatch, url, needed):
    monkeypatch.setenv("no_proxy", "localhost,10.0.0.0/8,.example.com")
    assert _proxy.needs_proxy(url) is needed
