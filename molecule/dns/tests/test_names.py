# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host is told when it asks for names, while others, their services or its own resolver are away."""

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
# A dead host leaves the answers of BOSH DNS as late as that.
SECONDS = 20
# What a host may take to start.
START_SECONDS = 60


def ask(name: str, *names: str, times: int = 1, server: str = OURS) -> list[list[dict[str, t.Any]]]:
    """Return what a name server of a host answers, for each name as often as it is asked."""
    return list(json.loads(on(name, "python3", "-", server, str(times), *names, input=ASK)).values())


def addresses(name: str, asked: str, server: str = OURS) -> set[str]:
    return set(ask(name, asked, server=server)[0][0]["addresses"])


def looked_up(name: str, asked: str) -> set[str]:
    """Return what programs on a host get, by the C library."""
    return {line.split()[0] for line in on(name, "getent", "ahostsv4", asked).splitlines()}


@functools.cache
def with_resolved() -> str:
    """Return which host asks systemd-resolved."""
    (name,) = [name for name in HOSTS if "/systemd/" in on(name, "readlink", "--canonicalize", "/etc/resolv.conf")]
    return name


@contextlib.contextmanager
def without(name: str, unit: str) -> t.Iterator[None]:
    """A service is away for a while."""
    on(name, "systemctl", "stop", unit)
    try:
        yield
    finally:
        on(name, "systemctl", "start", unit)


@contextlib.contextmanager
def not_ready(name: str) -> t.Iterator[None]:
    """A master listens, and is not ready."""
    on(name, "touch", "/run/not-ready")
    try:
        yield
    finally:
        on(name, "rm", "/run/not-ready")


def until(asked: str, wanted: set[str], hosts: t.Iterable[str] = tuple(HOSTS), seconds: float = SECONDS) -> float:
    """Return how long it took until all hosts were told the wanted addresses; one that starts has no resolver yet."""

    def told(name: str) -> bool:
        try:
            return addresses(name, asked) == wanted
        except subprocess.CalledProcessError:
            return False

    return wait(lambda: all(told(name) for name in hosts), seconds)


@pytest.fixture(autouse=True, scope="module")
def healthy():
    """Everything is up when a test begins."""
    for name in ("master", "api"):
        until(f"{name}.cfcr.internal", {MASTER_0, MASTER_1})


@pytest.mark.parametrize("name", HOSTS)
def test_names(name):
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
def test_answers_are_shuffled_and_not_to_be_kept(name):
    (answers,) = ask(name, "master.cfcr.internal", times=30)
    assert {answer["ttl"] for answer in answers} == {0}
    assert len({tuple(answer["addresses"]) for answer in answers}) == 2


@pytest.mark.parametrize("name", HOSTS)
def test_pods_ask_the_name_server_of_the_iaas(name):
    assert on(name, "cat", "/etc/cfcr/pods-resolv.conf") == f"nameserver {HOSTS[name]}\n"


def test_a_file_of_systemd_resolved_stays_and_leads_to_it():
    assert on(with_resolved(), "readlink", "/etc/resolv.conf") == "../run/systemd/resolve/stub-resolv.conf\n"
    assert addresses(with_resolved(), "master.cfcr.internal", server=RESOLVED) == {MASTER_0, MASTER_1}


def test_a_master_that_listens_but_is_not_ready_leaves_the_answers():
    with not_ready("master-0"):
        left = until("master.cfcr.internal", {MASTER_1})
        assert looked_up(with_resolved(), "master.cfcr.internal") == {MASTER_1}
        with not_ready("master-1"):
            all_of_none = until("master.cfcr.internal", {MASTER_0, MASTER_1})
        until("master.cfcr.internal", {MASTER_1})
    back = until("master.cfcr.internal", {MASTER_0, MASTER_1})
    print(f"A master that is not ready left the answers of all hosts after {left} s, all were there after {all_of_none} s when none was, one was back {back} s")


def test_a_dead_master_leaves_the_answers():
    others = [name for name in HOSTS if name != "master-0"]
    with killed("master-0"):
        left = until("api.cfcr.internal", {MASTER_1}, others)
        assert looked_up(with_resolved(), "master.cfcr.internal") == {MASTER_1}
    back = until("api.cfcr.internal", {MASTER_0, MASTER_1}, seconds=START_SECONDS)
    print(f"A dead master left the answers of all other hosts after {left} s, and was back {back} s after it was started")


def test_an_alias_with_a_port_holds_those_that_listen():
    with without("proxy-0", "port-5000"):
        left = until("registry.tools.cfcr.internal", {ETCD})
    until("registry.tools.cfcr.internal", {ETCD, PROXY})
    print(f"An address of an alias that no longer listens left the answers after {left} s")


@pytest.mark.parametrize("name", HOSTS)
def test_other_names_are_answered_while_the_resolver_is_away(name):
    with without(name, "pdns-recursor"):
        assert looked_up(name, "without.example.test") == {ELSEWHERE}
    assert looked_up(name, "master.cfcr.internal") == {MASTER_0, MASTER_1}


@pytest.mark.parametrize("name", ["master-1", "etcd-0", "proxy-0"])
def test_names_are_answered_right_after_a_restart_in_which_they_were_asked_for(name):
    """A resolver may remember for a minute that nobody answered."""
    with without(name, "pdns"):
        assert ask(name, "master.cfcr.internal")[0][0]["code"] == 2
    taken = wait(lambda: addresses(name, "master.cfcr.internal") == {MASTER_0, MASTER_1}, SECONDS)
    print(f"Names were answered {taken} s after PowerDNS was back")
    assert taken < 5


def test_systemd_resolved_may_restart():
    name = with_resolved()
    on(name, "systemctl", "restart", "systemd-resolved")
    wait(lambda: looked_up(name, "master.cfcr.internal") == {MASTER_0, MASTER_1}, SECONDS)
    assert looked_up(name, "restarted.example.test") == {ELSEWHERE}


def test_nobody_else_is_asked_for_names_of_the_cluster_where_systemd_resolved_routes_them():
    """Not while our resolver is away either."""
    name, asked = with_resolved(), "secret.master.cfcr.internal"
    with without(name, "pdns-recursor"), pytest.raises(subprocess.CalledProcessError):
        looked_up(name, f"{asked}.")
    assert f"asked for {asked}" not in on(name, "journalctl", "--unit=upstream", "--output=cat").splitlines()


@pytest.mark.parametrize("alone", ["systemd-resolved", "a file"])
def test_a_host_answers_when_all_others_are_dead(alone):
    """The container engine breaks what it does not know of when it starts a host, its link to a file of systemd-resolved: that host lives."""
    name = with_resolved() if alone == "systemd-resolved" else "master-1"
    with contextlib.ExitStack() as stack:
        for other in HOSTS.keys() - {name, with_resolved()}:
            stack.enter_context(killed(other))
        assert looked_up(name, "proxy-0.proxy.cfcr.internal") == {PROXY}
        assert looked_up(name, "alone.example.test") == {ELSEWHERE}
        wanted = {MASTER_1} if name == "master-1" else {MASTER_0, MASTER_1}
        left = wait(lambda: looked_up(name, "master.cfcr.internal") == wanted, SECONDS)
        print(f"Alone, {name} answers; for masters as is right after {left} s")
    until("master.cfcr.internal", {MASTER_0, MASTER_1}, seconds=START_SECONDS)
