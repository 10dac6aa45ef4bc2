# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets and TLS from files. They are read when they are needed, so a changed file takes effect."""

from __future__ import annotations

import os
import ssl

from .errors import RoutingError


def secret(path: str) -> str:
    """Return the content of a file without its final line break."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise RoutingError(f"cannot read {path}: {type(error).__name__}") from error


def file_state(*paths: str | None) -> tuple[object, ...]:
    """Return a value that changes if one of the files does."""
    found = []
    for path in paths:
        try:
            status = os.stat(path) if path else None
        except OSError:
            status = None
        found.append(status and (status.st_mtime_ns, status.st_ino, status.st_size))
    return tuple(found)


class Tls:
    """A client's TLS context, always with verification, reloaded when a file changes. Without a CA file, it trusts the system's CAs."""

    def __init__(self, ca_file: str | None, certificate_file: str | None = None, key_file: str | None = None) -> None:
        self._paths = (ca_file, certificate_file, key_file)
        self._state: tuple[object, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        now = file_state(*self._paths)
        if self._context is None or now != self._state:
            ca_file, certificate, key = self._paths
            try:
                context = ssl.create_default_context(cafile=ca_file)
                if certificate:
                    context.load_cert_chain(certificate, key)
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                named = ", ".join(path for path in self._paths if path)
                raise RoutingError(f"cannot use {named}: {error}") from error
            self._context, self._state = context, now
        return self._context
