# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for an API server's /readyz, which fails while a file exists: api_server.py ADDRESS"""

import http.server
import os
import ssl
import sys

NOT_READY = "/run/not-ready"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every request as /readyz does."""

    def do_GET(self):
        ready = not os.path.exists(NOT_READY)
        # A real API server that is not ready lists the checks that are ok, too.
        body = b"ok" if ready else b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"
        self.send_response(200 if ready else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/opt/api_server.pem")
with http.server.ThreadingHTTPServer((sys.argv[1], 8443), Handler) as server:
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
