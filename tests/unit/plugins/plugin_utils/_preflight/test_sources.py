# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule of the proxy and of registries, broken once."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.sources import check_sources

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ENTRY = {"host": "registry.example.com:5000", "mirrors": [], "ca": "", "username": "", "password": ""}


def found(**values):
    return [f"{problem.subject}: {problem.found}" for problem in check_sources(values)]


def of(*entries):
    return found(cluster_registries=[{**ENTRY, **entry} for entry in entries])


def test_valid_values_have_no_problem():
    assert found(cluster_http_proxy="http://proxy.example.com:3128", cluster_no_proxy=["localhost", ".example.com", "10.0.0.0/8", "10.1.2.3"]) == []
    assert of({"ca": CA, "username": "cluster", "password": "x y"}, {"host": "docker.io", "mirrors": ["https://registry.example.com:5000/v2/hub"]}) == []
    assert found() == []


@pytest.mark.parametrize("proxy", ["proxy:3128", "https://proxy:3128", "http://proxy:3128/path", "http://proxy:0", "http://pro xy", "http://proxy%h"])
def test_a_wrong_proxy_is_named(proxy):
    assert found(cluster_http_proxy=proxy) == [f"cluster_http_proxy: {proxy!r}"]


def test_a_password_of_a_proxy_is_refused_and_not_shown():
    (problem,) = found(cluster_http_proxy="http://me:hidden@proxy:3128")
    assert "hidden" not in problem


@pytest.mark.parametrize("exception", ["https://example.com", "*", "10.0.0.0/33", "a b", "", "10.0.0.1/8"])
def test_a_wrong_exception_is_named(exception):
    assert found(cluster_no_proxy=[exception]) == [f"cluster_no_proxy: {exception!r}"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"host": "https://registry.example.com"}, "the host 'https://registry.example.com'"),
        ({"host": "registry.example.com/path"}, "the host 'registry.example.com/path'"),
        ({"host": f"{'a' * 48}.io"}, "the host"),
        ({"mirrors": ["mirror.example.com"]}, "the mirror 'mirror.example.com'"),
        ({"mirrors": ["https://mirror", "https://mirror"]}, "the mirror https://mirror 2 times"),
        ({"mirrors": ["https://me:hidden@mirror"]}, "a mirror with a user or password (not shown)"),
        ({"ca": "/etc/ca.crt"}, "a ca without certificates"),
        ({"password": "hidden"}, "a password without username"),
        ({"username": "a:b", "password": "hidden"}, "a username with a colon"),
        ({"username": "a", "password": "hidden\n"}, "control characters"),
        ({"username": "a", "mirrors": ["http://registry.example.com:5000"]}, "which has a username"),
    ],
)
def test_a_wrong_registry_is_named_without_its_password(entry, says):
    (problem,) = of(entry)
    assert says in problem
    assert "hidden" not in problem


def test_a_registry_has_one_entry():
    assert of({}, {}) == ["cluster_registries: registry.example.com:5000 2 times"]
