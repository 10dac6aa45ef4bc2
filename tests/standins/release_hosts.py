# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the hosts that publish releases: dl.k8s.io, GitHub and its API, with their redirects and forms of checksums, and with faults."""

from __future__ import annotations

import hashlib
import http.server
import json
import pathlib
import socket
import ssl
import struct
import threading
import time
import typing as t
import urllib.parse

__all__ = ("NAMES", "ReleaseHosts", "publish")

_ASSETS = "release-assets.githubusercontent.com"
_CDN = "cdn.dl.k8s.io"
NAMES = ("dl.k8s.io", _CDN, "github.com", _ASSETS, "api.github.com")

# A fault of one answer. SLOW is the time that an answer takes.
ERROR, TRUNCATED, RESET, SLOW, WRONG = "error", "truncated", "reset", "slow", "wrong"
SLOW_SECONDS = 8


def publish(artifacts: list[dict[str, t.Any]], mirror: pathlib.Path, architecture: str) -> dict[str, bytes | pathlib.Path]:
    """Return what the projects publish, by URL: the files of a mirror, and their checksums in the form of each project."""
    published: dict[str, bytes | pathlib.Path] = {}
    for artifact in artifacts:
        origin = artifact["architectures"][architecture]
        url, name = origin["url"], origin["url"].rpartition("/")[2]
        file = mirror / artifact["component"] / artifact["version"] / architecture / name
        published[url] = file
        with file.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        if checksum_url := origin.get("checksum_url"):
            published[checksum_url] = _checksums(urllib.parse.urlsplit(checksum_url), name, checksum).encode()
    return published


def _checksums(url: urllib.parse.SplitResult, name: str, checksum: str) -> str:
    other = "0" * 64
    if url.hostname == "api.github.com":
        assets = [{"name": f"{name}.other", "digest": f"sha256:{other}"}, {"name": name, "digest": f"sha256:{checksum}"}, {"name": "old", "digest": None}]
        return json.dumps({"tag_name": url.path.rpartition("/")[2], "assets": assets})
    if url.hostname == "dl.k8s.io":
        return checksum
    if url.path.endswith(f"{name}.sha256sum"):
        return f"{checksum}  {name}\n"
    return f"{other}  other-{name}\n{checksum}  {name}\n"  # a file for all files of the release


class ReleaseHosts:
    """The server, which runs inside the block. Faults are used up, one for each answer with the content of a URL."""

    def __init__(self, address: tuple[str, int], published: dict[str, bytes | pathlib.Path], tls: ssl.SSLContext) -> None:
        self.published = published
        self.faults: dict[str, list[str]] = {}
        self.served: list[str] = []
        self.redirected = {_redirected(url): url for url in published if _redirected(url) != url}
        self._server = http.server.ThreadingHTTPServer(address, type("Handler", (_Handler,), {"hosts": self}))
        self._server.daemon_threads = True
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self) -> ReleaseHosts:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _redirected(url: str) -> str:
    """Return where a URL leads."""
    parts = urllib.parse.urlsplit(url)
    if parts.hostname == "dl.k8s.io":
        return f"https://{_CDN}{parts.path}"
    if parts.hostname == "github.com":
        return f"https://{_ASSETS}/github-production-release-asset/{hashlib.sha256(url.encode()).hexdigest()}?sp=r"
    return url


class _Handler(http.server.BaseHTTPRequestHandler):
    hosts: ReleaseHosts

    def do_GET(self) -> None:
        url = f"https://{(self.headers['Host'] or '').partition(':')[0]}{self.path}"
        if url in self.hosts.published and _redirected(url) != url:
            self._answer(302, b"", {"Location": _redirected(url)})
            return
        url = self.hosts.redirected.get(url, url)
        content = self.hosts.published.get(url)
        if content is None:
            self._answer(404, b"Not Found")
            return
        pending = self.hosts.faults.get(url)
        self._serve(url, content if isinstance(content, bytes) else content.read_bytes(), pending.pop(0) if pending else "")

    def _serve(self, url: str, content: bytes, fault: str) -> None:
        self.hosts.served.append(url)
        if fault == ERROR:
            self._answer(503, b"Service Unavailable")
        elif fault == RESET:
            # SO_LINGER with 0 seconds sends a reset in the place of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == WRONG:
            self._answer(200, b"another content")
        else:
            self._answer(200, content, sent=len(content) // 2 if fault == TRUNCATED else None, pause=SLOW_SECONDS / 8 if fault == SLOW else 0)

    def _answer(self, status: int, content: bytes, headers: t.Mapping[str, str] | None = None, sent: int | None = None, pause: float = 0) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        step = len(content) // 8 + 1
        for start in range(0, len(content) if sent is None else sent, step):
            time.sleep(pause)
            self.wfile.write(content[start : min(start + step, len(content) if sent is None else sent)])

    def log_message(self, *_arguments: object) -> None:
        """Write no log."""
