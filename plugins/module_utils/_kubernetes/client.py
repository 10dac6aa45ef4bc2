# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small client of the Kubernetes API: one kept-alive connection, server-side apply, discovery."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import ssl
import tempfile
import time
import typing as t
import urllib.parse

try:
    import yaml
except ImportError:  # a kubeconfig in JSON can be read without it
    yaml = None

__all__ = ("Kubernetes", "KubernetesError", "Unavailable", "title")

FIELD_MANAGER = "cfcr"
POLL_SECONDS = 0.2
REQUEST_SECONDS = 15

# Status of an API server, or of a proxy in front of it, that starts or is overloaded. For errors of etcd it answers 500.
PASSING = frozenset({429, 502, 503, 504})
ETCD_ERROR = "etcdserver: "
WARNING = re.compile(r'\b299 \S+ "((?:[^"\\]|\\.)*)"')
_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
AGGREGATED_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class KubernetesError(Exception):
    """The API server refuses a request or cannot be reached, or an object does not reach its desired state."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Unavailable(KubernetesError):
    """The API server cannot be reached, or is not ready yet."""


class Resource(t.NamedTuple):
    """Where the API serves a kind."""

    prefix: str
    plural: str
    namespaced: bool


def title(obj: dict[str, t.Any]) -> str:
    """Return the name of an object in messages and diffs."""
    metadata = obj["metadata"]
    path = "/".join(part for part in (metadata.get("namespace"), metadata.get("name")) if part)
    return f"{obj['kind']} {path}"


class Kubernetes:
    """A client of one API server, as the current user of a kubeconfig, until a deadline."""

    def __init__(
        self,
        kubeconfig: str | dict[str, t.Any],
        timeout: float,
        server: str | None = None,
        grant: t.Callable[[Kubernetes], float] | None = None,
    ) -> None:
        """Take the server of the kubeconfig (a file, or its content), or another one with a certificate of the same CA.

        grant: called once, if the server refuses the user; returns the seconds within which the server may learn that it need not.
        """
        own, self._tls, self.certificate = _credentials(_load(kubeconfig) if isinstance(kubeconfig, str) else kubeconfig)
        self._grant = grant
        self._refused_until = 0.0
        self.url = server or own
        self._server = urllib.parse.urlsplit(self.url).netloc
        self._connection: http.client.HTTPSConnection | None = None
        self._resources: dict[tuple[str, str], dict[str, Resource]] | None = None
        self._deadline = time.monotonic() + timeout
        self._timeout = timeout
        self.warnings: list[str] = []  # of the last answer

    def request(
        self, method: str, path: str, body: t.Any = None, headers: dict[str, str] | None = None, passing: t.Container[int] = PASSING, **query: t.Any
    ) -> t.Any:
        """Return the answer, or None if the object is not found. Retry while the server is not available, by a status that passes.

        Use it only for requests that can be repeated: reading, server-side apply, deletion.
        """
        url = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        answer = self._answer(method, url, None if body is None else json.dumps(body), {"Accept": "application/json", **(headers or {})}, passing)
        return None if answer is None else json.loads(answer)

    def text(self, path: str) -> str:
        """Return an answer that is no JSON, such as metrics."""
        answer = self._answer("GET", path, None, {}, PASSING)
        if answer is None:
            raise KubernetesError(f"GET {path}: not found", 404)
        return answer.decode(errors="replace")

    def _answer(self, method: str, url: str, content: str | None, headers: dict[str, str], passing: t.Container[int]) -> bytes | None:
        path = url.partition("?")[0]
        while True:
            try:
                status, answer = self._send(method, url, content, headers)
                if status < 300:
                    return answer
                if status == 404:
                    return None
                problem = f"{status} {_message(answer)}"
                if status not in passing and ETCD_ERROR not in problem and not (status == 403 and self._is_expected()):
                    raise KubernetesError(f"{method} {path}: {problem}", status)
            except ssl.SSLCertVerificationError as error:
                raise Unavailable(f"https://{self._server}: {error}") from error
            except (OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
                self._connection = None
            self.pause(lambda told=problem: f"{method} https://{self._server}{path}: {told}")

    def silence(self, path: str) -> str | None:
        """Return why the server does not answer a request, or None if it does: any status will do, and so will an end of the connection.

        A proxy ends the connection if it has no server, and the certificate need not have the name of every way to the server.
        """
        try:
            self._send("GET", path, None, {})
        except ssl.SSLCertVerificationError as error:
            return None if error.verify_code in _OTHER_NAME else str(error)
        except (ConnectionResetError, ssl.SSLEOFError, http.client.HTTPException):
            return None
        except OSError as error:
            return str(error) or type(error).__name__
        finally:
            self._connection = None
        return None

    def _is_expected(self) -> bool:
        """Return whether a refusal may end by itself, because the user has just been given the permission."""
        if self._grant:
            grant, self._grant = self._grant, None
            seconds = grant(self)
            self._refused_until = time.monotonic() + seconds
        return time.monotonic() < self._refused_until

    def pause(self, problem: t.Callable[[], str]) -> None:
        """Wait before a retry. Fail with the problem when the time is up."""
        if time.monotonic() > self._deadline:
            waited = f" (after {self._timeout:g} seconds)" if self._timeout else ""
            raise Unavailable(f"{problem()}{waited}")
        time.sleep(POLL_SECONDS)

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """Return where a kind of an API version is served, or None if it is not."""
        group, _unused, version = api_version.rpartition("/")
        return self._discovered().get((group, kind), {}).get(version)

    def served(self, group: str, kind: str) -> tuple[str, Resource] | None:
        """Return the preferred API version of a kind and where it is served, or None if it is not."""
        for version, resource in self._discovered().get((group, kind), {}).items():
            return (f"{group}/{version}" if group else version), resource
        return None

    def forget(self) -> None:
        """Discover the kinds again at the next request, since they may have changed."""
        self._resources = None

    def get(self, obj: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """Return the actual object, or None."""
        return self.request("GET", self._path(obj))

    def apply(self, obj: dict[str, t.Any], dry_run: bool = False) -> dict[str, t.Any]:
        """Apply an object server-side, taking over fields that others own, and return the result."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        answer = self.request("PATCH", self._path(obj), obj, {"Content-Type": "application/apply-patch+yaml"}, **query)
        if answer is None:
            raise KubernetesError(f"{title(obj)}: its namespace or its kind does not exist")
        return answer

    def delete(self, obj: dict[str, t.Any]) -> None:
        """Delete exactly this object, not a later one of the same name."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": obj["metadata"]["uid"]}}
        self.request("DELETE", self._path(obj), options, {"Content-Type": "application/json"})

    def list(self, group: str, kind: str, namespace: str = "", **query: str) -> list[dict[str, t.Any]]:
        """Return the objects of a kind; none if the kind is not served."""
        found = self.served(group, kind)
        if found is None:
            return []
        version, resource = found
        scope = f"/namespaces/{namespace}" if namespace else ""
        items = (self.request("GET", f"{resource.prefix}{scope}/{resource.plural}", **query) or {}).get("items", [])
        return [{"apiVersion": version, "kind": kind, **item} for item in items]

    def _path(self, obj: dict[str, t.Any]) -> str:
        resource = self.resource(obj["apiVersion"], obj["kind"])
        if resource is None:
            raise KubernetesError(f"{title(obj)}: the API server does not serve {obj['kind']} of {obj['apiVersion']}")
        namespace = obj["metadata"].get("namespace", "")
        if resource.namespaced != bool(namespace):
            raise KubernetesError(f"{title(obj)}: {obj['kind']} {'needs' if resource.namespaced else 'has no'} metadata.namespace")
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{resource.prefix}{scope}/{resource.plural}/{obj['metadata']['name']}"

    def _discovered(self) -> dict[tuple[str, str], dict[str, Resource]]:
        """Return, by group and kind, where each version is served, the preferred version first."""
        if self._resources is None:
            self._resources = {}
            for root in ("/api", "/apis"):
                answer = self.request("GET", root, headers={"Accept": AGGREGATED_DISCOVERY})
                for group in answer["items"]:
                    self._add(root, group["metadata"].get("name", ""), group["versions"])
        return self._resources

    def _add(self, root: str, group: str, versions: list[dict[str, t.Any]]) -> None:
        for version in versions:
            prefix = "/".join(part for part in (root, group, version["version"]) if part)
            for resource in version.get("resources", []):
                kinds = self._resources.setdefault((group, resource["responseKind"]["kind"]), {})
                kinds[version["version"]] = Resource(prefix, resource["resource"], resource["scope"] == "Namespaced")

    def _send(self, method: str, url: str, content: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(self._server, timeout=REQUEST_SECONDS, context=self._tls)
        self._connection.request(method, url, content, headers)
        response = self._connection.getresponse()
        self.warnings = _warnings(response.headers.get_all("Warning", []))
        return response.status, response.read()


def _warnings(headers: list[str]) -> list[str]:
    """Return the texts of the headers with which an API server warns of a request."""
    return [re.sub(r"\\(.)", r"\1", text) for header in headers for text in WARNING.findall(header)]


def _message(answer: bytes) -> str:
    """Return the message of a Status object with the PodDisruptionBudget that is its cause, or the beginning of any other answer."""
    try:
        status = json.loads(answer)
        causes = [cause["message"] for cause in (status.get("details") or {}).get("causes") or [] if cause.get("reason") == "DisruptionBudget"]
        return " ".join([status["message"], *causes])
    except (ValueError, KeyError, TypeError):
        return " ".join(answer.decode(errors="replace").split())[:500]


def _load(path: str) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            content = stream.read()
    except OSError as error:
        raise (Unavailable if isinstance(error, FileNotFoundError) else KubernetesError)(f"kubeconfig {path}: {error.strerror}") from error
    try:
        return json.loads(content)
    except ValueError:
        if yaml is None:
            raise KubernetesError(f"kubeconfig {path}: is not JSON, and PyYAML is missing") from None
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise KubernetesError(f"kubeconfig {path}: {error}") from error


def _credentials(config: dict[str, t.Any]) -> tuple[str, ssl.SSLContext, str]:
    """Return the URL of the current context's server, a TLS context with the CA and the client certificate, and the client certificate."""
    try:
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        authority, certificate, key = (
            base64.b64decode(value).decode()
            for value in (cluster["certificate-authority-data"], user["client-certificate-data"], user["client-key-data"])
        )
        tls = ssl.create_default_context(cadata=authority)
        _load_client(tls, f"{key}\n{certificate}".encode())
    except (KeyError, TypeError, ValueError, StopIteration, ssl.SSLError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise KubernetesError(f"the kubeconfig has no usable current context with embedded certificates: {problem}") from error
    return cluster["server"], tls, certificate


def _load_client(tls: ssl.SSLContext, pem: bytes) -> None:
    """Load a private key and its certificate. ssl takes them from a file only: this one is in memory, and no other process can find it by a name."""
    if not hasattr(os, "memfd_create"):  # a director that is not Linux
        with tempfile.NamedTemporaryFile() as stream:
            stream.write(pem)
            stream.flush()
            tls.load_cert_chain(stream.name)
        return
    with open(os.memfd_create("client"), "wb") as stream:
        stream.write(pem)
        stream.flush()
        tls.load_cert_chain(f"/proc/self/fd/{stream.fileno()}")


def _named(items: list[dict[str, t.Any]], name: str) -> dict[str, t.Any]:
    return next(item for item in items if item["name"] == name)
