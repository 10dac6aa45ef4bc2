# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pull an image from a registry into an archive, without a container engine (OCI distribution and image layout)."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import typing as t
import urllib.error
import urllib.parse
from pathlib import Path

from .._errors import HostError
from .._proxy import needs_proxy
from .archive import add_hashed, add_text, open_tar

__all__ = ("pull",)

_OCI, _DOCKER = "application/vnd.oci.image", "application/vnd.docker.distribution"
_INDEXES = (f"{_OCI}.index.v1+json", f"{_DOCKER}.manifest.list.v2+json")
_MANIFESTS = (f"{_OCI}.manifest.v1+json", f"{_DOCKER}.manifest.v2+json")
_HOSTS = {"docker.io": "registry-1.docker.io"}
_MOST_BYTES = 4 << 20  # of a manifest


def pull(reference: str, digest: str | None, architecture: str, target: Path, scheme: str = "https") -> None:
    """Write an archive of an image for one architecture. The digest, if there is one, is that of the reference's manifest or index."""
    repository = _Repository(reference, scheme)
    wanted = f"sha256:{digest}" if digest else reference.rpartition(":")[2]
    try:
        kind, manifest = repository.manifest(wanted)
        if kind in _INDEXES:
            found = [entry for entry in json.loads(manifest)["manifests"] if _is_for(entry.get("platform", {}), architecture)]
            if not found:
                raise HostError(f"{reference}: found no image for linux/{architecture}")
            kind, manifest = repository.manifest(found[0]["digest"])
        content = json.loads(manifest)
        with target.open("wb") as stream, open_tar(stream) as archive:
            descriptor = {
                "mediaType": kind,
                "digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}",
                "size": len(manifest),
                "annotations": {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference.rpartition(":")[2]},
            }
            add_text(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            add_text(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode())
            add_text(archive, _path(descriptor["digest"]), manifest)
            for part in {part["digest"]: part for part in (content["config"], *content["layers"])}.values():
                repository.add_blob(archive, part)
    except (ValueError, LookupError, TypeError) as error:
        raise HostError(f"{reference}: found no manifest of an image: {type(error).__name__}: {error}") from error
    except (urllib.error.URLError, EOFError) as error:
        raise HostError(f"{reference}: {error}") from error


def _is_for(platform: dict[str, str], architecture: str) -> bool:
    return platform.get("os") == "linux" and platform.get("architecture") == architecture


def _path(digest: str) -> str:
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise HostError(f"found the digest {digest!r}, expected a SHA-256")
    return f"blobs/{digest.replace(':', '/')}"


class _Repository:
    """A repository of a registry, with the token that it gives to everybody."""

    def __init__(self, reference: str, scheme: str) -> None:
        host, _slash, path = reference.rpartition(":")[0].partition("/")
        self.base = f"{scheme}://{_HOSTS.get(host, host)}/v2/{path}"
        self.token = ""

    def manifest(self, wanted: str) -> tuple[str, bytes]:
        """Return the media type and the text of a manifest or an index, by its tag or digest."""
        with self._open(f"{self.base}/manifests/{wanted}") as answer:
            text, kind = answer.read(_MOST_BYTES), answer.headers.get("Content-Type", "").partition(";")[0]
        if wanted.startswith("sha256:") and wanted != f"sha256:{hashlib.sha256(text).hexdigest()}":
            raise HostError(f"{self.base}/manifests/{wanted}: found another digest, expected this one")
        return kind, text

    def add_blob(self, archive: tarfile.TarFile, part: dict[str, t.Any]) -> None:
        """Add a layer or the configuration to an archive."""
        with self._open(f"{self.base}/blobs/{part['digest']}") as answer:
            try:
                found = add_hashed(archive, _path(part["digest"]), part["size"], answer)
            except OSError as error:  # tarfile found less than the size
                raise EOFError(f"{part['digest']}: {error}") from error
        if found != part["digest"].partition(":")[2]:
            raise HostError(f"{self.base}/blobs/{part['digest']}: found other content, expected this digest")

    def _open(self, url: str) -> t.Any:
        from ansible.module_utils.urls import open_url

        # A registry sends blobs from other hosts, which must not get the token.
        accepted = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))} if "/manifests/" in url else {}
        for _attempt in range(2):
            headers = {**accepted, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
            try:
                return open_url(url, headers=headers, unredirected_headers=["Authorization"], timeout=60, use_proxy=needs_proxy(url))
            except urllib.error.HTTPError as error:
                if error.code != 401 or self.token:
                    raise
                self.token = _token(error.headers.get("WWW-Authenticate", ""))
        raise HostError(f"{url}: found no token, expected one")


def _token(challenge: str) -> str:
    """Return the token that a registry asks for (distribution/spec/auth/token)."""
    from ansible.module_utils.urls import open_url

    values = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not challenge.lower().startswith("bearer ") or "realm" not in values:
        raise HostError(f"found the challenge {challenge!r}, expected a registry that gives a token to everybody")
    url = f"{values.pop('realm')}?{urllib.parse.urlencode(values)}"
    with open_url(url, timeout=60, use_proxy=needs_proxy(url)) as answer:
        found = json.loads(answer.read(_MOST_BYTES))
    return found.get("token") or found["access_token"]
