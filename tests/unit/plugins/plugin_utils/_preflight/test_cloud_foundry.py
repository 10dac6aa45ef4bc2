# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of topology cf_routing."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.cloud_foundry import check_cloud_foundry

PEM = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
VALUES = {
    "cluster_topology": "cf_routing",
    "cluster_api_host": "tcp.cf.example.com",
    "cluster_api_port": 8443,
    "cluster_host_address": "10.30.6.11",
    "cluster_service_cidr": "10.100.200.0/24",
    "cluster_pod_cidr": "10.200.0.0/16",
    "cf_routing_api_url": "https://api.cf.example.com",
    "cf_routing_uaa_url": "https://uaa.cf.example.com:8443",
    "cf_routing_ca": "",
    "cf_routing_client_id": "cfcr",
    "cf_routing_router_group": "default-tcp",
    "cf_routing_ttl": 60,
    "cf_routing_sni": True,
    "cf_routing_app_domain": "apps.cf.example.com",
    "cf_routing_domains": ["example.org"],
    "cf_routing_namespaces": {
        "shop": {"hosts": ["www.example.org", "shop.apps.cf.example.com"], "domains": ["shop.apps.cf.example.com"], "ports": [10000, "10010-10019"]},
        "pay": {"hosts": ["pay.shop.apps.cf.example.com"], "ports": ["10001"]},
        "root": {"domains": ["example.org"]},
        "none": {},
    },
    "cf_routing_nats_servers": ["tls://10.0.16.5:4224"],
    "cf_routing_nats_ca": PEM,
    "cf_routing_nats_certificate": PEM,
    "cf_routing_subnet": "10.0.16.0/20",
}


def test_a_complete_inventory_has_no_problem():
    assert list(check_cloud_foundry(VALUES)) == []


def test_no_http_routes_need_no_nats():
    without = {"cf_routing_app_domain": "", "cf_routing_domains": [], "cf_routing_nats_servers": [], "cf_routing_nats_ca": ""}
    assert list(check_cloud_foundry({**VALUES, **without, "cf_routing_namespaces": {"shop": {"ports": [10000]}}})) == []


def test_other_topologies_need_nothing_of_it():
    assert list(check_cloud_foundry({"cluster_topology": "proxy", "cf_routing_api_url": ""})) == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("cf_routing_api_url", "", "nothing"),
        ("cf_routing_api_url", "http://api.cf.example.com", "http://api.cf.example.com"),
        ("cf_routing_uaa_url", "uaa.cf.example.com", "uaa.cf.example.com"),
        ("cf_routing_uaa_url", "https://uaa.cf.example.com:port", "https://uaa.cf.example.com:port"),
        ("cf_routing_client_id", "", "nothing"),
        ("cf_routing_router_group", "", "nothing"),
        ("cf_routing_ca", "/etc/ssl/ca.crt", "no certificate"),
        ("cluster_api_port", 443, "443"),
        ("cf_routing_ttl", 121, "121"),
        ("cf_routing_ttl", 5, "5"),
        ("cf_routing_tcp_backends", 0, "0"),
        ("cf_routing_isolation_segments", ["edge", ""], "an empty name"),
        ("cf_routing_nats_tls_hostname", "10.0.16.5", "10.0.16.5"),
        ("cluster_api_host", "10.0.16.9", "10.0.16.9"),
        ("cf_routing_app_domain", "apps_cf", "apps_cf"),
        ("cf_routing_domains", ["example.org", "*.x.org"], "*.x.org"),
        ("cf_routing_nats_servers", ["nats://10.0.16.5:4222"], "nats://10.0.16.5:4222"),
        ("cf_routing_nats_servers", ["tls://nats:secret@10.0.16.5:4224"], "a URL with a user and maybe a password"),
        ("cf_routing_nats_ca", "", "nothing"),
        ("cf_routing_nats_certificate", "x", "no certificate"),
        ("cf_routing_subnet", "10.0.16.1/20", "10.0.16.1/20"),
        ("cluster_pod_cidr", "10.0.0.0/16", "10.0.0.0/16, which overlaps cf_routing_subnet 10.0.16.0/20"),
        ("cluster_host_address", "10.0.16.11", "10.0.16.11, in cf_routing_subnet 10.0.16.0/20"),
    ],
)
def test_a_problem_says_what_is_expected(name, value, found):
    (problem,) = check_cloud_foundry({**VALUES, "cf_routing_namespaces": {}, name: value})
    assert (problem.subject, problem.found) == (name, found)
    assert problem.expected


@pytest.mark.parametrize("name", ["cf_routing_app_domain", "cf_routing_nats_servers"])
def test_http_routes_need_a_domain_and_nats(name):
    (problem,) = check_cloud_foundry({**VALUES, "cf_routing_domains": [], "cf_routing_namespaces": {}, name: type(VALUES[name])()})
    assert problem.subject == name


@pytest.mark.parametrize("name", ["cf_routing_app_domain", "cf_routing_domains"])
@pytest.mark.parametrize(
    "domain",
    ["cf.example.com", "CF.example.com", "example.com", "api.cf.example.com", "uaa.cf.example.com", "zone.uaa.cf.example.com", "login.cf.example.com"],
)
def test_a_domain_must_not_contain_cloud_foundrys_own_names(name, domain):
    """Somebody could label a Service http-route-sync=uaa, and would get a share of the logins."""
    values = {**VALUES, "cf_routing_namespaces": {}, name: domain if name == "cf_routing_app_domain" else [domain]}
    (problem,) = check_cloud_foundry(values)
    assert (problem.subject, problem.found) == (name, domain) and "Cloud Foundry itself" in problem.expected


def test_more_domains_need_one_of_the_apps():
    without = {"cf_routing_app_domain": "", "cf_routing_nats_servers": [], "cf_routing_namespaces": {}}
    (problem,) = check_cloud_foundry({**VALUES, **without})
    assert problem.subject == "cf_routing_domains"


@pytest.mark.parametrize(
    ("namespace", "binding", "subject", "found"),
    [
        ("Shop", {}, "", "Shop"),
        ("a.b", {}, "", "a.b"),
        ("shop", [], ".shop", "[]"),
        ("shop", {"host": []}, ".shop", "{'host': []}"),
        ("shop", {"hosts": "www.example.org"}, ".shop", "{'hosts': 'www.example.org'}"),
        ("shop", {"hosts": ["www.example.com"]}, ".shop.hosts", "www.example.com"),
        ("shop", {"hosts": ["shop"]}, ".shop.hosts", "shop"),
        ("shop", {"hosts": ["*.example.org"]}, ".shop.hosts", "*.example.org"),
        ("shop", {"hosts": ["Shop.example.org"]}, ".shop.hosts", "Shop.example.org"),
        ("shop", {"hosts": ["tcp.example.org"]}, ".shop.hosts", "tcp.example.org"),
        ("shop", {"hosts": ["a.example.org", "a.example.org"]}, ".shop.hosts", "a.example.org, which is bound to shop already"),
        ("shop", {"hosts": ["www.example.org"]}, ".shop.hosts", "www.example.org, which is bound to first already"),
        ("shop", {"domains": ["example.net"]}, ".shop.domains", "example.net"),
        ("shop", {"domains": ["x.example.org"]}, ".shop.domains", "x.example.org, which is bound to first already"),
        ("shop", {"ports": ["http"]}, ".shop.ports", "http"),
        ("shop", {"ports": ["10010-10001"]}, ".shop.ports", "10010-10001"),
        ("shop", {"ports": [80]}, ".shop.ports", "80"),
        ("shop", {"ports": [True]}, ".shop.ports", "True"),
        ("shop", {"ports": ["65535-65536"]}, ".shop.ports", "65535-65536"),
        ("shop", {"ports": ["8000-9000"]}, ".shop.ports", "8000-9000"),
        ("shop", {"ports": [10005]}, ".shop.ports", "10005, of which some are bound to first"),
        ("shop", {"ports": ["10009-10020"]}, ".shop.ports", "10009-10020, of which some are bound to first"),
    ],
)
def test_a_binding_that_cannot_match_is_refused(namespace, binding, subject, found):
    first = {"hosts": ["www.example.org"], "domains": ["x.example.org"], "ports": ["10000-10009"]}
    values = {**VALUES, "cluster_api_host": "tcp.example.org", "cf_routing_namespaces": {"first": first, namespace: binding}}
    (problem,) = check_cloud_foundry(values)
    assert (problem.subject, problem.found) == (f"cf_routing_namespaces{subject}", found)
    assert problem.expected
