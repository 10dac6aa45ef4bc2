# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Detection of dead runs on this controller."""

from __future__ import annotations

import subprocess

from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.run import is_gone, current_run


def test_a_process_is_identified_by_its_id_and_start_time():
    holder = current_run({})
    assert not is_gone(holder)
    assert is_gone({**holder, "started": "1"})
    assert not is_gone({**holder, "started": "1", "controller": "another machine"})
    assert not is_gone({})


def test_a_process_that_ended_is_gone():
    with subprocess.Popen(["sleep", "60"]) as process:
        holder = {**current_run({}), "pid": process.pid}
        assert is_gone(holder)  # another process than the one that the start belongs to
        process.kill()
    assert is_gone(holder)


def test_awx_is_named():
    assert current_run({"awx_job_id": 7, "awx_user_name": "ada"}).items() >= {"job": "7", "user": "ada"}.items()
