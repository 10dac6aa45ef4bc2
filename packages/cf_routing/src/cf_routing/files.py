# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets and TLS from files. They are read when they are needed, so that a changed file is picked up."""

from __future__ import annotations

import os
import ssl

from .errors import RoutingError


def secret(path: str) -> str:
    """Return what stands in a file, without the line's end."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise RoutingError(f"cannot read {path}: {type(error).__name__}") from error


def state(*paths: str | None) -> tuple[object, ...]:
    """Return what changes whenever one of the files does."""
    found = []
    for path in paths:
        try:
            status = os.stat(path) if path else None
        except OSError:
            status = None
        found.append(status and (status.st_mtime_ns, status.st_ino, status.st_size))
    return tuple(found)


class Tls:
    """A client's TLS, always verified, made again when a file changes. Without an authority, the system's count."""

    def __init__(self, ca_file: str | None, certificate_file: str | None = None, key_file: str | None = None) -> None:
        self._paths = (ca_file, certificate_file, key_file)
        self._state: tuple[object, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        now = state(*self._paths)
        if self._context is None or now != self._state:
            authority, certificate, key = self._paths
            try:
                context = ssl.create_default_context(cafile=authority)
                if certificate:
                    context.load_cert_chain(certificate, key)
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                named = ", ".join(path for path in self._paths if path)
                raise RoutingError(f"cannot use {named}: {error}") from error
            self._context, self._state = context, now
        return self._context
