# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for an inventory, which need no connection to a host. All functions are pure and take plain values."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
import typing as t
import urllib.parse
from collections import Counter

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._pki.certificate import MOST_CHARACTERS
from .._catalog.catalog import OLDEST_ETCD, Source, load, older_etcd, wrong_checksums
from .._catalog.ports import HOST_GROUPS, port_number, ports_of
from .bundle import check_bundle
from .cloud_foundry import check_cloud_foundry
from .names import LABEL, is_domain, is_host, is_name
from .oidc import check_oidc
from .problems import Problem, merge
from .sources import check_sources

__all__ = ("GROUPS", "Inventory", "check_inventory", "check_names", "check_values")

Values = t.Mapping[str, t.Any]
Network = ipaddress.IPv4Network

# The groups of a cluster, and those that a topology needs. A host is in one of them only: each group has its own certificates and keys,
# and the director's store has the keys of all CAs.
GROUPS = (*HOST_GROUPS, "director")
_ALWAYS_NEEDED = ("etcd", "master", "worker")
_NEEDED = {"proxy": (*_ALWAYS_NEEDED, "proxy")}
_INSTEAD_OF_PROXY = {"iaas_lb": "a load balancer replaces", "cf_routing": "Cloud Foundry's routers replace"}

# Variables that have the same value on all hosts of a cluster.
_SHARED = (
    "cluster_name", "cluster_topology", "cluster_kubernetes_version", "cluster_api_host", "cluster_api_port", "cluster_service_cidr",
    "cluster_dns_address", "cluster_pod_cidr", "cluster_domain", "cluster_internal_domain", "cluster_director", "cluster_store_backend",
    "cluster_store_directory", "cluster_pod_security", "cluster_registries",
)  # fmt: skip

# X.509 limits the common name of a CA, and the longest is "<cluster_name> front-proxy".
_LONGEST_NAME = MOST_CHARACTERS - len(" front-proxy")
_QUANTITY = r"[0-9]+(\.[0-9]+)?(m|[kMGT]|[KMGT]i)?"  # of resources in Kubernetes
_QUOTA_MIB = (256, 8192)
# Variables with values that no message shows.
_SECRET = re.compile("pass(word|phrase)|secret|token|registries")
_HAPROXY_OWN = ("api", "masters", "status")  # names that haproxy.cfg uses itself
_HOST_SUBNET = 24  # flannel leases one to each host
_FEWEST_SUBNETS = 4  # flannel refuses fewer


@dataclasses.dataclass(frozen=True)
class Inventory:
    """The values that the rules check."""

    groups: t.Mapping[str, t.Sequence[str]]
    values: t.Mapping[str, Values]  # by host of the cluster: its valid values of contract variables
    versions: t.Sequence[str] = ()  # of Kubernetes, in the catalog
    ports: t.Sequence[Values] = ()  # all ports of the catalog
    whole: bool = True  # whether the groups are complete, and not a slice of the cluster

    def hosts(self, *groups: str) -> list[str]:
        """Return the hosts of these groups, each once."""
        return list(dict.fromkeys(host for group in groups for host in self.groups.get(group, ())))


def check_names(names: t.Mapping[str, t.Iterable[str]], options: t.Collection[str]) -> list[Problem]:
    """Check that the contract has every cluster_* name. The names are by host."""
    found: dict[str, list[Problem]] = {}
    for host, its_names in names.items():
        unknown = sorted(name for name in its_names if name.startswith("cluster_") and name not in options)
        found[host] = [Problem(name, "an unknown name", _suggestion(name, options, "a name that role cluster documents")) for name in unknown]
    return merge(found)


def check_values(values: Values, options: t.Mapping[str, t.Mapping[str, t.Any]]) -> tuple[dict[str, t.Any], list[Problem]]:
    """Return the values with the type and the choices of the contract, and the problems of the others."""
    valid: dict[str, t.Any] = {}
    problems = []
    for name, option in options.items():
        try:
            value = values[name]
        except AnsibleError as error:
            problems.append(Problem(name, f"a template that fails: {error}", _kind(option)))
            continue
        unconverted = list(_unconverted(name, value, option))
        if unconverted:
            problems += unconverted
            continue
        result = ArgumentSpecValidator({name: dict(option)}).validate({name: value})
        if result.error_messages:
            # The message names the part of a structure that is wrong.
            found = "; ".join(result.error_messages) if "options" in option and not _SECRET.search(name) else _shown(name, value)
            problems.append(Problem(name, found, _kind(option)))
        else:
            valid[name] = result.validated_parameters[name]
    return valid, problems


def _unconverted(name: str, value: t.Any, option: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    """Check a dictionary and its lists of strings. The validator would convert other values, but roles use them as they are."""
    if option.get("options") and option["type"] == "dict" and not isinstance(value, dict):
        yield Problem(name, _shown(name, value), _kind(option))
        return
    for part, its in option.get("options", {}).items():
        found = value.get(part, []) if isinstance(value, dict) else []
        if its.get("elements") == "str" and not (isinstance(found, list) and all(isinstance(element, str) for element in found)):
            yield Problem(f"{name}.{part}", _shown(part, found), "a list of strings")


def check_inventory(inventory: Inventory) -> list[Problem]:
    """Return every problem of the inventory."""
    return [
        *(_groups(inventory) if inventory.whole else ()),
        *_exclusive_groups(inventory),
        *_ignored(inventory),
        *_shared_values(inventory),
        *merge({host: list(_contract(values, inventory)) for host, values in inventory.values.items()}),
        *_addresses(inventory),
    ]


def _groups(inventory: Inventory) -> t.Iterator[Problem]:
    """Check that each group of the topology has hosts."""
    topologies = sorted({values["cluster_topology"] for values in inventory.values.values() if "cluster_topology" in values}) or [""]
    for group in dict.fromkeys(group for topology in topologies for group in _NEEDED.get(topology, _ALWAYS_NEEDED)):
        if not inventory.hosts(group):
            others = set(inventory.groups) - set(GROUPS) - {"all", "ungrouped"}
            yield Problem(f"group {group}", "no hosts", _suggestion(group, others, "at least one host"))
    if len(topologies) == 1 and topologies[0] in _INSTEAD_OF_PROXY and inventory.hosts("proxy"):
        expected = f"no hosts: with cluster_topology {topologies[0]} {_INSTEAD_OF_PROXY[topologies[0]]} the proxies"
        yield Problem("group proxy", ", ".join(inventory.hosts("proxy")), expected)
    directors = inventory.hosts("director")
    if len(directors) > 1:
        yield Problem("group director", f"{len(directors)} hosts", "one host at most: there is one store")


def _exclusive_groups(inventory: Inventory) -> t.Iterator[Problem]:
    for host in inventory.hosts(*GROUPS):
        memberships = [group for group in GROUPS if host in inventory.groups.get(group, ())]
        if len(memberships) > 1:
            yield Problem(host, f"groups {' and '.join(memberships)}", f"one of {', '.join(GROUPS)}")


def _ignored(inventory: Inventory) -> t.Iterator[Problem]:
    """Check that every ignored host is a host of the cluster; a misspelt name would ignore nothing."""
    for host in inventory.groups.get("ignored", ()):
        if not any(host in inventory.groups.get(group, ()) for group in GROUPS):
            yield Problem(host, "only group ignored", _suggestion(host, inventory.hosts(*GROUPS), f"a host that is also in one of {', '.join(GROUPS)}"))


def _shared_values(inventory: Inventory) -> t.Iterator[Problem]:
    for name in _SHARED:
        hosts: dict[str, list[str]] = {}
        for host, values in inventory.values.items():
            if name in values:
                hosts.setdefault(str(values[name]), []).append(host)
        shown = {value: _shown(name, value) if _SECRET.search(name) else value for value in hosts}
        if len(hosts) > 1:
            # The most common value counts as right; hosts that differ are named.
            usual, *others = sorted(hosts, key=lambda value: -len(hosts[value]))
            differing = "; ".join(f"{shown[other] or 'nothing'} ({', '.join(hosts[other])})" for other in others)
            yield Problem(name, f"{shown[usual] or 'nothing'}, but {differing}", "one value for all hosts")


def _contract(values: Values, inventory: Inventory) -> t.Iterator[Problem]:
    """Check the values of one host that have the right types."""
    yield from _endpoint(values)
    yield from _address_of_endpoint(values, inventory)
    yield from _listeners(values)
    yield from _ports_of_proxies(values, inventory)
    yield from _director(values, inventory)
    yield from _names_and_domains(values)
    yield from _networks(values, inventory)
    yield from _name_servers(values)
    yield from _resolvers(values)
    yield from _reserved(values)
    yield from _sysctls(values)
    yield from _etcd(values)
    yield from _pod_security(values)
    yield from _firewall(values, inventory)
    yield from _lifetimes(values)
    yield from _artifacts(values, inventory)
    yield from check_sources(values)
    yield from check_bundle(values)
    yield from check_cloud_foundry(values)
    yield from check_oidc(values)


def _endpoint(values: Values) -> t.Iterator[Problem]:
    host, port = values.get("cluster_api_host"), values.get("cluster_api_port")
    if host is not None and not is_name(host) and not _address(host):
        yield Problem("cluster_api_host", host or "nothing", "the DNS name or IPv4 address at which users reach the API")
    if port is not None and not 0 < port < 65536:
        yield Problem("cluster_api_port", str(port), "a port, 1 to 65535")
    for name in values.get("cluster_api_alternative_names", []):
        if not is_host(name):
            yield Problem("cluster_api_alternative_names", name or "an empty name", "DNS names and IP addresses")


def _address_of_endpoint(values: Values, inventory: Inventory) -> t.Iterator[Problem]:
    """Check that the endpoint is not a host. Only a single master may be the endpoint, without a load balancer."""
    host = values.get("cluster_api_host", "")
    if values.get("cluster_topology") != "iaas_lb":
        return
    for network in ("cluster_service_cidr", "cluster_pod_cidr"):
        if _network(values, network) and _address(host) and _address(host) in _network(values, network):
            yield Problem("cluster_api_host", host, f"the address of the load balancer, outside {network}, {values[network]}")
    owners = [name for name, its_values in inventory.values.items() if host and host in (name, its_values.get("cluster_host_address"))]
    if owners and (owners != inventory.hosts("master") or values.get("cluster_api_port") != port_number("api_server")):
        yield Problem("cluster_api_host", f"{host}, which is {owners[0]}", "the load balancer's static address or DNS name: cluster_topology is iaas_lb")
    if values.get("proxy_listeners"):
        yield Problem("proxy_listeners", "listeners", "none: with cluster_topology iaas_lb use iaas_worker_listeners")


def _listeners(values: Values) -> t.Iterator[Problem]:
    """Check that each listener has a unique name and ports that HAProxy accepts."""
    listeners = values.get("proxy_listeners", [])
    for name, times in Counter(listener["name"] for listener in listeners).items():
        if not re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9]*", name) or name in _HAPROXY_OWN:
            yield Problem("proxy_listeners", f"the name {name!r}", f"letters, digits and hyphens, and none of {', '.join(_HAPROXY_OWN)}")
        if times > 1:
            yield Problem("proxy_listeners", f"the name {name} {times} times", "a unique name for each listener")
    for listener in listeners:
        for option in ("port", "node_port"):
            if not 0 < listener[option] < 65536:
                yield Problem("proxy_listeners", f"{option} {listener[option]} of {listener['name']}", "a port, 1 to 65535")


def _ports_of_proxies(values: Values, inventory: Inventory) -> t.Iterator[Problem]:
    """Check that the ports of HAProxy are free: otherwise it does not start, and the API has no endpoint."""
    if not inventory.hosts("proxy"):
        return
    fixed = [port for port in ports_of(inventory.ports, ["proxy"], {}) if port.protocol == "tcp"]
    taken = {number: port.component for port in fixed for number in range(port.first, port.last + 1)}
    chosen = [("cluster_api_port", values["cluster_api_port"], "the API")] if "cluster_api_port" in values else []
    chosen += [("proxy_listeners", listener["port"], listener["name"]) for listener in values.get("proxy_listeners", [])]
    for variable, port, user in chosen:
        if port in taken:
            yield Problem(variable, f"port {port} for {user}, which {taken[port]} uses", "a port that nothing else uses on a proxy")
        taken.setdefault(port, user)


def _director(values: Values, inventory: Inventory) -> t.Iterator[Problem]:
    """Check that the director is a host of the inventory, and runs no part of the cluster."""
    director = values.get("cluster_director")
    if director is None or director == "localhost":
        return
    if director not in inventory.hosts(*inventory.groups):
        yield Problem("cluster_director", director or "nothing", "a host of the inventory, or localhost")
    elif director in inventory.hosts(*(group for group in GROUPS if group != "director")):
        yield Problem("cluster_director", director, "a host in no other group of the cluster: it has the keys of all CAs")


def _names_and_domains(values: Values) -> t.Iterator[Problem]:
    name = values.get("cluster_name")
    if name is not None and not re.fullmatch(LABEL, name):
        yield Problem("cluster_name", name or "nothing", f"at most {_LONGEST_NAME} lower-case letters, digits and hyphens: names and paths contain it")
    elif name is not None and len(name) > _LONGEST_NAME:
        yield Problem("cluster_name", f"{name}, {len(name)} characters", f"{_LONGEST_NAME} or fewer: the names of the CAs contain it, and X.509 limits them")
    for variable in ("cluster_domain", "cluster_internal_domain"):
        domain = values.get(variable)
        if domain is not None and not is_domain(domain):
            yield Problem(variable, domain or "nothing", "a DNS domain")
    domain, internal = values.get("cluster_domain", ""), values.get("cluster_internal_domain", "")
    if domain and (f".{domain}".endswith(f".{internal}") or f".{internal}".endswith(f".{domain}")):
        yield Problem("cluster_internal_domain", internal, f"a domain that does not overlap cluster_domain, {domain}")


def _networks(values: Values, inventory: Inventory) -> t.Iterator[Problem]:
    for name in ("cluster_service_cidr", "cluster_pod_cidr"):
        if name in values and _network(values, name) is None:
            yield Problem(name, values[name] or "nothing", "an IPv4 network such as 10.0.0.0/16, without host bits")
    services, pods = _network(values, "cluster_service_cidr"), _network(values, "cluster_pod_cidr")
    if services and not 12 <= services.prefixlen <= 29:
        yield Problem("cluster_service_cidr", str(services), "a /12 to /29: the API server accepts no other size")
    if services and pods and services.overlaps(pods):
        yield Problem("cluster_pod_cidr", f"{pods}, which overlaps cluster_service_cidr {services}", "networks that do not overlap")
    if pods:
        yield from _room_for_hosts(pods, len(inventory.hosts("master", "worker", "proxy")))
    yield from _dns_address(values, services)


def _firewall(values: Values, inventory: Inventory) -> t.Iterator[Problem]:
    if not inventory.whole and values.get("cluster_firewall"):
        yield Problem("preflight_whole_inventory", "false", "true, or cluster_firewall: false, because each host's firewall lists all hosts")
    for name in ("cluster_firewall_sources", "cluster_firewall_ssh_pods"):
        for text in values.get(name, ()):
            if _any_network(text) is None:
                yield Problem(name, str(text), "addresses and networks such as 192.0.2.10 and 10.8.0.0/24, without host bits")


def _room_for_hosts(pods: Network, hosts: int) -> t.Iterator[Problem]:
    """Check that there is a subnet for each host of the overlay network. Flannel skips the first one."""
    subnets = 2 ** max(0, _HOST_SUBNET - pods.prefixlen) - 1
    if subnets < max(hosts, _FEWEST_SUBNETS - 1):
        longest = _HOST_SUBNET - max(hosts, _FEWEST_SUBNETS - 1).bit_length()
        yield Problem("cluster_pod_cidr", f"{pods}, room for {subnets} hosts", f"a /{longest} or larger: a /{_HOST_SUBNET} for each of {hosts} hosts")


def _dns_address(values: Values, services: Network | None) -> t.Iterator[Problem]:
    if "cluster_dns_address" not in values:
        return
    address = _address(values["cluster_dns_address"])
    if address is None:
        yield Problem("cluster_dns_address", values["cluster_dns_address"] or "nothing", "an IPv4 address")
    elif services and address not in services:
        yield Problem("cluster_dns_address", str(address), f"an address of cluster_service_cidr, {services}")
    elif services and address in (services[0], services[1], services[-1]):
        yield Problem("cluster_dns_address", str(address), f"neither the first nor the last of {services}, nor that of the service kubernetes, {services[1]}")


def _name_servers(values: Values) -> t.Iterator[Problem]:
    """Check the name servers that replace those of the hosts: resolv.conf of pods lists them."""
    for address in values.get("dns_upstreams", []):
        if _address(address) is None:
            yield Problem("dns_upstreams", address or "an empty address", "IPv4 addresses, without ports")


def _resolvers(values: Values) -> t.Iterator[Problem]:
    """Check that CoreDNS reaches its name servers: pods have IPv4 addresses only."""
    for resolver in values.get("addons_resolvers", []):
        if resolver.rpartition("://")[2].count(":") > 1:
            yield Problem("addons_resolvers", resolver, "IPv4 addresses, or files in the pod: pods have no IPv6 address")


def _reserved(values: Values) -> t.Iterator[Problem]:
    """Check the resources that kubelets reserve: a kubelet does not start with one that it cannot read."""
    for part, resources in values.get("worker_reserved", {}).items():
        for resource, quantity in (resources or {}).items():
            form, expected = (r"[0-9]+", "a whole number") if resource == "pid" else (_QUANTITY, "a quantity such as 100m or 512Mi")
            if quantity is not None and not re.fullmatch(form, str(quantity)):
                yield Problem(f"worker_reserved.{part}.{resource}", str(quantity), expected)


SYSCTLS_OF_OTHER_ROLES = {
    "net.ipv4.ip_forward": "flannel",
    "net.bridge.bridge-nf-call-iptables": "flannel",
    "net.ipv4.ip_local_reserved_ports": "kube_proxy",
}


def _sysctls(values: Values) -> t.Iterator[Problem]:
    """Check the kernel parameters of workers: a host fails at a name or a value that the kernel does not take."""
    for name, value in values.get("worker_sysctls", {}).items():
        if not re.fullmatch(r"[a-z][\w-]*(\.[\w-]+)+", str(name)):
            yield Problem("worker_sysctls", str(name), "names such as vm.overcommit_memory")
        elif name in SYSCTLS_OF_OTHER_ROLES:
            yield Problem("worker_sysctls", str(name), f"other names: role {SYSCTLS_OF_OTHER_ROLES[name]} sets it, on the same hosts")
        elif not re.fullmatch(r"[^\n]+", str(value)) or isinstance(value, (dict, list, bool)) or value is None:
            yield Problem(f"worker_sysctls.{name}", str(value) or "an empty value", "a number or a text of one line")


def _etcd(values: Values) -> t.Iterator[Problem]:
    """Check the quota. etcd takes 0 for its default and a negative one for none, and warns above 8 GiB, since it starts slowly with more."""
    quota = values.get("etcd_quota_mib")
    if quota is not None and not _QUOTA_MIB[0] <= quota <= _QUOTA_MIB[1]:
        yield Problem("etcd_quota_mib", str(quota), f"{_QUOTA_MIB[0]} to {_QUOTA_MIB[1]}")


def _pod_security(values: Values) -> t.Iterator[Problem]:
    """Check the exempt namespaces: the API server does not start if one is no name, or is there twice."""
    for name, times in Counter(values.get("cluster_pod_security", {}).get("exempt_namespaces", [])).items():
        if not re.fullmatch(LABEL, name):
            yield Problem("cluster_pod_security", f"the exempt namespace {name!r}", "at most 63 lower-case letters, digits and hyphens")
        if times > 1:
            yield Problem("cluster_pod_security", f"the exempt namespace {name} {times} times", "a list without duplicates")


def _lifetimes(values: Values) -> t.Iterator[Problem]:
    before, days, authority = (
        values.get(f"cluster_{name}_days") for name in ("certificate_renew_before", "certificate", "authority")
    )
    if days is not None and days < 1:
        yield Problem("cluster_certificate_days", str(days), "1 or more")
    if days is not None and before is not None and not 0 <= before < days:
        yield Problem("cluster_certificate_renew_before_days", str(before), f"0 or more, and less than cluster_certificate_days, {days}")
    if days is not None and authority is not None and authority <= days:
        yield Problem("cluster_authority_days", str(authority), f"more than cluster_certificate_days, {days}")


def _artifacts(values: Values, inventory: Inventory) -> t.Iterator[Problem]:
    version = values.get("cluster_kubernetes_version")
    if version is not None and version not in inventory.versions:
        yield Problem("cluster_kubernetes_version", version or "nothing", f"a version in the catalog: {', '.join(inventory.versions)}")
    source, mirror = values.get("cluster_artifact_source"), values.get("cluster_artifact_mirror")
    if source in ("mirror", "build") and mirror is not None:
        if not _is_url(mirror):
            yield Problem("cluster_artifact_mirror", mirror or "nothing", f"a URL, because cluster_artifact_source is {source}")
        elif source == "mirror" and mirror.startswith("http://") and not values.get("cluster_artifact_checksums", True):
            yield Problem("cluster_artifact_checksums", "none", "checksums, because cluster_artifact_mirror is plain http; or a mirror over https")
    if version in inventory.versions and (found := older_etcd(load(version))):
        expected = f"etcd {OLDEST_ETCD} or later: with older ones, users can get around their roles"
        yield Problem("cluster_kubernetes_version", f"{version}, whose catalog has etcd {found}", expected)
    checksums = values.get("cluster_artifact_checksums")
    if version in inventory.versions and source and checksums:
        for path, found, expected in wrong_checksums(load(version), Source(source, checksums=checksums)):
            yield Problem(f"cluster_artifact_checksums, {path}", found, expected)


def _addresses(inventory: Inventory) -> t.Iterator[Problem]:
    """Check that each host has its own address, which the others can reach."""
    addresses = {}
    for host, values in inventory.values.items():
        if "cluster_host_address" not in values:
            continue
        address = _address(values["cluster_host_address"])
        if address is None or address.is_loopback or address.is_multicast or address.is_unspecified:
            found = values["cluster_host_address"] or "nothing"
            yield Problem(f"{host}: cluster_host_address", found, "an IPv4 address that the other hosts reach (default: ansible_host)")
            continue
        addresses[host] = address
        for name in ("cluster_service_cidr", "cluster_pod_cidr"):
            network = _network(values, name)
            if network and address in network:
                yield Problem(f"{host}: cluster_host_address", str(address), f"an address outside {name}, {network}")
    times = Counter(addresses.values())
    for address in (address for address, count in times.items() if count > 1):
        hosts = [host for host, its_address in addresses.items() if its_address == address]
        yield Problem(" and ".join(hosts), f"one address, {address}", "a separate address for each host")


def _network(values: Values, name: str) -> Network | None:
    try:
        return Network(values[name])
    except (KeyError, ValueError):
        return None


def _any_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def _is_url(text: str) -> bool:
    """Tell whether a text is an HTTP URL. An IPv6 address without brackets has no valid port."""
    try:
        url = urllib.parse.urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _suggestion(name: str, names: t.Collection[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.75)
    return f"{otherwise}; is {close[0]} meant?" if close else otherwise


def _kind(option: t.Mapping[str, t.Any]) -> str:
    """Return in words what an argument spec expects."""
    if option.get("choices"):
        return f"{'a list of' if option['type'] == 'list' else 'one of'} {', '.join(str(choice) for choice in option['choices'])}"
    if option.get("options") and option["type"] == "dict":
        return f"a dictionary with {', '.join(option['options'])}"
    if option.get("options"):
        return f"a list of dictionaries with {', '.join(option['options'])}"
    names = {"str": "a string", "int": "a whole number", "bool": "true or false", "path": "a path", "dict": "a dictionary", "list": "a list"}
    return names.get(option.get("type", "str"), str(option.get("type")))


def _shown(name: str, value: t.Any) -> str:
    """Return the value as text, unless it is a secret."""
    if _SECRET.search(name):
        return "a value (not shown)"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
