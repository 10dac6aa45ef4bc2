# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name servers of hosts and pods, for different name servers that a host had before."""

from __future__ import annotations

import pytest
import yaml
from _role_variables import renderer

OURS = "127.0.0.2"


@pytest.fixture
def render():
    """Return a function that renders a variable of the role on a host with these name servers."""
    of_role = renderer("dns/vars/main.yml")

    def run(name, found, configured=(), resolved=False):
        host = {
            "dns_address": OURS,
            "dns_upstreams": list(configured),
            "cluster_host_address": "10.0.0.7",
            "cluster_internal_domain": "cfcr.internal",
            "ansible_facts": {"cfcr_host": {"nameservers": list(found), "search": [], "resolved": resolved}},
        }
        return of_role(name, **host)

    return run


def servers(resolv_conf):
    return [line.split()[1] for line in resolv_conf.splitlines() if line.startswith("nameserver ")]


@pytest.mark.parametrize("found", [[], ["10.0.0.2"], ["10.0.0.2", "10.0.0.3", "10.0.0.4"], ["127.0.0.1", "10.0.0.2"]])
def test_a_second_run_changes_nothing(render, found):
    first = render("__dns_upstreams", found)
    left = servers(render("__dns_resolv_conf", found))
    assert left == [OURS, *found[:2]]
    assert render("__dns_upstreams", left) == first
    assert render("__dns_resolv_conf", left) == render("__dns_resolv_conf", found)


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (["127.0.0.1", "127.0.1.1", "10.0.0.2"], ["127.0.0.1", "10.0.0.2"]),
        (["127.0.0.1", "127.0.1.1", "127.0.0.3"], ["127.0.0.1", "127.0.1.1"]),
    ],
)
def test_one_that_pods_reach_is_kept(render, found, kept):
    left = servers(render("__dns_resolv_conf", found))
    assert left == [OURS, *kept] and render("__dns_upstreams", left) == kept


def test_configured_name_servers_are_all_used(render):
    configured = ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    assert render("__dns_upstreams", ["10.9.9.9"], configured) == configured
    assert servers(render("__dns_resolv_conf", ["10.9.9.9"], configured)) == [OURS, "10.0.0.2", "10.0.0.3"]


@pytest.mark.parametrize(
    ("found", "pods"),
    [
        (["10.0.0.2", "fd00::2"], ["10.0.0.2"]),
        (["2a02::1", "2a02::2", "192.168.0.1"], ["192.168.0.1"]),
        (["fe80::1%eth0", "10.0.0.2"], ["10.0.0.2"]),
        (["127.0.0.1", "10.0.0.2"], ["10.0.0.2"]),
        (["127.0.0.1", "127.0.1.1", "10.0.0.2"], ["10.0.0.2"]),
        (["::1", "10.0.0.2"], ["10.0.0.2"]),
        (["127.0.0.1"], ["10.0.0.7"]),
        ([], ["10.0.0.7"]),
    ],
)
def test_pods_use_only_name_servers_that_they_reach_and_have_at_least_one(render, found, pods):
    assert render("__dns_upstreams_of_pods", found) == pods


def test_the_resolver_and_the_host_use_ipv4_only(render):
    """PowerDNS recursor sends no queries over IPv6, and refuses the interface of a link-local address."""
    found = ["fe80::1%eth0", "2a02::1", "2a02::2", "192.168.0.1"]
    assert render("__dns_upstreams", found) == ["192.168.0.1"]
    assert servers(render("__dns_resolv_conf", found)) == [OURS, "192.168.0.1"]


# The settings of PowerDNS recursor: the names before version 5, and since then.
NOTATIONS = {
    "local-address": "incoming.listen",
    "local-port": "incoming.port",
    "threads": "recursor.threads",
    "security-poll-suffix": "recursor.security_poll_suffix",
    "minimum-ttl-override": "recursor.minimum_ttl_override",
    "disable-packetcache": "packetcache.disable",
    "dont-throttle-netmasks": "outgoing.dont_throttle_netmasks",
    "forward-zones": "recursor.forward_zones",
    "forward-zones-recurse": "recursor.forward_zones_recurse",
    "dnssec": "dnssec.validation",
}


def before_5(value):
    """Return a value as versions before 5 write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(f"{zone['zone']}={';'.join(zone['forwarders'])}" if isinstance(zone, dict) else zone for zone in value)
    return str(value)


@pytest.mark.parametrize("found", [[], ["10.0.0.2"], ["10.0.0.2", "10.0.0.3"]])
def test_both_notations_of_the_recursor_have_the_same_settings(render, found):
    lines = [line for line in render("__dns_recursor_conf", found).splitlines() if not line.startswith("#")]
    sections = yaml.safe_load(render("__dns_recursor_yaml", found))
    settings = {f"{section}.{name}": value for section, its in sections.items() for name, value in its.items()}
    assert {NOTATIONS[name]: value for name, _equals, value in (line.partition("=") for line in lines)} == {
        name: before_5(value) for name, value in settings.items()
    }
    assert settings["recursor.forward_zones_recurse"] == [{"zone": ".", "forwarders": found or ["127.0.0.1:5300"]}]


@pytest.mark.parametrize(("resolved", "mode"), [(True, "resolved"), (False, "file")])
def test_files_of_systemd_resolved_are_not_changed(render, resolved, mode):
    assert render("__dns_mode", ["10.0.0.2"], resolved=resolved) == mode
    written = [file["path"] for file in render("__dns_files_by_mode", ["10.0.0.2"], resolved=resolved)[mode]]
    assert written == ([] if resolved else ["/etc/cfcr/resolv.conf", "/etc/resolv.conf"])


def test_systemd_resolved_routes_names_of_the_cluster_only(render):
    commands = render("__dns_resolved_commands", ["10.0.0.2"])
    assert {tuple(command.split()[1:]) for command in commands} >= {
        ("dns", "cfcr-dns", OURS),
        ("domain", "cfcr-dns", "~cfcr.internal"),
        ("default-route", "cfcr-dns", "no"),
    }
