# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster with `cluster_artifact_source: upstream` behind an HTTP proxy: all downloads go through it, and survive the faults of servers."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import threading

import pytest
import yaml
from playbook import Run, changes
from registry import Authority, Registry
from scenario import DIRECTORY, ROOT, addresses, agnhost, apply, gateway, get, inventory, kubectl, on, run, wait

sys.path[:0] = [str(ROOT / "tests/standins"), str(ROOT / "collections")]

from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import Source, artifacts, load  # noqa: E402 - the import needs the path
from release_hosts import ERROR, NAMES, RESET, SLOW, TRUNCATED, WRONG, ReleaseHosts, publish  # noqa: E402

# Only this machine reaches these addresses, so whatever hosts download comes through the proxy.
RELEASES, IMAGES, PACKAGES = "127.0.0.40", "127.0.0.41", "127.0.0.42"
REGISTRIES = ("registry.k8s.io", "registry-1.docker.io")
PROXY_PORT = 3128
COLLECTION = DIRECTORY / "collections/ansible_collections/cfcr/kubernetes"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
MIRROR = pathlib.Path(inventory()["vars"]["iaas_artifact_directory"]).expanduser()
GATEWAY = gateway()
VERSION = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_kubernetes_version"]


@pytest.fixture(scope="module")
def authority():
    """Return a CA that the hosts trust as they trust those of their distribution."""
    created = Authority.create(DIRECTORY / "upstream-ca")
    for name in addresses():
        on(name, "tee", "/usr/local/share/ca-certificates/tests.crt", input=created.certificate.read_text(encoding="utf-8"))
        on(name, "update-ca-certificates")
    return created


@pytest.fixture(scope="module")
def catalog():
    """Copy the collection, and give its catalog the pins of what was compiled. Return the catalog."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    for name in ("catalog", "meta", "packages", "playbooks", "plugins", "roles"):
        shutil.copytree(ROOT / name, COLLECTION / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", COLLECTION)
    path = COLLECTION / "catalog/checksums.yml"
    text, found = path.read_text(encoding="utf-8"), load(VERSION)
    compiled = dict(reversed(line.split()) for line in (MIRROR / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    for artifact in artifacts(found, found["components"], Source("upstream")):
        origin = artifact["architectures"][ARCHITECTURE]
        if "sha256" in origin:
            file = f"{artifact['component']}/{artifact['version']}/{ARCHITECTURE}/{origin['url'].rpartition('/')[2]}"
            text = text.replace(origin["sha256"], compiled[file])
            # The tests expect the pins that the hosts have.
            found["components"][artifact["component"]]["sha256"] = {ARCHITECTURE: compiled[file]}
    path.write_text(text, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def urls(catalog):
    """Return the URL of each component."""
    found = artifacts(catalog, catalog["components"], Source("upstream"))
    return {artifact["component"]: artifact["architectures"][ARCHITECTURE]["url"] for artifact in found}


@pytest.fixture(scope="module")
def releases(authority, catalog):
    certificate, key = authority.issue("releases", [f"DNS:{name}" for name in NAMES])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    published = publish(artifacts(catalog, catalog["components"], Source("upstream")), MIRROR, ARCHITECTURE)
    with ReleaseHosts((RELEASES, 443), published, tls) as served:
        yield served


@pytest.fixture(scope="module")
def images(authority, catalog):
    """Serve the images of the catalog from a registry that has the names of the projects' registries."""
    with Registry(DIRECTORY / "registry", f"{IMAGES}:443", authority, [f"DNS:{name}" for name in REGISTRIES]) as registry:
        for name, image in catalog["images"].items():
            repository, _colon, tag = image["reference"].format(version=image["version"]).partition("/")[2].rpartition(":")
            registry.push(MIRROR / f"images/{name}/{image['version']}/{ARCHITECTURE}/{name}.tar", repository, tag)
        yield registry


@pytest.fixture(scope="module")
def proxy(releases, images):
    """Run tinyproxy, which finds the projects' hosts at the addresses of the stand-ins. Return its log."""
    directory = DIRECTORY / "proxy"
    directory.mkdir(exist_ok=True)
    program = shutil.which("tinyproxy") or directory / "usr/bin/tinyproxy"
    if not pathlib.Path(program).exists():
        run("apt-get", "download", "tinyproxy-bin", cwd=directory)
        (package,) = directory.glob("tinyproxy-bin_*.deb")
        run("dpkg-deb", "--extract", package, directory)
    log, names, settings = directory / "proxy.log", directory / "hosts", directory / "tinyproxy.conf"
    log.write_text("")
    hosts = [f"{RELEASES} {' '.join(NAMES)}", f"{IMAGES} {' '.join(REGISTRIES)}", f"{PACKAGES} packages.test"]
    names.write_text("127.0.0.1 localhost\n" + "".join(f"{line}\n" for line in hosts), encoding="utf-8")
    lines = [f"Port {PROXY_PORT}", f"Listen {GATEWAY}", "Timeout 600", "MaxClients 200", "ConnectPort 443", f'LogFile "{log}"', "LogLevel Connect"]
    settings.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with_hosts = 'mount --bind "$0" /etc/hosts && exec "$@"'
    process = subprocess.Popen(["unshare", "--mount", "sh", "-c", with_hosts, names, program, "-d", "-c", settings], stdout=subprocess.DEVNULL)
    try:
        wait(_listens, 20)
        assert process.poll() is None
        yield log
    finally:
        process.terminate()
        process.wait()


def _listens() -> bool:
    return bool(run("ss", "--no-header", "--listening", "--tcp", f"src {GATEWAY}:{PROXY_PORT}").strip())


@pytest.fixture
def packages():
    """Serve a repository with one package, and let the worker have no other one."""
    directory = DIRECTORY / "packages"
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "content/DEBIAN").mkdir(parents=True)
    control = "Package: cfcr-tests\nVersion: 1\nArchitecture: all\nMaintainer: tests <tests@example.com>\nDescription: nothing\n"
    (directory / "content/DEBIAN/control").write_text(control, encoding="utf-8")
    package = directory / "cfcr-tests.deb"
    run("dpkg-deb", "--root-owner-group", "--build", directory / "content", package)
    file = f"Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {hashlib.sha256(package.read_bytes()).hexdigest()}\n"
    (directory / "Packages").write_text(control + file, encoding="utf-8")
    on("worker-0", "sh", "-c", "rm -r /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] http://packages.test ./' > /etc/apt/sources.list")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    with http.server.ThreadingHTTPServer((PACKAGES, 80), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()


def site(*options: str) -> Run:
    return play(os.path.relpath(COLLECTION / "playbooks/site.yml", ROOT / "playbooks"), *options)


def play(playbook: str, *options: str) -> Run:
    variables = {
        "cluster_artifact_source": "upstream",
        "cluster_artifact_mirror": "",
        "cluster_artifact_checksums": {},
        "cluster_http_proxy": f"http://{GATEWAY}:{PROXY_PORT}",
    }
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(DIRECTORY / "collections")}
    started = Run(playbook, f"--extra-vars={json.dumps(variables)}", *options, environment=environment)
    started.end()
    return started


def test_a_wrong_file_is_refused(releases, proxy, urls):
    releases.faults = {
        urls["runc"]: [WRONG],
        urls["etcd"]: [ERROR, TRUNCATED],
        urls["kube-apiserver"]: [RESET],
        f"{urls['kube-apiserver']}.sha256": [TRUNCATED, ERROR],
        urls["containerd"]: [SLOW],
    }
    refused = site()
    assert refused.end() != 0
    said = rf"{re.escape(urls['runc'])}: expected sha256 [0-9a-f]{{64}}, found [0-9a-f]{{64}} in 15 bytes"
    assert re.search(said, re.sub(r"\s+", " ", refused.text)), refused.text
    assert on("worker-0", "find", "/opt/cfcr/bin", "-name", "runc") == ""


def test_a_cluster_comes_up(releases, proxy, figures):
    first = site()
    assert first.end() == 0, first.text
    # The other faults did not end the first run.
    assert {url: faults for url, faults in releases.faults.items() if faults} == {}
    kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    kubectl("--namespace=kube-system", "wait", "--for=condition=Available", "deployments", "--all", "--timeout=120s")
    repeated = site()
    assert repeated.end() == 0, repeated.text
    assert changes(repeated.text) == {}
    asked = proxy.read_text(encoding="utf-8")
    assert {name for name in (*NAMES, *REGISTRIES) if f"CONNECT {name}:443" not in asked} == set()
    figures("Upstream", site=first.seconds, again=repeated.seconds)


def test_every_file_came_from_a_project(releases, catalog):
    """kubectl is for the director, which is the controller here."""
    files = {url for url, content in releases.published.items() if isinstance(content, pathlib.Path)}
    assert {url for url in files - set(releases.served) if not url.endswith("/kubectl")} == set()


def test_containerd_pulls_images_of_pods_through_the_proxy(images, proxy):
    before = proxy.read_text(encoding="utf-8").count("CONNECT registry.k8s.io:443")
    container = {"name": "agnhost", "image": agnhost(), "imagePullPolicy": "Always", "command": ["/agnhost", "pause"]}
    apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pulled"}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}})
    wait(lambda: get("pod", "pulled")["status"]["phase"] == "Running", 60)
    kubectl("delete", "pod", "pulled")
    assert proxy.read_text(encoding="utf-8").count("CONNECT registry.k8s.io:443") > before
    environment = on("worker-0", "systemctl", "show", "--property=Environment", "containerd")
    assert f"HTTPS_PROXY=http://{GATEWAY}:{PROXY_PORT}" in environment


def test_packages_come_through_the_proxy(packages, proxy):
    installed = play("../molecule/upstream/package.yml")
    assert installed.end() == 0, installed.text
    assert "GET http://packages.test/./cfcr-tests.deb" in proxy.read_text(encoding="utf-8")


def test_nothing_inside_the_cluster_goes_through_the_proxy(proxy):
    asked = set(re.findall(r"Request .*?: (?:CONNECT|GET) (?:http://)?([^/: ]+)", proxy.read_text(encoding="utf-8")))
    assert asked == {*NAMES, *REGISTRIES, "packages.test"}
