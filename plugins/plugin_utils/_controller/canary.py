# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host of a task goes first, like a canary in BOSH. If it fails, the next host goes first. After too many failures, the other hosts stay unchanged.

Ansible runs a task on hosts in parallel processes. They share a file in the directory of the run: the host that comes first locks it while it
works, and the others wait. Any host can be the canary, so a handler that is notified on some hosts only has one as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleActionFail

__all__ = ("canary",)

_WELL = "well"


@contextlib.contextmanager
def canary(task: str, host: str, failures: int) -> t.Iterator[t.Callable[[str | None], None]]:
    """Go first, or wait for the verdict of the host that went first: None if it succeeded, else the problem.

    After this many failures, the other hosts stay unchanged. A host that exits without a verdict does not count: it is gone, or its answer is not valid.
    """
    with Path(constants.DEFAULT_LOCAL_TMP, f"cfcr-canary-{task}").open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        verdicts = [json.loads(line) for line in file]
        if _WELL in verdicts:
            fcntl.flock(file, fcntl.LOCK_UN)
            yield lambda _problem: None
        elif len(verdicts) >= failures:
            raise AnsibleActionFail(f"not restarted, because it failed on the first host: {'; '.join(verdicts)}")
        else:
            yield lambda problem: print(json.dumps(_WELL if problem is None else f"{host}: {problem}"), file=file)
