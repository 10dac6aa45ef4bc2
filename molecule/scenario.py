# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Helpers of all scenarios' tests: kubectl, the API, killed hosts, waiting, continuous requests and workloads."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import functools
import http.client
import ipaddress
import json
import os
import pathlib
import ssl
import subprocess
import tempfile
import threading
import time
import typing as t
import urllib.parse
import urllib.request

import testinfra
import yaml

ROOT = pathlib.Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
DIRECTORY = ROOT / ".local/molecule" / os.environ["MOLECULE_SCENARIO_NAME"]
TIMEOUT_SECONDS = 5
# The default of cluster_kubernetes_version, and the Kubernetes of its catalog.
MINOR = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_kubernetes_version"]
VERSION = yaml.safe_load((ROOT / f"catalog/{MINOR}.yml").read_text(encoding="utf-8"))["versions"]["kubernetes"]
CLUSTER = f"molecule-{os.environ['MOLECULE_SCENARIO_NAME'].replace('_', '-')}"


def run(*command: object, **options: t.Any) -> str:
    """Return the output of a command."""
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **options).stdout


def kubectl(*arguments: str, **options: t.Any) -> str:
    return run(DIRECTORY / "bin/kubectl", f"--kubeconfig={DIRECTORY}/kubeconfig", *arguments, **options)


def get(*arguments: str) -> dict[str, t.Any]:
    return json.loads(kubectl("get", "--output=json", *arguments))


def cordoned() -> list[str]:
    """Return the nodes that are cordoned, or have the taint of workers that an update drains later."""
    return [node["metadata"]["name"] for node in get("nodes")["items"] if node["spec"].get("unschedulable") or "drained-later" in json.dumps(node["spec"])]


def apply(*objects: dict[str, t.Any]) -> None:
    kubectl("apply", "--filename=-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def kubeconfig(name: str = "kubeconfig") -> tuple[str, ssl.SSLContext]:
    """Return the server of a kubeconfig, and a TLS context with its user's certificate and its CA bundle."""
    config = yaml.safe_load((DIRECTORY / name).read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
        file.flush()
        context.load_cert_chain(file.name)
    return cluster["server"], context


@functools.cache
def administrator() -> tuple[str, ssl.SSLContext]:
    """Return the server and the TLS context of the kubeconfig as it was at the first call."""
    return kubeconfig()


def ask(server: str, context: ssl.SSLContext, method: str, path: str, body: t.Any = None) -> tuple[int, t.Any]:
    """Return the status and the answer of an API server, on a new connection; raise an OSError if there is no answer."""
    connection = http.client.HTTPSConnection(urllib.parse.urlsplit(server).netloc, timeout=TIMEOUT_SECONDS, context=context)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content.startswith(b"{") else content.decode()
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


class Connection:
    """A connection to an API server that lasts, for one thread. A server that ends it, for example as it stops, is asked once more on a new one."""

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._connection = http.client.HTTPSConnection(urllib.parse.urlsplit(server).netloc, timeout=TIMEOUT_SECONDS, context=context)

    def get(self, path: str) -> dict[str, t.Any]:
        """Return the answer; raise an OSError if there is none, or another one than JSON."""
        lasted = self._connection.sock is not None
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise OSError(f"{response.status} {content.decode(errors='replace')}")
            return json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            if lasted:
                return self.get(path)
            raise OSError(f"{type(error).__name__}: {error}") from error


def stream(server: str, context: ssl.SSLContext, path: str) -> t.Iterator[dict[str, t.Any]]:
    """Yield the events of a watch until the server ends it; raise an OSError if the connection breaks."""
    connection = http.client.HTTPSConnection(urllib.parse.urlsplit(server).netloc, timeout=TIMEOUT_SECONDS, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"{response.status} {response.read().decode(errors='replace')}")
        yield from map(json.loads, response)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def api_answers(endpoint: str = "") -> bool:
    """List the nodes on a new connection. Starting kubectl for each request would measure this machine instead of the API."""
    server, context = administrator()
    return answers(f"{endpoint or server}/api/v1/nodes", context)


def answers(url: str, context: ssl.SSLContext | None = None, **headers: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS, context=context) as answer:
            return bool(answer.read())
    except (OSError, http.client.HTTPException):
        return False


def inventory() -> dict[str, t.Any]:
    return yaml.safe_load((DIRECTORY / "inventory.yml").read_text(encoding="utf-8"))["all"]


def addresses() -> dict[str, str]:
    """Return the addresses of all hosts by name."""
    return {name: variables["ansible_host"] for group in inventory()["children"].values() for name, variables in group.get("hosts", {}).items()}


def gateway() -> str:
    """Return the address at which hosts reach this machine."""
    return str(ipaddress.ip_network(f"{next(iter(addresses().values()))}/24", strict=False)[1])


def host(name: str) -> t.Any:
    return testinfra.get_host(f"ansible://{name}?force_ansible=False", ansible_inventory=str(DIRECTORY / "inventory.yml"))


def wait(condition: t.Callable[[], t.Any], seconds: float) -> float:
    """Wait for a condition, and return how many seconds it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"the condition does not hold after {seconds} seconds"
        time.sleep(0.1)
    return round(time.monotonic() - begin, 1)


def on(name: str, *command: str, **options: t.Any) -> str:
    """Return the output of a command on a host, without the delay of SSH."""
    return run("podman", "exec", "--interactive", f"{CLUSTER}-{name}", *command, **options)


@contextlib.contextmanager
def killed(name: str) -> t.Iterator[None]:
    """Kill a host, and start it again after the block."""
    run("podman", "kill", f"{CLUSTER}-{name}")
    try:
        yield
    finally:
        run("podman", "start", f"{CLUSTER}-{name}")


def agnhost() -> str:
    """Return the image of the tests' workloads, which every worker has."""
    return next(image for image in get("nodes")["items"][0]["status"]["images"] if "agnhost" in str(image["names"]))["names"][0]


def web(name: str, node_ports: list[int], labels: dict[str, str], annotations: dict[str, str] | None = None, **spec: t.Any) -> list[dict[str, t.Any]]:
    """Return a DaemonSet with a web server and its Service, which has one port for each node port."""
    selector = {"app": name}
    container = {"name": "web", "image": agnhost(), "imagePullPolicy": "Never", "command": ["/agnhost", "netexec", "--http-port=8080"]}
    template = {"metadata": {"labels": selector}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    ports = [{"name": f"port-{port}", "port": port, "targetPort": 8080, "nodePort": port} for port in node_ports]
    metadata = {"name": name, "labels": labels, "annotations": annotations or {}}
    service = {"type": "NodePort", "selector": selector, "ports": ports, **spec}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name}, "spec": {"selector": {"matchLabels": selector}, "template": template}},
    ]


class ContinuousRequests(threading.Thread):
    """Sends a request twice a second inside the block, and counts those that fail. No request waits for another."""

    PAUSE = 0.5

    def __init__(self, ask: t.Callable[[], bool]) -> None:
        super().__init__()
        self._ask, self._end = ask, threading.Event()
        self._requests: list[tuple[float, float, bool]] = []

    def __enter__(self) -> ContinuousRequests:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
            requests = []
            while not self._end.wait(self.PAUSE):
                requests.append(pool.submit(self._timed))
            self._requests = sorted(request.result() for request in requests)

    def _timed(self) -> tuple[float, float, bool]:
        begin = time.monotonic()
        answered = self._ask()
        return begin, time.monotonic(), answered

    @property
    def summary(self) -> dict[str, t.Any]:
        """The number of requests and of failed ones, the longest outage and the slowest answer in seconds, and when requests failed."""
        outage, longest, outages = None, 0.0, []
        for begin, _end, answered in self._requests:
            if answered:
                outage = None
                continue
            if outage is None:
                outage = begin
                outages.append(time.strftime("%H:%M:%S", time.localtime(time.time() - time.monotonic() + begin)))
            longest = max(longest, begin - outage + self.PAUSE)
        times = [end - begin for begin, end, answered in self._requests if answered]
        return {
            "requests": len(self._requests),
            "failed": len(self._requests) - len(times),
            "longest_outage": round(longest, 1),
            "slowest_answer": round(max(times, default=0.0), 1),
            "outages": outages,
        }
