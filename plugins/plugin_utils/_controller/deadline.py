# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits for an answer of a host, which may hang for a quarter of an hour, never answer, or never stop answering."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError

__all__ = ("TooLargeError", "deadline")

_MOST_MIB = 512  # by which a worker process may grow while it waits
_CHECK_SECONDS = 0.25
_PER_MIB = 1024 if sys.platform != "darwin" else 1024 * 1024  # the unit of getrusage


class TooLargeError(AnsibleError):
    """An answer takes too much memory. It is not requested again, since the next one would be too large as well."""


@contextlib.contextmanager
def deadline(seconds: float, most_mib: float = _MOST_MIB) -> t.Iterator[None]:
    """Raise an error if a host does not answer in time, or if its answer takes more than `most_mib`. The host then counts as unreachable.

    An action has a separate process with its signals, memory and children. Ansible collects the whole answer before an action sees it, so a timer
    watches the memory meanwhile.
    """
    end, memory = time.monotonic() + seconds, _memory()
    left, _interval = signal.getitimer(signal.ITIMER_REAL)  # the timeout of the task
    task_end = time.monotonic() + left if left else float("inf")
    over = False

    def check(number: int, frame: t.Any) -> None:
        if over:
            return
        if time.monotonic() >= task_end:
            former(number, frame)
        if time.monotonic() >= end:
            give_up(AnsibleConnectionFailure(f"no answer within {seconds:g} seconds"))
        if _memory() - memory > most_mib:
            give_up(TooLargeError(f"an answer that takes more than {most_mib:g} MiB of memory"))

    def give_up(error: AnsibleError) -> t.NoReturn:
        for process in _descendants("self"):  # otherwise ssh keeps waiting for the host
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGTERM)
        raise error

    former = signal.signal(signal.SIGALRM, check)
    signal.setitimer(signal.ITIMER_REAL, min(seconds, _CHECK_SECONDS), _CHECK_SECONDS)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(task_end - time.monotonic(), 0.001))


def _memory() -> float:
    """Return the memory of this process in MiB, or its maximum so far if the system does not report the current value."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / (1 << 20)
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MIB


def _descendants(process: str) -> list[int]:
    """Return the children of a process and their children; none if the system does not report them."""
    try:
        children = [pid for path in Path(f"/proc/{process}/task").glob("*/children") for pid in path.read_text(encoding="ascii").split()]
    except OSError:
        return []
    return [member for child in children for member in (int(child), *_descendants(child))]
