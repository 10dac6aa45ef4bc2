# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run programs."""

from __future__ import annotations

import os
import subprocess
import typing as t

from ._errors import HostError

__all__ = ("run",)

# A user who became root by su still has a PATH without these.
_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def run(*arguments: str, environment: t.Mapping[str, str] | None = None) -> str:
    """Run a program and return its output. If it fails, raise an error with its messages."""
    variables = {**(os.environ if environment is None else environment)}
    variables["PATH"] = search_path(variables.get("PATH", os.defpath))
    try:
        # Controllers and directors have no AnsibleModule, and so no run_command.
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=variables, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise HostError(f"{arguments[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise HostError(f"{' '.join(arguments)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def search_path(path: str) -> str:
    """Return a PATH that includes the programs of the system administrator."""
    directories = path.split(os.pathsep)
    return os.pathsep.join([*directories, *(directory for directory in _SYSTEM_DIRECTORIES if directory not in directories)])
