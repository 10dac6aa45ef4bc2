# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pull images from a stand-in for a registry."""

from __future__ import annotations

import hashlib
import http.server
import json
import tarfile

import pytest
from _http import serving
from ansible_collections.cfcr.kubernetes.plugins.module_utils._artifacts.registry import pull
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content):
    return {"digest": digest(content), "size": len(content)}


LAYERS = {architecture: f"layer of {architecture}".encode() * 1000 for architecture in ("amd64", "arm64")}
CONFIG = b'{"os": "linux"}'
MANIFESTS = {
    architecture: json.dumps({"config": described(CONFIG), "layers": [described(layer), described(layer)]}).encode() for architecture, layer in LAYERS.items()
}
PLATFORMS = [{**described(manifest), "platform": {"os": "linux", "architecture": architecture}} for architecture, manifest in MANIFESTS.items()]
TOP = json.dumps({"manifests": [{"digest": "sha256:0", "platform": {"os": "windows", "architecture": "amd64"}}, *PLATFORMS]}).encode()


class Registry(http.server.BaseHTTPRequestHandler):
    """Gives a token to everybody, and sends blobs from another path, which must not get the token."""

    replaced: dict = {}

    def do_GET(self):
        path = self.path.removeprefix("/v2/coredns/coredns/")
        blobs = {digest(content): content for content in (CONFIG, *LAYERS.values())}
        manifests = {"1.15.0": (INDEX, TOP), digest(TOP): (INDEX, TOP), **{digest(its): (MANIFEST, its) for its in MANIFESTS.values()}}
        kind, _slash, name = path.partition("/")
        if path.startswith("/token?"):
            assert path == "/token?service=registry&scope=repository%3Acoredns%2Fcoredns%3Apull"
            self.answer(200, b'{"token": "t"}')
        elif path.startswith("/elsewhere/"):
            assert "Authorization" not in self.headers
            name = path.rpartition("/")[2]
            self.answer(200, self.replaced.get(name, blobs[name]))
        elif self.headers.get("Authorization") != "Bearer t":
            base = f"http://{self.headers['Host']}"
            challenge = f'Bearer realm="{base}/token",service="registry",scope="repository:coredns/coredns:pull"'
            self.answer(401, b"", {"WWW-Authenticate": challenge})
        elif kind == "blobs":
            self.answer(307, b"", {"Location": f"/elsewhere/{name}"})
        elif name in manifests:
            self.answer(200, self.replaced.get(name, manifests[name][1]), {"Content-Type": manifests[name][0]})
        else:
            self.answer(404, b"")

    def answer(self, status, content, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def pulled(tmp_path):
    """A function that pulls an image, whose registry has other content for some digests."""

    def run(architecture="amd64", pin=None, tag="1.15.0", replaced=None):
        with serving(type("Its", (Registry,), {"replaced": replaced or {}})) as url:
            pull(f"{url.removeprefix('http://')}/coredns/coredns:{tag}", pin, architecture, tmp_path / "x.tar", scheme="http")
        with tarfile.open(tmp_path / "x.tar") as archive:
            return {entry.name: archive.extractfile(entry).read() for entry in archive}

    return run


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("pin", [None, hashlib.sha256(TOP).hexdigest()])
def test_archive_has_the_image_of_the_architecture(pulled, architecture, pin):
    found = pulled(architecture, pin)
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (manifest,) = json.loads(found["index.json"])["manifests"]
    assert manifest["annotations"]["io.containerd.image.name"].endswith("/coredns/coredns:1.15.0")
    assert (manifest["digest"], manifest["mediaType"]) == (digest(MANIFESTS[architecture]), MANIFEST)
    blobs = {name.replace("blobs/sha256/", "sha256:"): content for name, content in found.items() if name.startswith("blobs/")}
    assert blobs == {digest(content): content for content in (MANIFESTS[architecture], CONFIG, LAYERS[architecture])}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": "riscv64"}, "found no image for linux/riscv64"),
        ({"tag": "1.0"}, "HTTP Error 404"),
        ({"pin": "a" * 64}, "HTTP Error 404"),
        ({"replaced": {digest(TOP): b"{}"}, "pin": hashlib.sha256(TOP).hexdigest()}, "found another digest"),
        ({"replaced": {digest(MANIFESTS["amd64"]): b"{}"}}, "found another digest"),
        ({"replaced": {digest(LAYERS["amd64"]): b"LAYER of amd64" * 1000}}, "found other content, expected this digest"),
        ({"replaced": {digest(LAYERS["amd64"]): b"layer"}}, "unexpected end of data"),
        ({"replaced": {"1.15.0": b"<html>"}}, "found no manifest of an image"),
    ],
)
def test_anything_else_is_refused(pulled, arguments, message):
    with pytest.raises(HostError, match=message):
        pulled(**arguments)
