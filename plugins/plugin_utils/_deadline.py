# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An end for what an action waits for: a connection to a host that has gone away may hang for a quarter of an hour."""

from __future__ import annotations

import contextlib
import signal
import typing as t

from ansible.errors import AnsibleConnectionFailure

__all__ = ("deadline",)


@contextlib.contextmanager
def deadline(seconds: float) -> t.Iterator[None]:
    """Take a host that has not answered until then for one that cannot be reached. An action has its process for itself."""

    def give_up(_signal: int, _frame: t.Any) -> t.NoReturn:
        raise AnsibleConnectionFailure(f"no answer within {seconds:g} seconds")

    former = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
