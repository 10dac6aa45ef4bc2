# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers to DNS queries on a host, also while other hosts, their services or its own resolver are down."""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import subprocess
import typing as t

import pytest
from scenario import killed, on, wait

ASK = (pathlib.Path(__file__).parents[1] / "ask.py").read_text(encoding="utf-8")
OURS, RESOLVED = "127.0.0.2", "127.0.0.53"
MASTER_0, MASTER_1, ETCD, PROXY = "10.30.42.11", "10.30.42.12", "10.30.42.61", "10.30.42.91"
HOSTS = {"master-0": MASTER_0, "master-1": MASTER_1, "etcd-0": ETCD, "proxy-0": PROXY}
ELSEWHERE = "192.0.2.1"
# BOSH DNS takes this long to drop a dead host.
SECONDS = 20
# The time a host may take to start.
START_SECONDS = 60


def ask(name: str, *names: str, times: int = 1, server: str = OURS) -> list[list[dict[str, t.Any]]]:
    """Return the answers of a name server on a host: for each name, one answer for each time it is asked."""
    return list(json.loads(on(name, "python3", "-", server, str(times), *names, input=ASK)).values())


def addresses(name: str, asked: str, server: str = OURS) -> set[str]:
    return set(ask(name, asked, server=server)[0][0]["addresses"])


def looked_up(name: str, asked: str) -> set[str]:
    """Return the addresses that programs on a host get from the C library."""
    return {line.split()[0] for line in on(name, "getent", "ahostsv4", asked).splitlines()}


@functools.cache
def with_resolved() -> str:
    """Return the host that uses systemd-resolved."""
    (name,) = [name for name in HOSTS if "/systemd/" in on(name, "readlink", "--canonicalize", "/etc/resolv.conf")]
    return name


@contextlib.contextmanager
def stopped(name: str, unit: str) -> t.Iterator[None]:
    """Stop a service inside the block."""
    on(name, "systemctl", "stop", unit)
    try:
        yield
    finally:
        on(name, "systemctl", "start", unit)


@contextlib.contextmanager
def not_ready(name: str) -> t.Iterator[None]:
    """Make a master unready inside the block; it still listens."""
    on(name, "touch", "/run/not-ready")
    try:
        yield
    finally:
        on(name, "rm", "/run/not-ready")


def until(asked: str, wanted: set[str], hosts: t.Iterable[str] = tuple(HOSTS), seconds: float = SECONDS) -> float:
    """Return how long it took until all hosts got the wanted addresses. A host that starts has no resolver yet."""

    def resolves(name: str) -> bool:
        try:
            return addresses(name, asked) == wanted
        except subprocess.CalledProcessError:
            return False

    return wait(lambda: all(resolves(name) for name in hosts), seconds)


@pytest.fixture(autouse=True, scope="module")
def healthy():
    """Wait until every master is up before the first test."""
    for name in ("master", "api"):
        until(f"{name}.cfcr.internal", {MASTER_0, MASTER_1})


@pytest.mark.parametrize("name", HOSTS)
def test_every_name_resolves(name):
    wanted = {
        "master.cfcr.internal": {MASTER_0, MASTER_1},
        "api.cfcr.internal": {MASTER_0, MASTER_1},
        "registry.tools.cfcr.internal": {ETCD, PROXY},
        "etcd.cfcr.internal": {ETCD},
        "proxy.cfcr.internal": {PROXY},
        **{f"{other}.{other.partition('-')[0]}.cfcr.internal": {address} for other, address in HOSTS.items()},
        "elsewhere.example.test": {ELSEWHERE},
        "elsewhere": {ELSEWHERE},  # by the search domain
    }
    assert {asked: looked_up(name, asked) for asked in wanted} == wanted


@pytest.mark.parametrize("name", HOSTS)
def test_answers_are_shuffled_and_have_no_ttl(name):
    (answers,) = ask(name, "master.cfcr.internal", times=30)
    assert {answer["ttl"] for answer in answers} == {0}
    assert len({tuple(answer["addresses"]) for answer in answers}) == 2


@pytest.mark.parametrize("name", HOSTS)
def test_pods_use_the_name_server_of_the_iaas(name):
    assert on(name, "cat", "/etc/cfcr/pods-resolv.conf") == f"nameserver {HOSTS[name]}\n"


def test_systemd_resolved_keeps_its_link_and_answers():
    assert on(with_resolved(), "readlink", "/etc/resolv.conf") == "../run/systemd/resolve/stub-resolv.conf\n"
    assert addresses(with_resolved(), "master.cfcr.internal", server=RESOLVED) == {MASTER_0, MASTER_1}


def test_answers_drop_a_master_that_listens_but_is_not_ready():
    with not_ready("master-0"):
        left = until("master.cfcr.internal", {MASTER_1})
        assert looked_up(with_resolved(), "master.cfcr.internal") == {MASTER_1}
        with not_ready("master-1"):
            all_of_none = until("master.cfcr.internal", {MASTER_0, MASTER_1})
        until("master.cfcr.internal", {MASTER_1})
    back = until("master.cfcr.internal", {MASTER_0, MASTER_1})
    print(f"Unready master dropped after {left} s, all masters in the answers {all_of_none} s after none was ready, ready master back after {back} s")


def test_answers_drop_a_dead_master():
    others = [name for name in HOSTS if name != "master-0"]
    with killed("master-0"):
        left = until("api.cfcr.internal", {MASTER_1}, others)
        assert looked_up(with_resolved(), "master.cfcr.internal") == {MASTER_1}
    back = until("api.cfcr.internal", {MASTER_0, MASTER_1}, seconds=START_SECONDS)
    print(f"All other hosts dropped a dead master after {left} s, and had it back {back} s after its start")


def test_an_alias_with_a_port_has_the_addresses_that_listen():
    with stopped("proxy-0", "port-5000"):
        left = until("registry.tools.cfcr.internal", {ETCD})
    until("registry.tools.cfcr.internal", {ETCD, PROXY})
    print(f"An alias dropped an address that no longer listens after {left} s")


@pytest.mark.parametrize("name", HOSTS)
def test_other_names_resolve_while_the_resolver_is_down(name):
    with stopped(name, "pdns-recursor"):
        assert looked_up(name, "without.example.test") == {ELSEWHERE}
    assert looked_up(name, "master.cfcr.internal") == {MASTER_0, MASTER_1}


@pytest.mark.parametrize("name", ["master-1", "etcd-0", "proxy-0"])
def test_names_resolve_soon_after_powerdns_was_down_for_a_query(name):
    """A resolver may cache for a minute that no server answered."""
    with stopped(name, "pdns"):
        assert ask(name, "master.cfcr.internal")[0][0]["code"] == 2
    taken = wait(lambda: addresses(name, "master.cfcr.internal") == {MASTER_0, MASTER_1}, SECONDS)
    print(f"Names resolved {taken} s after PowerDNS was back")
    assert taken < 5


def test_names_resolve_after_a_restart_of_systemd_resolved():
    name = with_resolved()
    on(name, "systemctl", "restart", "systemd-resolved")
    wait(lambda: looked_up(name, "master.cfcr.internal") == {MASTER_0, MASTER_1}, SECONDS)
    assert looked_up(name, "restarted.example.test") == {ELSEWHERE}


def test_systemd_resolved_asks_no_other_server_for_names_of_the_cluster():
    """It does not while the resolver of the cluster is down, either."""
    name, asked = with_resolved(), "secret.master.cfcr.internal"
    with stopped(name, "pdns-recursor"), pytest.raises(subprocess.CalledProcessError):
        looked_up(name, f"{asked}.")
    assert f"asked for {asked}" not in on(name, "journalctl", "--unit=upstream", "--output=cat").splitlines()


@pytest.mark.parametrize("alone", ["systemd-resolved", "a file"])
def test_a_host_resolves_names_while_all_others_are_dead(alone):
    """The host with systemd-resolved stays alive: the container engine breaks the link to its file when it starts that host."""
    name = with_resolved() if alone == "systemd-resolved" else "master-1"
    with contextlib.ExitStack() as stack:
        for other in HOSTS.keys() - {name, with_resolved()}:
            stack.enter_context(killed(other))
        assert looked_up(name, "proxy-0.proxy.cfcr.internal") == {PROXY}
        assert looked_up(name, "alone.example.test") == {ELSEWHERE}
        wanted = {MASTER_1} if name == "master-1" else {MASTER_0, MASTER_1}
        left = wait(lambda: looked_up(name, "master.cfcr.internal") == wanted, SECONDS)
        print(f"Alone, {name} resolves names, and the masters correctly after {left} s")
    until("master.cfcr.internal", {MASTER_0, MASTER_1}, seconds=START_SECONDS)
