# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration: all mistakes are reported at once."""

from __future__ import annotations

import json

import pytest
from cf_routing.config import REGISTRAR, ROUTE_SYNC, ConfigError, load


@pytest.fixture
def sync(tmp_path) -> dict:
    file = tmp_path / "file"
    file.write_text("x")
    uaa = {"url": "https://uaa.example.com", "client_id": "cfcr", "client_secret_file": str(file)}
    return {
        "cluster": "cfcr",
        "kubeconfig": str(file),
        "lease": {"identity": "master-0"},
        "listen": "127.0.0.1:10280",
        "uaa": uaa,
        "routing_api": {"url": "https://api.example.com", "router_group": "default-tcp", "ca_file": None},
    }


def read(tmp_path, config, table=ROUTE_SYNC):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return load(str(path), table)


def mistakes(tmp_path, config, table=ROUTE_SYNC) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, config, table)
    return [line.partition("config.json: ")[2] for line in str(caught.value).splitlines()]


def test_defaults(tmp_path, sync):
    config = read(tmp_path, sync)
    assert config["lease"] == {"identity": "master-0", "namespace": "kube-system", "name": "cf-route-sync"}
    assert config["nats"] is None and config["app_domain"] is None and config["domains"] == []
    assert config["routing_api"]["ttl"] == 60 and config["routing_api"]["sni_hostname"] is None


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"cluster": "A B"}, "cluster: found \"A B\", expected a name of lower-case letters, digits, '-' and '.'"),
        ({"listen": "localhost:1"}, 'listen: found "localhost:1", expected an IP address and a port, such as 127.0.0.1:10280'),
        ({"kubeconfig": "/no/such"}, 'kubeconfig: found "/no/such", expected the absolute path of a readable file'),
        ({"routing_api": []}, "routing_api: found [], expected an object"),
        ({"nats": {"servers": []}}, "nats.servers: found [], expected a list of at least 1"),
        ({"domains": ["example.com", "*"]}, 'domains[1]: found "*", expected a DNS name such as apps.example.com'),
        ({"reserved": {"ports": [0]}}, "reserved.ports[0]: found 0, expected a whole number from 1 to 65535"),
        ({"namespaces": {"A": {}}}, "namespaces: found key \"A\", expected a name of lower-case letters, digits, '-' and '.'"),
        ({"namespaces": {"shop": {"hosts": ["*.x.org"]}}}, 'namespaces.shop.hosts[0]: found "*.x.org", expected a DNS name such as apps.example.com'),
        (
            {"namespaces": {"shop": {"ports": [10000, "10010-10001"]}}},
            'namespaces.shop.ports[1]: found "10010-10001", expected a port such as 10000, or a range such as 10000-10009',
        ),
        ({"bound_only": "yes"}, 'bound_only: found "yes", expected true or false'),
        ({"uaa": None}, "uaa: missing, but routing_api needs it for its tokens"),
        ({"uaa": None, "routing_api": None}, "routing_api, nats: both missing, expected at least one"),
        (
            {"more": 1},
            "more: unknown key, expected one of cluster, kubeconfig, lease, listen, app_domain, domains, reserved, namespaces, bound_only, uaa, "
            "routing_api, nats",
        ),
    ],
)
def test_mistakes(tmp_path, sync, change, mistake):
    assert mistake in mistakes(tmp_path, {**sync, **change})


def test_nats_needs_a_domain(tmp_path, sync):
    file = sync["kubeconfig"]
    nats = {
        "servers": ["tls://10.0.0.5:4224"],
        "user": "nats",
        "password_file": file,
        "ca_file": file,
        "certificate_file": file,
        "key_file": file,
    }
    assert mistakes(tmp_path, {**sync, "nats": nats}) == ["app_domain: missing, but nats needs it for HTTP routes"]
    assert read(tmp_path, {**sync, "nats": nats, "app_domain": "apps.example.com"})


def test_registrar(tmp_path, sync):
    file = sync["kubeconfig"]
    routing_api = {**sync["routing_api"], "port": 8443}
    config = {key: sync[key] for key in ("listen", "uaa")}
    config = {
        **config,
        "routing_api": routing_api,
        "backend": {"ip": "10.0.0.1", "port": 8443},
        "ready": {"url": "https://127.0.0.1:8443/readyz", "ca_file": file},
    }
    assert read(tmp_path, config, REGISTRAR)["routing_api"]["sni_hostname"] is None
    config["routing_api"]["port"] = True
    config["backend"]["ip"] = "master-0"
    assert mistakes(tmp_path, config, REGISTRAR) == [
        "routing_api.port: found true, expected a whole number from 1 to 65535",
        'backend.ip: found "master-0", expected an IPv4 address, because the TCP routers ignore others',
    ]


def test_invalid_json_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match="line 1 column"):
        load(str(path), ROUTE_SYNC)
