# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time and memory limits of an action."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.deadline import TooLargeError, deadline


def test_a_call_within_the_deadline_is_not_interrupted():
    with deadline(0.5):
        time.sleep(0.1)
    time.sleep(0.6)  # no alarm is left
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_child_is_terminated_at_the_deadline():
    begin = time.monotonic()
    child = subprocess.Popen(["sh", "-c", "sleep 60 & wait"])
    with pytest.raises(AnsibleConnectionFailure, match="no answer within 0.3 seconds"), deadline(0.3):
        child.wait()
    assert child.wait(5) == -signal.SIGTERM
    assert time.monotonic() - begin < 5


def test_a_call_beyond_the_memory_limit_is_interrupted():
    kept = []
    for _attempt in range(2):  # what one attempt has had is not allowed to the next one on top
        kept.clear()
        with pytest.raises(TooLargeError, match="more than 32 MiB of memory"), deadline(20, most_mib=32):
            while True:
                kept.append(bytearray(b"x") * (1 << 20))
                time.sleep(0.005)
        assert len(kept) < 200


@pytest.mark.parametrize(("task", "waits"), [(0.3, 5), (5, 0.3)])
def test_the_timeout_of_a_task_holds_as_well(task, waits):
    """Keyword timeout of a task is an alarm, too."""

    def timed_out(_number, _frame):
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, timed_out)
    signal.setitimer(signal.ITIMER_REAL, task)
    try:
        with pytest.raises(TimeoutError if task < waits else AnsibleConnectionFailure), deadline(waits):
            time.sleep(10)
        assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) == (task > waits) or task < waits
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
