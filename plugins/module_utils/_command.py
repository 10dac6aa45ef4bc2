# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run programs."""

from __future__ import annotations

import subprocess

from ._errors import HostError

__all__ = ("run",)


def run(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run a program and return its output. If it fails, raise an error with its messages."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise HostError(f"{arguments[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise HostError(f"{' '.join(arguments)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
