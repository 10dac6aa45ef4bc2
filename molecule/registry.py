# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real image registry, distribution, which this machine serves to hosts over TLS, with a password or without one."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tarfile
import typing as t
import urllib.parse
import urllib.request

from scenario import ROOT, run, wait

# bcrypt: the registry accepts nothing else, and the tests have no library for it.
PASSWORDS = {
    "first Password!": "$2b$04$y9D5YaH0Acn.lsr4peWJeeZyt6ZwEsWmW9RghY8s8RK9jshbwdTrq",
    "second Password!": "$2b$04$FA06OUeTQ8xpZm0e23sWz.6ShRyB0akGLJVtbO5tE1yBjyCxEmUJ2",
}
USER = "puller"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2")
_OCI = "application/vnd.oci.image"


class Authority(t.NamedTuple):
    """A CA of the tests, in a directory."""

    directory: pathlib.Path

    @classmethod
    def create(cls, directory: pathlib.Path) -> Authority:
        directory.mkdir(parents=True, exist_ok=True)
        run("openssl", "req", "-x509", *_KEY, "-subj", "/CN=tests", "-keyout", directory / "ca.key", "-out", directory / "ca.crt")
        return cls(directory)

    @property
    def certificate(self) -> pathlib.Path:
        return self.directory / "ca.crt"

    def issue(self, name: str, alternative_names: t.Iterable[str]) -> tuple[pathlib.Path, pathlib.Path]:
        """Return the paths of the certificate and the key of a server."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        extensions = [f"subjectAltName={','.join(alternative_names)}", "basicConstraints=critical,CA:FALSE"]
        added = [word for extension in extensions for word in ("-addext", extension)]
        signer = ("-CA", self.certificate, "-CAkey", self.directory / "ca.key")
        run("openssl", "req", "-x509", *_KEY, *signer, "-subj", f"/CN={name}", *added, "-keyout", key, "-out", certificate)
        return certificate, key


def program(directory: pathlib.Path) -> pathlib.Path:
    """Compile the registry; Go's cache makes that a matter of seconds from the second time on."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    package = "github.com/distribution/distribution/v3/cmd/registry"
    run(go, "-C", ROOT / "tests/registry", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", directory / "registry", package)
    return directory / "registry"


class Registry:
    """A registry that runs inside the block. Without a password, everybody may pull and push."""

    def __init__(self, directory: pathlib.Path, listen: str, authority: Authority, names: t.Iterable[str], password: str | None = None) -> None:
        self.directory, self.listen, self.authority = directory, listen, authority
        directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(directory / "data", ignore_errors=True)
        self.context = ssl.create_default_context(cafile=str(authority.certificate))
        self.context.check_hostname = False  # it may have names that this machine resolves to somebody else
        certificate, key = authority.issue(directory.name, names)
        settings: dict[str, t.Any] = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
            "http": {"addr": listen, "tls": {"certificate": str(certificate), "key": str(key)}},
        }
        if password:
            self.set_password(password)
            settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
        # JSON is YAML.
        (directory / "config.yml").write_text(json.dumps(settings), encoding="utf-8")

    def __enter__(self) -> Registry:
        self._log = (self.directory / "registry.log").open("w", encoding="utf-8")
        environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
        command = [program(self.directory), "serve", self.directory / "config.yml"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, env=environment)
        wait(self._answers, 30)
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    @property
    def log(self) -> str:
        """All requests until now."""
        return (self.directory / "registry.log").read_text(encoding="utf-8")

    def set_password(self, password: str) -> None:
        """Accept this password only. The registry rereads the file."""
        self.password = password
        (self.directory / "htpasswd").write_text(f"{USER}:{PASSWORDS[password]}\n", encoding="utf-8")

    def push(self, archive: pathlib.Path, repository: str, tag: str) -> str:
        """Push an image from an archive that `docker save` or `ctr images export` made, and return its digest."""
        with tarfile.open(archive) as stream:

            def blob(member: str, kind: str) -> dict[str, t.Any]:
                file = stream.extractfile(member)
                assert file is not None
                content = file.read()
                return self._push_blob(repository, content, f"{kind}+gzip" if content.startswith(b"\x1f\x8b") else kind)

            manifests = stream.extractfile("manifest.json")
            assert manifests is not None
            (described,) = json.load(manifests)
            layers = [blob(layer, f"{_OCI}.layer.v1.tar") for layer in described["Layers"]]
            config = blob(described["Config"], f"{_OCI}.config.v1+json")
        kind = f"{_OCI}.manifest.v1+json"
        content = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}).encode()
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", content, {"Content-Type": kind})
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def _push_blob(self, repository: str, content: bytes, kind: str) -> dict[str, t.Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = urllib.parse.urlsplit(self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"").headers["Location"])
        self._ask("PUT", f"{place.path}?{place.query}&digest={urllib.parse.quote(digest)}", content, {"Content-Type": "application/octet-stream"})
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: t.Mapping[str, str] | None = None) -> t.Any:
        request = urllib.request.Request(f"https://{self.listen}{path}", body, dict(headers or {}), method=method)
        if hasattr(self, "password"):
            request.add_header("Authorization", f"Basic {base64.b64encode(f'{USER}:{self.password}'.encode()).decode()}")
        return urllib.request.urlopen(request, timeout=60, context=self.context)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log
        try:
            return self._ask("GET", "/v2/").status == 200
        except OSError:
            return False
