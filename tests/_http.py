# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP servers for tests."""

from __future__ import annotations

import contextlib
import functools
import http.server
import pathlib
import ssl
import threading
import typing as t


@contextlib.contextmanager
def serving(handler: t.Callable, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> t.Iterator[str]:
    """Run a server and yield its URL."""
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def files(directory: pathlib.Path) -> t.Callable:
    """Return a handler that serves the files of a directory."""
    return functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)


def answers(table: dict[str, tuple[int, str]]) -> type[http.server.BaseHTTPRequestHandler]:
    """Return a handler that answers with status and body, by path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers from the table."""

        def do_GET(self):
            status, body = table[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

    return Handler
