# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Cloud Foundry and a cluster on loopback: a real API server, NATS and HAProxy, stand-ins, and the programs under test."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import threading
import time
import typing as t
import urllib.error
import urllib.request

import pytest
import yaml
from _apiserver import Pair
from _etcd import free_ports

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "packages/cf_routing"
STANDINS = ROOT / "tests/standins"
SECRETS = ("the routing secret", "the NATS password", "the status password")
ROUTING_SECRET, NATS_PASSWORD, STATUS_PASSWORD = SECRETS
SCALE_PORTS = range(40000, 42001)
SCOPES = ["routing.router_groups.read", "routing.routes.read", "routing.routes.write"]


def until(condition: t.Callable[[], t.Any], seconds: float = 5, message: object = "") -> float:
    """Wait for a condition, and return how many seconds it took. `message` is the text of a failure, or a function that returns it.

    `seconds` is enough on an idle machine. One that runs another step too gets twice as many.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > 2 * seconds:
            raise AssertionError(f"not within {2 * seconds} s: {message() if callable(message) else message}")
        time.sleep(0.05)
    return time.monotonic() - begin


def fetch(url: str, body: object = None, headers: dict[str, str] | None = None) -> t.Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers or {}), timeout=5) as answer:
        return json.load(answer)


class Process:
    """One program and its output."""

    def __init__(self, directory: pathlib.Path, name: str, *command: object) -> None:
        self.name, self.command = name, [str(word) for word in command]
        self.log = directory / f"{name}.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE / "src"), os.environ.get("PYTHONPATH", "")])}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Stop the program, and return how many seconds it took."""
        begin = time.monotonic()
        if self.process:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=15)
            finally:
                self.process.kill()
            self.process = None
        return time.monotonic() - begin

    @property
    def output(self) -> str:
        return self.log.read_text()

    def usage(self) -> tuple[float, float]:
        """Return the seconds of processor time, and the peak of memory in MiB."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak


class Program(Process):
    """A program under test, with its configuration and its status."""

    def __init__(self, directory: pathlib.Path, name: str, module: str, config: dict[str, t.Any]) -> None:
        self.path = directory / f"{name}.json"
        self.config = config
        self.configure()
        self.status = f"http://{config['listen']}"
        super().__init__(directory, name, sys.executable, "-m", f"cf_routing.{module}", "--config", self.path)

    def configure(self) -> None:
        self.path.write_text(json.dumps(self.config))

    def health(self) -> dict[str, t.Any]:
        try:
            return fetch(f"{self.status}/healthz")
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {}

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"{self.status}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


class World:
    """All servers and programs. Objects of a test are removed before the next one."""

    def __init__(self, directory: pathlib.Path, apiserver: t.Any, api: t.Any) -> None:
        self.directory, self.api = directory, api
        authority = Pair("authority")
        self.ca, _key = authority.write(directory / "ca")
        self.certificate, self.key = Pair("anybody", issuer=authority).write(directory / "anybody")
        self.authority_of_cluster = str(apiserver.directory / "ca.crt")
        self.apiserver = apiserver
        # The routing API refuses reservable ports that overlap.
        *ports, first, second, third = [port for port in free_ports(40) if port not in SCALE_PORTS][:8]
        self.nats_port, self.api_port, self.control_port, self.status_port, self.http_port = ports
        self.reservable = sorted((first, second, third))
        self.secret_file, self.password_file = self.file("secret", ROUTING_SECRET), self.file("password", NATS_PASSWORD)
        self.kubeconfig = self.user_of_cluster(apiserver, "cf-route-sync")
        self.registrar_kubeconfig = self.user_of_cluster(apiserver, "cf-api-registrar")
        self.nats = Process(directory, "nats", "nats-server", "--config", self._nats())
        self.routing_api = self._stand_in("routing_api", self._routing_api())
        self.gorouter = self._stand_in("gorouter", self._gorouter())
        self.routers = self._stand_in("routers", self._routers())
        self.programs: list[Program] = []

    def start(self) -> None:
        for process in (self.nats, self.routing_api, self.gorouter):
            process.start()
        until(lambda: self.up(self.control) and self.gorouter_answers(), 15, self.output)

    def close(self) -> None:
        for process in [*self.programs, self.routers, self.gorouter, self.routing_api, self.nats]:
            process.stop(signal.SIGKILL if process in self.programs else signal.SIGTERM)

    def output(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.directory.glob("*.log")))

    def file(self, name: str, content: str) -> str:
        path = self.directory / name
        path.write_text(content)
        return str(path)

    def user_of_cluster(self, apiserver: t.Any, user: str) -> str:
        """Return the kubeconfig of a user with the permissions in rbac.yml only."""
        self.apply_manifest()
        certificate, key = Pair(user, "nobody", apiserver.authority).write(self.directory / user)
        config = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": f"https://127.0.0.1:{apiserver.port}", "certificate-authority": self.authority_of_cluster},
                }
            ],
            "users": [{"name": "test", "user": {"client-certificate": certificate, "client-key": key}}],
        }
        return self.file(f"{user}.kubeconfig", json.dumps(config))

    def apply_manifest(self) -> None:
        """Create the objects of rbac.yml that do not exist, as site.yml does."""
        for item in yaml.safe_load((PACKAGE / "rbac.yml").read_text())["items"]:
            with contextlib.suppress(urllib.error.HTTPError):
                self.kube("POST", self.place(item), item)

    @contextlib.contextmanager
    def message_limit(self, size: int) -> t.Iterator[None]:
        """Run NATS with a limit on the size of messages inside the block."""
        self._restart_nats(max_payload=size)
        try:
            yield
        finally:
            self._restart_nats()

    def _restart_nats(self, **options: t.Any) -> None:
        self.nats.stop()
        self._nats(**options)
        self.nats.start()

    def _nats(self, **options: t.Any) -> str:
        tls = {"cert_file": self.certificate, "key_file": self.key, "ca_file": self.ca, "verify": True}
        login = {"user": "nats", "password": NATS_PASSWORD}
        return self.file("nats.conf", json.dumps({"listen": f"127.0.0.1:{self.nats_port}", "tls": tls, "authorization": login, **options}))

    def _routing_api(self) -> dict[str, t.Any]:
        first, *_more = self.reservable
        return {
            "listen": f"127.0.0.1:{self.api_port}",
            "control": f"127.0.0.1:{self.control_port}",
            "certificate_file": self.certificate,
            "key_file": self.key,
            "clients": {"routing": {"secret": ROUTING_SECRET, "scopes": SCOPES}},
            "router_groups": [
                {"name": "default-http", "type": "http", "reservable_ports": ""},
                {"name": "tcp", "type": "tcp", "reservable_ports": f"{','.join(map(str, self.reservable))},40000-42000"},
            ],
        }

    def _gorouter(self) -> dict[str, t.Any]:
        bus = {"servers": [f"tls://127.0.0.1:{self.nats_port}"], "user": "nats", "password": NATS_PASSWORD}
        tls = {"ca_file": self.ca, "certificate_file": self.certificate, "key_file": self.key}
        status = {"listen": f"127.0.0.1:{self.status_port}", "user": "router-status", "password": STATUS_PASSWORD}
        return {"nats": {**bus, **tls}, "status": status, "interval_seconds": 2, "stale_seconds": 20, "prune_seconds": 1}

    @contextlib.contextmanager
    def production(self) -> t.Iterator[None]:
        """Run gorouter with the default intervals inside the block."""
        self._restart_gorouter({**self._gorouter(), "interval_seconds": 20, "stale_seconds": 120})
        try:
            yield
        finally:
            self._restart_gorouter(self._gorouter())

    def _restart_gorouter(self, config: dict[str, t.Any]) -> None:
        self.gorouter.stop()
        self.file("gorouter.json", json.dumps(config))
        self.gorouter.start()
        until(self.gorouter_answers, 10)

    def _routers(self) -> dict[str, t.Any]:
        return {
            "address": "127.0.0.1",
            "http_port": self.http_port,
            "directory": str(self.directory / "routers"),
            "routing_api": {"control": self.control},
            "gorouter": {"url": f"http://127.0.0.1:{self.status_port}", "user": "router-status", "password": STATUS_PASSWORD},
            "ca_file": self.ca,
        }

    def _stand_in(self, name: str, config: dict[str, t.Any]) -> Process:
        return Process(
            self.directory, name, sys.executable, STANDINS / f"{name}.py", "--config", self.file(f"{name}.json", json.dumps(config))
        )

    # Cloud Foundry
    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    def up(self, url: str) -> bool:
        try:
            return bool(fetch(f"{url}/state"))
        except OSError:
            return False

    def set_state(self, **changes: t.Any) -> dict[str, t.Any]:
        return fetch(f"{self.control}/state", changes)

    def table(self) -> dict[str, t.Any]:
        return fetch(f"{self.control}/state")

    def counts(self) -> dict[str, t.Any]:
        """Return the numbers of rows in the routing API, of endpoints in gorouter, and of their requests and messages so far."""
        return {**self.ask_gorouter("counts"), **fetch(f"{self.control}/counts")}

    def tcp(self) -> set[tuple[int, str]]:
        """Return the external port and the backend of every TCP route."""
        return {(route["port"], f"{route['backend_ip']}:{route['backend_port']}") for route in self.table()["routes"]}

    def ask_gorouter(self, path: str) -> t.Any:
        login = base64.b64encode(f"router-status:{STATUS_PASSWORD}".encode()).decode()
        return fetch(f"http://127.0.0.1:{self.status_port}/{path}", headers={"Authorization": f"Basic {login}"})

    def gorouter_answers(self) -> bool:
        try:
            return isinstance(self.ask_gorouter("routes"), dict)
        except OSError:
            return False

    def http(self) -> dict[str, set[str]]:
        """Return the backends of every HTTP route by URI."""
        return {uri: {endpoint["address"] for endpoint in endpoints} for uri, endpoints in self.ask_gorouter("routes").items()}

    # Programs
    def config(self, identity: str, port: int) -> dict[str, t.Any]:
        return {
            "cluster": "cfcr",
            "kubeconfig": self.kubeconfig,
            "lease": {"namespace": "kube-system", "name": "cf-route-sync", "identity": identity},
            "app_domain": "apps.example.com",
            "domains": ["example.org"],
            "listen": f"127.0.0.1:{port}",
            **self.peers(),
            "nats": {
                "servers": [f"tls://127.0.0.1:{self.nats_port}"],
                "user": "nats",
                "password_file": self.password_file,
                "ca_file": self.ca,
                "certificate_file": self.certificate,
                "key_file": self.key,
            },
        }

    def peers(self) -> dict[str, t.Any]:
        url = f"https://127.0.0.1:{self.api_port}"
        return {
            "uaa": {"url": url, "client_id": "routing", "client_secret_file": self.secret_file, "ca_file": self.ca},
            "routing_api": {"url": url, "ca_file": self.ca, "router_group": "tcp", "ttl": 9},
        }

    def route_sync(self, identity: str = "master-0", start: bool = True, **changes: t.Any) -> Program:
        (port,) = free_ports(1)
        program = Program(self.directory, identity, "route_sync", {**self.config(identity, port), **changes})
        self.programs.append(program)
        program.log.unlink(missing_ok=True)
        if start:
            program.start()
        return program

    def start_leader(self, identity: str = "master-0", **changes: t.Any) -> Program:
        """Start a cf-route-sync, and wait until it is the leader."""
        program = self.route_sync(identity, **changes)
        until(lambda: program.health().get("leader"), 10, lambda: program.output)
        return program

    # Kubernetes
    def kill_api_server(self) -> None:
        """Kill the API server. A clean stop would wait for open watches."""
        self.apiserver._server.kill()
        self.apiserver.stop()

    def kube(self, method: str, path: str, body: object = None, kind: str = "application/json") -> dict[str, t.Any]:
        return self.api(method, path, body, kind)

    @staticmethod
    def place(item: dict[str, t.Any], name: str = "") -> str:
        version, kind, namespace = item["apiVersion"], item["kind"].lower(), item["metadata"].get("namespace")
        return "/".join(
            filter(None, ["/apis" if "/" in version else "/api", version, namespace and f"namespaces/{namespace}", f"{kind}s", name])
        )

    def create(self, item: dict[str, t.Any]) -> dict[str, t.Any]:
        made = self.kube("POST", self.place(item), item)
        if item["kind"] == "Node":
            self.kube("PUT", f"{self.place(item, item['metadata']['name'])}/status", {**made, "status": item["status"]})
        return made

    def patch(self, item: dict[str, t.Any], change: dict[str, t.Any], part: str = "") -> dict[str, t.Any]:
        path = self.place(item, item["metadata"]["name"]) + (f"/{part}" if part else "")
        return self.kube("PATCH", path, change, "application/strategic-merge-patch+json")

    def delete(self, item: dict[str, t.Any]) -> None:
        self.kube("DELETE", self.place(item, item["metadata"]["name"]))

    def node(self, name: str, address: str) -> dict[str, t.Any]:
        conditions = [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": None, "lastTransitionTime": None, "reason": "", "message": ""}
        ]
        status = {"addresses": [{"type": "InternalIP", "address": address}], "conditions": conditions}
        return self.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status})

    def service(
        self,
        name: str,
        labels: dict[str, str],
        *node_ports: int,
        annotations: dict[str, str] | None = None,
        namespace: str = "default",
        **spec: t.Any,
    ) -> dict[str, t.Any]:
        ports = [{"name": f"p{index}", "port": 80 + index, "nodePort": port} for index, port in enumerate(node_ports)]
        metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations or {}}
        whole = {"type": "NodePort", "ports": ports, "selector": {"app": name}, **spec}
        return self.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": whole})

    def namespace(self, name: str) -> str:
        """Create a namespace, if it does not exist."""
        with contextlib.suppress(urllib.error.HTTPError):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def events(self, service: str, namespace: str = "default") -> list[tuple[str, str]]:
        """Return the Events of cf-route-sync. The API server reports some on a new Service as well."""
        items = self.kube("GET", f"/api/v1/namespaces/{namespace}/events")["items"]
        ours = [item for item in items if item["source"].get("component") == "cf-route-sync"]
        return [(item["reason"], item["message"]) for item in ours if item["involvedObject"]["name"] == service]

    def reset(self) -> None:
        """Stop the programs of a test, and remove its objects and routes."""
        for program in self.programs:
            program.stop(signal.SIGKILL)
        self.programs = []
        namespaces = [item["metadata"]["name"] for item in self.kube("GET", "/api/v1/namespaces")["items"]]
        places = [f"{api}/namespaces/{{}}/{kind}" for api, kind in (("/api/v1", "services"), ("/apis/discovery.k8s.io/v1", "endpointslices"))]
        for path in ["/api/v1/nodes", *(place.format(namespace) for namespace in namespaces for place in places)]:
            for item in self.kube("GET", path)["items"]:
                if item["metadata"]["name"] != "kubernetes" and not item["metadata"]["name"].startswith("kubernetes-"):
                    self.kube("DELETE", f"{path}/{item['metadata']['name']}")
        for namespace in namespaces:
            self.kube("DELETE", f"/api/v1/namespaces/{namespace}/events")
        self.forget("leases/cf-route-sync", "leases/cf-api-registrar", "configmaps/cf-route-sync", "configmaps/cf-route-sync-holders")
        self.apply_manifest()
        pathlib.Path(self.secret_file).write_text(ROUTING_SECRET)
        pathlib.Path(self.password_file).write_text(NATS_PASSWORD)
        clients = {"routing": {"secret": ROUTING_SECRET, "scopes": SCOPES}}
        self.set_state(down=[], clients=clients, token_seconds=3600, row_seconds=0.0012, tls_port_type="int", forget=True)
        self.ask_gorouter("forget")

    def forget(self, *objects: str) -> None:
        """Delete objects of kube-system, if they exist."""
        for name in objects:
            api = "/apis/coordination.k8s.io/v1" if name.startswith("leases") else "/api/v1"
            with contextlib.suppress(urllib.error.HTTPError):
                self.kube("DELETE", f"{api}/namespaces/kube-system/{name}")


class Admin:
    """A client of the API server with all permissions."""

    def __init__(self, apiserver: t.Any) -> None:
        config = json.loads(pathlib.Path(apiserver.kubeconfig).read_text())
        user = config["users"][0]["user"]
        self.url = config["clusters"][0]["cluster"]["server"]
        pair = apiserver.directory / "admin.pem"
        pair.write_bytes(base64.b64decode(user["client-key-data"]) + base64.b64decode(user["client-certificate-data"]))
        self.tls = ssl.create_default_context(cafile=str(apiserver.directory / "ca.crt"))
        self.tls.load_cert_chain(pair)

    def __call__(self, method: str, path: str, body: object, kind: str) -> dict[str, t.Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, context=self.tls, timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def workload(address: str, port: int, text: str) -> t.Iterator[None]:
    """Run an HTTP server that answers with a text, as a workload behind a node port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer((address, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def _cloud_foundry(tmp_path_factory, apiserver):
    made = World(tmp_path_factory.mktemp("cf-routing"), apiserver, Admin(apiserver))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def world(_cloud_foundry):
    """Return a reset world, and check afterwards that no program has printed a secret or a traceback."""
    _cloud_foundry.reset()
    yield _cloud_foundry
    output = "".join(program.output for program in _cloud_foundry.programs)
    assert not any(secret in output for secret in SECRETS)
    assert "Traceback" not in output, output
