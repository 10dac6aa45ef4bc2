# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host of a task goes first, BOSH's canary: if its change fails, the next one does, and if too many fail, the change is not made on the others.

Ansible runs a task on hosts in parallel, in processes of their own. They agree by a file in its directory of the run. The host that comes first holds
the file while it works, and the others wait. Which one that is does not matter, so a task that is notified on some hosts only has a canary as well.
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
    """Go first, or wait until a host that went first has said how it went: its verdict is None if all is well, else what is wrong.

    After so many failures the others are left as they are. A host that ends without a verdict is none: it is gone, or nobody believes it.
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
