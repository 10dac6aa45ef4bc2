# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes to masters and labelled Services in Cloud Foundry's routers, also while hosts or Cloud Foundry's services are down."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import json
import subprocess
import time
import urllib.request

import pytest
import yaml
from scenario import ContinuousRequests, answers, api_answers, apply, get, host, killed, kubectl, run, wait, web

CLOUD_FOUNDRY, ROUTERS = "molecule-cloud-foundry-cf-0", "10.30.7.11"
APPS = "apps.cf.example"
TTL_SECONDS = 120


def fetch(url: str, body: object = None, **headers: str) -> str:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=5) as answer:
        return answer.read().decode()


def tcp_backends(port: int) -> set[str]:
    """Return the backends of a TCP route."""
    routes = json.loads(fetch(f"http://{ROUTERS}:3444/state"))["routes"]
    return {f"{route['backend_ip']}:{route['backend_port']}" for route in routes if route["port"] == port}


def gorouter(path: str) -> dict:
    login = base64.b64encode(b"router-status:the password of the table").decode()
    return json.loads(fetch(f"http://{ROUTERS}:8082/{path}", Authorization=f"Basic {login}"))


def http_backends() -> dict[str, set[str]]:
    """Return the backends of HTTP routes by URI."""
    routes = gorouter("routes")
    return {uri: {endpoint["address"] for endpoint in endpoints} for uri, endpoints in routes.items()}


def leader() -> str:
    """Return the master that holds the lease of cf-route-sync."""
    return get("lease", "--namespace=kube-system", "cf-route-sync")["spec"]["holderIdentity"]


def messages(service: str) -> str:
    return " ".join(event["message"] for event in get("events", f"--field-selector=involvedObject.name={service}")["items"])


@pytest.fixture(scope="module")
def workload():
    """Run a workload with an HTTP route and a TCP route."""
    apply(*web("front", [30081], {"http-route-sync": "front", "tcp-route-sync": "10001"}))
    kubectl("rollout", "status", "daemonset/front", "--timeout=60s")
    wait(front_answers, 10)
    yield
    kubectl("delete", "service/front", "daemonset/front", "--wait=false")


def front_answers() -> bool:
    return answers(f"http://{ROUTERS}/hostname", Host=f"front.{APPS}") and answers(f"http://{ROUTERS}:10001/hostname")


def test_the_endpoint_leads_to_every_master():
    assert kubectl("config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}") == f"https://{ROUTERS}:8443"
    assert api_answers()
    assert tcp_backends(8443) == {"10.30.6.11:8443", "10.30.6.12:8443"}


def test_workers_reach_masters_without_the_routers():
    for program in ("kubelet", "kube-proxy"):
        config = yaml.safe_load(host("worker-0").file(f"/etc/kubernetes/{program}.kubeconfig").content_string)
        assert config["clusters"][0]["cluster"]["server"] == "https://master.cfcr.internal:8443"


def test_only_the_programs_can_read_their_secrets():
    master = host("master-0")
    for name in ("client-secret", "nats-password", "nats.key"):
        file = master.file(f"/etc/cf-routing/{name}")
        assert (file.mode, file.user) == (0o600, "cf-routing")
    processes = master.check_output("ps -ww -eo args")
    logs = master.check_output("journalctl --no-pager --unit cf-api-registrar --unit cf-route-sync")
    for secret in ("the secret of the routing client", "the password of NATS"):
        assert secret not in processes + logs


def test_a_master_loses_its_route_when_unready_or_without_a_registrar(figures):
    master = host("master-1")
    both = {"10.30.6.11:8443", "10.30.6.12:8443"}
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(master.check_output, "systemctl start kube-apiserver")
        master.check_output("systemctl stop kube-apiserver")
        unready = wait(lambda: tcp_backends(8443) == {"10.30.6.11:8443"}, 15)
    ready = wait(lambda: tcp_backends(8443) == both, 60)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(master.check_output, "systemctl start cf-api-registrar")
        master.check_output("systemctl stop cf-api-registrar")
        stopped = wait(lambda: tcp_backends(8443) == {"10.30.6.11:8443"}, 5)
    wait(lambda: tcp_backends(8443) == both, 15)
    figures("a master's route", withdrawn_when_not_ready=unready, back_when_ready=ready, withdrawn_when_stopped=stopped)


def test_a_labelled_service_has_routes_within_seconds(figures):
    second = {"cfcr.io/tcp-route-port": "port-30083", "cfcr.io/http-route-port": "port-30083"}
    apply(*web("labelled", [30082, 30083], {}, second))
    kubectl("rollout", "status", "daemonset/labelled", "--timeout=60s")
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(kubectl, "delete", "service/labelled", "daemonset/labelled", "--wait=false")
        kubectl("label", "service", "labelled", "http-route-sync=labelled", "tcp-route-sync=10002")
        came = wait(lambda: answers(f"http://{ROUTERS}:10002/hostname") and answers(f"http://{ROUTERS}/hostname", Host=f"labelled.{APPS}"), 5)
        assert tcp_backends(10002) == http_backends()[f"labelled.{APPS}"] == {"10.30.6.21:30083", "10.30.6.22:30083"}
        kubectl("label", "service", "labelled", "http-route-sync-", "tcp-route-sync-")
        went = wait(lambda: not tcp_backends(10002) and f"labelled.{APPS}" not in http_backends(), 5)
        wait(lambda: not answers(f"http://{ROUTERS}:10002/hostname"), 5)
        assert not answers(f"http://{ROUTERS}/hostname", Host=f"labelled.{APPS}")
    figures("a label", routable_after=came, withdrawn_after=went)


def test_the_first_service_keeps_a_name_that_two_ask_for(workload):
    apply(*web("late", [30084], {"http-route-sync": "front", "tcp-route-sync": "10001"}))
    try:
        wait(lambda: f"front.{APPS}" in messages("late") and "10001" in messages("late"), 10)
        assert tcp_backends(10001) == http_backends()[f"front.{APPS}"] == {"10.30.6.21:30081", "10.30.6.22:30081"}
    finally:
        kubectl("delete", "service/late", "daemonset/late", "--wait=false")


@pytest.fixture
def namespaces():
    """Create a namespace with a bound domain and port, and one without."""
    names = ("shop", "evil")
    apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
    yield
    kubectl("delete", "namespace", *names)


def service(namespace: str, name: str, node_port: int, labels: dict[str, str], annotations: dict[str, str] | None = None) -> dict:
    """Return a Service without pods: the routers' tables are enough."""
    metadata = {"namespace": namespace, "name": name, "labels": labels, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": node_port}]}}


def backends(node_port: int) -> set[str]:
    return {f"10.30.6.21:{node_port}", f"10.30.6.22:{node_port}"}


def refusals(namespace: str, name: str) -> list[str]:
    return [event["reason"] for event in get("events", f"--namespace={namespace}", f"--field-selector=involvedObject.name={name}")["items"]]


def test_an_older_service_does_not_take_a_route(namespaces, figures):
    """Not when it is labelled later, nor when another master takes over. It gets the route when the holder gives it up."""
    labels = ("http-route-sync=wanted", "tcp-route-sync=10003")
    apply(service("evil", "old", 30091, {}))
    time.sleep(1.1)  # the API server counts ages in seconds
    apply(service("shop", "young", 30092, dict(label.split("=") for label in labels)))
    wait(lambda: tcp_backends(10003) == http_backends().get(f"wanted.{APPS}") == backends(30092), 5)
    kubectl("label", "service", "--namespace=evil", "old", *labels)
    wait(lambda: refusals("evil", "old").count("RouteClash") == 2, 10)
    former = leader()
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(host(former).check_output, "systemctl start cf-route-sync")
        host(former).check_output("systemctl stop cf-route-sync")
        takeover = wait(lambda: leader() not in ("", former), 30)
        time.sleep(3)
    assert tcp_backends(10003) == http_backends()[f"wanted.{APPS}"] == backends(30092)
    kubectl("label", "service", "--namespace=shop", "young", "http-route-sync-", "tcp-route-sync-")
    given = wait(lambda: tcp_backends(10003) == http_backends().get(f"wanted.{APPS}") == backends(30091), 5)
    figures("an older Service requests a route", takeover=takeover, given_up_after=given)


def test_bound_and_reserved_routes(namespaces):
    """Bound hosts and ports go to their namespace only, the port of the API and the domain itself to nobody."""
    hosts = {"cfcr.io/http-route-hosts": f"shop.{APPS}, *.shop.{APPS}, {APPS}", "cfcr.io/tcp-routes": "8443=80"}
    apply(service("evil", "web", 30091, {"http-route-sync": "a.shop", "tcp-route-sync": "10010"}, hosts))
    wait(lambda: refusals("evil", "web").count("RouteForbidden") == 6, 10)
    apply(service("shop", "web", 30092, {"http-route-sync": "a.shop", "tcp-route-sync": "10010"}, hosts))
    names = {f"shop.{APPS}", f"a.shop.{APPS}", f"*.shop.{APPS}"}
    wait(lambda: tcp_backends(10010) == backends(30092) and {name for name in http_backends() if "shop" in name} == names, 5)
    assert all(http_backends()[name] == backends(30092) for name in names)
    wait(lambda: refusals("shop", "web").count("RouteForbidden") == 2, 10)
    assert APPS not in http_backends()
    assert tcp_backends(8443) == {"10.30.6.11:8443", "10.30.6.12:8443"}


def test_memory_and_permissions_of_the_services():
    """The units have a limit on memory, and cf-route-sync may create no ConfigMap."""
    for unit in ("cf-api-registrar", "cf-route-sync"):
        shown = host("master-0").check_output(f"systemctl show --property MemoryMax --property MemoryCurrent {unit}").split()
        memory = {name: int(value) for name, _equals, value in (line.partition("=") for line in shown)}
        assert memory["MemoryCurrent"] < memory["MemoryMax"] / 2
    may = ["auth", "can-i", "--as=cf-route-sync", "--namespace=kube-system"]
    assert kubectl(*may, "update", "configmaps/cf-route-sync-holders").strip() == "yes"
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl(*may, "create", "configmaps")
    assert refused.value.stdout.strip() == "no"


def test_a_cordoned_worker_loses_its_routes(workload, figures):
    kubectl("cordon", "10.30.6.22")
    try:
        left = wait(lambda: tcp_backends(10001) == http_backends()[f"front.{APPS}"] == {"10.30.6.21:30081"}, 5)
    finally:
        kubectl("uncordon", "10.30.6.22")
    back = wait(lambda: len(tcp_backends(10001)) == 2, 5)
    figures("a worker is cordoned", withdrawn_after=left, back_after=back)


@pytest.mark.parametrize("routing_api_too", [False, True], ids=["NATS and UAA", "NATS, UAA and the routing API"])
def test_routes_survive_a_minute_without_cloud_foundry(workload, figures, routing_api_too):
    """No request fails, and the programs recover without a restart."""
    units = ("cf-api-registrar", "cf-route-sync")
    pids = [host("master-0").check_output(f"systemctl show --property MainPID {unit}") for unit in units]
    with ContinuousRequests(front_answers) as front, ContinuousRequests(api_answers) as api:
        run("podman", "exec", CLOUD_FOUNDRY, "systemctl", "stop", "nats")
        fetch(f"http://{ROUTERS}:3444/state", {"down": ["uaa", "routing_api"] if routing_api_too else ["uaa"]})
        time.sleep(60)
        heard = gorouter("counts")["router.register"]
        fetch(f"http://{ROUTERS}:3444/state", {"down": []})
        run("podman", "exec", CLOUD_FOUNDRY, "systemctl", "start", "nats")
        # gorouter must reconnect to NATS as well: it removes endpoints that were not registered for two minutes.
        healthy = wait(lambda: all_healthy() and gorouter("counts")["router.register"] > heard, 30)
    assert pids == [host("master-0").check_output(f"systemctl show --property MainPID {unit}") for unit in units]
    figures("Cloud Foundry is down for a minute", routing_api_too=routing_api_too, healthy_after=healthy, workload=front.summary, api=api.summary)
    assert front.summary["failed"] == api.summary["failed"] == 0


def all_healthy() -> bool:
    """Return whether every program on every master reports itself healthy."""
    ask = "curl --silent --fail http://127.0.0.1:10280/healthz http://127.0.0.1:10281/healthz"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return all(pool.map(lambda name: host(name).run(ask).rc == 0, ("master-0", "master-1")))


def test_the_other_master_takes_over_from_a_killed_one(workload, figures):
    """If the leader is killed, the other master takes over within 30 s, and the routes of Services stay."""
    killed_master = leader()
    other, address = ("master-1", "10.30.6.11:8443") if killed_master == "master-0" else ("master-0", "10.30.6.12:8443")
    with ContinuousRequests(front_answers) as front, ContinuousRequests(api_answers) as api:
        time.sleep(3)
        with killed(killed_master):
            begin = time.monotonic()
            # By the other master, long before it expires.
            wait(lambda: address not in tcp_backends(8443), 10)
            withdrawn_after = time.monotonic() - begin
            wait(lambda: is_leader(other), 30)
            takeover = time.monotonic() - begin
            assert tcp_backends(10001) == http_backends()[f"front.{APPS}"] == {"10.30.6.21:30081", "10.30.6.22:30081"}
        back = wait(lambda: address in tcp_backends(8443), 120)
    figures("the leader is killed", takeover=takeover, withdrawn_after=withdrawn_after, back_after=back, api=api.summary, workload=front.summary)
    assert api.summary["longest_outage"] <= 5
    assert front.summary["failed"] == 0


def is_leader(master: str) -> bool:
    try:
        return leader() == master
    except OSError:
        return False


def test_a_wrong_secret_is_reported_and_recovered_from(figures):
    """The program keeps running, no route is lost, and the error names the status."""
    master = host("master-0")
    pid = master.check_output("systemctl show --property MainPID cf-api-registrar")
    wrong = {"routing": {"secret": "another one", "scopes": []}}
    scopes = ["routing.router_groups.read", "routing.routes.read", "routing.routes.write"]
    right = {"routing": {"secret": "the secret of the routing client", "scopes": scopes}}
    ask = "curl --silent http://127.0.0.1:10281/healthz"
    fetch(f"http://{ROUTERS}:3444/state", {"clients": wrong})
    try:
        # A changed file needs a new token.
        master.check_output("touch /etc/cf-routing/client-secret")
        seen = wait(lambda: "401" in master.run(ask).stdout, TTL_SECONDS / 3 + 10)
        said = master.run(ask).stdout
        assert "the secret of the routing client" not in said
    finally:
        fetch(f"http://{ROUTERS}:3444/state", {"clients": right})
    healed = wait(all_healthy, 30)
    assert pid == master.check_output("systemctl show --property MainPID cf-api-registrar")
    figures("UAA refuses the client", seen_after=seen, healed_after=healed, said=said[:200])
    assert len(tcp_backends(8443)) == 2
