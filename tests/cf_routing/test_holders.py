# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has a route keeps it until it gives it up, and one Service never stops another's routes. Tested without servers."""

from __future__ import annotations

import itertools
import random
import string
import time
import tracemalloc

import pytest
from cf_routing.claims import MAX_HOSTS, MAX_TCP_PORTS, Settings
from cf_routing.events import by_turns
from cf_routing.holders import NAMESPACE_LENGTH, NOBODY, TOTAL_LENGTH, Holders, assign, inherit
from cf_routing.messages import largest_registration, table
from cf_routing.objects import ANNOTATION_LENGTH, Node, Port, Service, node, service
from cf_routing.ports import Ports
from cf_routing.record import encode, encode_holders
from cf_routing.routes import Complaint
from cf_routing.rules import Rules
from cf_routing.wanted import NEW, plan

DOMAIN = "apps.example.com"
SETTINGS = Settings(Rules(domains=(DOMAIN,)), Ports.parse("1024-2047"), cluster="cfcr")
NODES = [Node("a", "10.0.0.1", True)]
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
WEB = f"web.{DOMAIN}"


def make(name: str, created: str = OLD, node_port: int = 30080, namespace: str = "default", **more) -> Service:
    ports = (Port("web", 80, "TCP", node_port),)
    fields = {"type": "NodePort", "ports": ports, "local": False, "tcp": None, "http": None, "annotations": {}}
    return Service(**{**fields, "namespace": namespace, "name": name, "uid": f"uid-{name}", "created": created, **more})


def planned(*services: Service, tcp=NEW, http=NEW, settings=SETTINGS):
    return plan(services, NODES, (), settings, tcp, http)


def after(wanted, *services: Service):
    """Return the next plan."""
    return planned(*services, tcp=wanted.tcp_holders, http=wanted.http_holders)


def owners(wanted) -> dict:
    return {**{route.port: route.uid for route in wanted.tcp}, **{uri: route.uid for route in wanted.http for uri in route.uris}}


BOTH = {"tcp": "1024", "http": "web"}


def test_an_older_service_does_not_take_a_route():
    young = make("young", YOUNG, **BOTH)
    first = planned(young)
    second = after(first, young, make("old", OLD, **BOTH, namespace="evil"))
    assert owners(second) == {1024: "uid-young", WEB: "uid-young"}
    assert [(complaint.service.name, complaint.reason) for complaint in second.complaints] == [("old", "RouteClash")] * 2


@pytest.mark.parametrize("gone", [True, False], ids=["deleted", "label removed"])
def test_a_route_that_is_given_up_goes_to_the_oldest_request(gone):
    young, old, older = make("young", YOUNG, **BOTH), make("old", **BOTH), make("a-old", **BOTH)
    first = after(planned(young), young, old, older)
    left = () if gone else (young._replace(tcp=None, http=None),)
    assert owners(after(first, old, older, *left)) == {1024: "uid-a-old", WEB: "uid-a-old"}


def test_a_holder_without_backends_keeps_its_route():
    """It did not give it up: nobody else gets it meanwhile."""
    young, old = make("young", YOUNG, **BOTH), make("old", **BOTH)
    first = after(planned(young), young, old)
    broken = after(first, young._replace(type="ClusterIP", ports=()), old)
    assert not broken.tcp and not broken.http
    assert owners(after(broken, young, old)) == {1024: "uid-young", WEB: "uid-young"}


def test_a_service_without_node_ports_does_not_become_a_holder():
    wanted = planned(make("old", **BOTH, type="ClusterIP", ports=()), make("young", YOUNG, **BOTH))
    assert owners(wanted) == {1024: "uid-young", WEB: "uid-young"}


def test_a_host_belongs_to_one_namespace():
    """Another namespace cannot have a path of the host, as in Cloud Foundry; another Service of the namespace can."""
    young = make("young", YOUNG, http="web", namespace="shop")
    login = {"http": "web", "annotations": {"http-route-path": "/login"}}
    wanted = after(planned(young), young, make("evil", namespace="evil", **login), make("own", namespace="shop", **login))
    assert owners(wanted) == {WEB: "uid-young", f"{WEB}/login": "uid-own"}
    assert wanted.complaints[0].message == f"host {WEB} belongs to namespace shop"


def test_namespaces_that_shared_a_host_keep_their_paths():
    """An earlier version allowed that."""
    one, two = make("one", http="web", namespace="a"), make("two", http="web", namespace="b", annotations={"http-route-path": "/b"})
    holders = Holders({WEB: "uid-one", f"{WEB}/b": "uid-two"})
    assert owners(planned(one, two, http=holders)) == {WEB: "uid-one", f"{WEB}/b": "uid-two"}
    assert owners(planned(one, two)) == {WEB: "uid-one"}


def test_the_holders_of_an_earlier_version_are_found_by_their_node_ports():
    young, old = make("young", YOUNG, 30081, **BOTH), make("old", node_port=30080, **BOTH)
    tcp, http = inherit(Holders(), [(1024, 30081), (1025, 30099)], [young, old]), inherit(Holders(), [(WEB, 30081)], [young, old])
    assert owners(planned(young, old, tcp=tcp, http=http)) == {1024: "uid-young", WEB: "uid-young"}
    # The record counts more: a node port may have another Service by now.
    assert inherit(Holders({WEB: "uid-old"}), [(WEB, 30081)], [young, old]).of == {WEB: "uid-old"}


def test_a_lost_record_gives_nothing_to_anybody_that_several_request():
    one, two, three = make("one", http="web"), make("two", YOUNG, http="web"), make("three", http="three")
    lost = planned(one, two, three, http=Holders(lost=True))
    assert owners(lost) == {f"three.{DOMAIN}": "uid-three"}
    assert lost.http_holders.of[WEB] == NOBODY and not lost.http_holders.lost
    # The same in the next plan; a new name is decided by age as always.
    new = [one._replace(uid="uid-4", http="new"), two._replace(uid="uid-5", http="new")]
    assert owners(after(lost, one, two, three, *new)) == {f"three.{DOMAIN}": "uid-three", f"new.{DOMAIN}": "uid-4"}
    assert owners(after(lost, two))[WEB] == "uid-two"
    # A binding decides, too.
    bound = Settings(Rules(domains=(DOMAIN,), bound_hosts={WEB: "shop"}))
    shop = two._replace(namespace="shop")
    assert owners(planned(one, shop, http=lost.http_holders, settings=bound)) == {WEB: "uid-two"}


def test_a_lost_record_gives_no_host_that_several_namespaces_request():
    one, two = make("one", http="web", namespace="a"), make("two", http="web", namespace="b", annotations={"http-route-path": "/b"})
    assert owners(planned(one, two, http=Holders(lost=True))) == {}


def test_a_holder_loses_a_route_that_is_bound_to_another_namespace():
    one, two = make("one", http="web", namespace="a"), make("two", YOUNG, http="web", namespace="b")
    bound = Settings(Rules(domains=(DOMAIN,), bound_hosts={WEB: "b"}))
    first = planned(one)
    assert owners(planned(one, two, http=first.http_holders, settings=bound)) == {WEB: "uid-two"}


# Hostile Services
WORDS = ["".join(word) for word in itertools.islice(itertools.product(string.ascii_lowercase + string.digits, repeat=3), 46_000)]


def item(annotations: dict, **metadata) -> dict:
    fields = {"name": "s", "namespace": "evil", "uid": "u", "creationTimestamp": OLD}
    ports = [{"name": "web", "port": 80, "nodePort": 30080}]
    annotations = {f"cfcr.io/{key}": value for key, value in annotations.items()}
    return {"metadata": {**fields, "annotations": annotations, **metadata}, "spec": {"type": "NodePort", "ports": ports}}


def hostile(annotations: dict, **labels) -> Service:
    return service(item(annotations, labels=labels or {"http-route-sync": "evil", "tcp-route-sync": "1024"}))


LONG_HOST = ".".join(["x" * 63] * 3) + "." + "y" * 44


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"http-route-hosts": ",".join(WORDS)}, "expected at most 8192 characters"),
        ({"http-route-hosts": ",".join(WORDS[:1000])}, "found 1000 entries, expected at most 19"),
        ({"http-route-hosts": ",".join(WORDS), "http-route-path": f"/{'x' * 130_000}"}, "expected at most 128 characters"),
        ({"http-route-hosts": f"{'a.' * 200}example.com"}, "expected at most 253"),
        ({"http-route-hosts": f"{LONG_HOST}x.{DOMAIN}"}, "of 254 characters, expected at most 253"),
        ({"http-route-hosts": "\u202emoc.elpmaxe, \ud83d\ude00, \u0000, a\nb, \"}],{"}, "expected a DNS name"),
        ({"http-route-hosts": "ſhop.example.org"}, "expected a DNS name"),
        ({"http-route-path": '/"},{"host":"10.0.0.9'}, "expected a path such as /v2"),
        ({"http-route-tls-name": "x" * 100_000}, "expected at most 253"),
        ({"http-route-port": "9" * 100_000}, "expected one of web"),
        ({"tcp-routes": ",".join(f"{port}=80" for port in range(1024, 2100))}, "expected at most 8192 characters"),
        ({"tcp-routes": ",".join(f"{port}=80" for port in range(1024, 1124))}, "found 100 entries, expected at most 19"),
        ({"tcp-routes": "１０２５=80, 1e3=80, -1=80, 99999=80, \u0661=80"}, "expected a number from 1 to 65535"),
        ({"tcp-routes": "=" * 8192}, "expected a number from 1 to 65535"),
    ],
)
def test_hostile_annotations_are_limited_and_reported(annotations, expected):
    evil, good = hostile(annotations), make("good", YOUNG, http="good", tcp="2000", node_port=30081)
    tracemalloc.start()
    begin = time.process_time()
    wanted = planned(evil, good)
    seconds, memory = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert any(expected in complaint.message for complaint in wanted.complaints)
    assert all(len(complaint.message) < 500 for complaint in wanted.complaints)
    assert owners(wanted)[f"good.{DOMAIN}"] == owners(wanted)[2000] == "uid-good"
    assert sum(uid == "u" for uid in owners(wanted).values()) <= MAX_HOSTS + MAX_TCP_PORTS
    assert all(largest_registration(route, "cfcr") < 16_384 for route in wanted.http)
    assert memory < 3 * 2**20 and seconds < 1


def test_hosts_within_the_limits_work():
    """The longest allowed names, so that a limit does not refuse an honest Service."""
    hosts = [f"{index:02}{'x' * 61}.{'y' * 63}.{'z' * 63}.{'v' * 44}.{DOMAIN}" for index in range(MAX_HOSTS - 1)]
    wanted = planned(hostile({"http-route-hosts": ", ".join(hosts), "http-route-path": f"/{'p' * 127}"}, **{"http-route-sync": "evil"}))
    assert len(owners(wanted)) == MAX_HOSTS and not wanted.complaints and len(hosts[0]) == 253
    assert max(map(len, owners(wanted))) == 253 + 128


def test_the_copy_of_a_service_is_small():
    """Only what the plan needs is kept of an object of a MiB."""
    metadata = {"labels": {"http-route-sync": "evil"}, "managedFields": ["x" * 1000] * 100}
    ports = [{"port": port + 1, "protocol": "TCP"} for port in range(10_000)]
    big = item({**{f"x-{index}": "x" * 1000 for index in range(100)}, "http-route-hosts": "x" * 150_000}, **metadata)
    kept = service({**big, "spec": {"type": "ClusterIP", "ports": ports}})
    assert not kept.ports and kept.annotations == {"http-route-hosts": "x" * (ANNOTATION_LENGTH + 1)}


@pytest.mark.parametrize("address", ['10.0.0.1","port":1', "", "localhost", "10.0.0.256", "0.0.0.0", "224.0.0.1", "169.254.169.254", 'fd00::1%"'])
def test_a_node_with_an_invalid_address_is_no_backend(address):
    status = {"addresses": [{"type": "InternalIP", "address": address}], "conditions": [{"type": "Ready", "status": "True"}]}
    assert not node({"metadata": {"name": "n"}, "status": status}).serves
    status["addresses"].append({"type": "InternalIP", "address": "10.0.0.1"})
    assert node({"metadata": {"name": "n"}, "status": status}) == Node("n", "10.0.0.1", True)


def test_the_record_fits_into_a_configmap():
    """Random names, which cannot be compressed, up to the limit of all Services, and all of them replaced at the same moment."""
    generator = random.Random(1)
    letters = string.ascii_lowercase + string.digits + "-"

    def name() -> str:
        return ".".join("a" + "".join(generator.choices(letters, k=58)) + "z" for _label in range(4))

    def crowd(first: int) -> list[Service]:
        annotations = [{"http-route-hosts": ",".join(f"{name()[:220]}z.{DOMAIN}" for _host in range(19))} for _service in range(200)]
        return [
            make(f"s{first + index}", http=f"s{index}", annotations=entry, namespace=f"evil-{index % 10}") for index, entry in enumerate(annotations)
        ]

    wanted = planned(*crowd(0))
    assert TOTAL_LENGTH - 300 < sum(map(len, wanted.http_holders.of)) <= TOTAL_LENGTH
    assert len(encode_holders(wanted.tcp_holders, wanted.http_holders)) < 2**20 * 0.75
    assert len(encode({**table(wanted.http), **table(planned(*crowd(1000)).http)})) < 2**20
    assert "RouteLimit" in {complaint.reason for complaint in wanted.complaints}


def test_a_namespace_cannot_use_up_the_room_of_the_others():
    evil = [make(f"s{index}", http=f"{'x' * 60}{index}.{'y' * 60}", namespace="evil") for index in range(3000)]
    good = [make(f"good{index}", YOUNG, http=f"good{index}", namespace="good") for index in range(100)]
    wanted = planned(*evil, *good)
    assert sum(1 for uid in owners(wanted).values() if uid.startswith("uid-good")) == 100
    assert sum(map(len, wanted.http_holders.of)) < NAMESPACE_LENGTH + 100 * 30
    # Holders keep theirs whatever the others request.
    assert owners(after(wanted, *evil[1:], *good)).items() >= {(f"good1.{DOMAIN}", "uid-good1")}


def test_a_message_that_nats_would_refuse_is_not_planned():
    big, good = hostile({"http-route-hosts": ",".join(WORDS[:19])}), make("good", http="good")
    wanted = planned(big, good, settings=SETTINGS._replace(max_message=500))
    assert [route.uid for route in wanted.http] == ["uid-good"]
    assert "the limit of NATS" in [complaint.message for complaint in wanted.complaints if complaint.reason == "RouteLimit"][-1]


def test_a_service_with_many_complaints_does_not_delay_those_of_others():
    one, two = make("one"), make("two")
    complaints = [Complaint(one, "a", ""), Complaint(one, "b", ""), Complaint(one, "c", ""), Complaint(two, "d", ""), Complaint(two, "e", "")]
    assert "".join(complaint.reason for complaint in by_turns(complaints)) == "adbec"


def test_assign_nothing():
    assert assign([], Holders({"x": "gone"})).holders == Holders()
