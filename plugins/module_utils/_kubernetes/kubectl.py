# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program kubectl."""

from __future__ import annotations

import contextlib
import subprocess
import typing as t

from .client import KubernetesError

__all__ = ("Kubectl",)

COMMAND_SECONDS = 15


class Kubectl:
    """kubectl, with one kubeconfig and in one namespace."""

    def __init__(self, program: str, kubeconfig: str, namespace: str) -> None:
        self._command = [program, f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]

    def run(self, *arguments: str) -> str:
        """Return the output of kubectl."""
        with self._start(*arguments) as process:
            try:
                output, problem = process.communicate(timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise KubernetesError(f"kubectl {arguments[0]} does not end within {COMMAND_SECONDS} seconds") from error
        if process.returncode:
            raise KubernetesError(problem.strip())
        return output.strip()

    @contextlib.contextmanager
    def forwarded(self, pod: str, port: int) -> t.Iterator[str]:
        """Forward a port of a pod to an address on this host while the context is open, and return the address."""
        with self._start("port-forward", "--address=127.0.0.1", f"pod/{pod}", f":{port}") as process:
            try:
                line = process.stdout.readline()  # "Forwarding from 127.0.0.1:40123 -> 8080", or nothing if kubectl ends
                if not line.startswith("Forwarding from "):
                    raise KubernetesError(line.strip() or process.stderr.read().strip())
                yield line.split()[2]
            finally:
                process.terminate()

    def _start(self, *arguments: str) -> subprocess.Popen:
        try:
            # run_command would wait for the end of the process.
            # pylint: disable-next=ansible-bad-function
            return subprocess.Popen(
                [*self._command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise KubernetesError(f"{self._command[0]}: {error.strerror}") from error
