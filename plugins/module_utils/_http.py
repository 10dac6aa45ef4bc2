# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request, with an answer or error for people."""

from __future__ import annotations

import http.client
import typing as t

from ._errors import HostError

__all__ = ("beginning",)


def beginning(connection: http.client.HTTPConnection, what: str, path: str, headers: t.Mapping[str, str] | None = None) -> str:
    """Return the beginning of the answer in one line and close the connection. No answer, or a status other than 200, raises an error with the URL."""
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        content = " ".join(answer.read(500).decode(errors="replace").split())
    except (OSError, http.client.HTTPException) as error:
        raise HostError(f"{what}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise HostError(f"{what}: {answer.status} {content}")
    return content
