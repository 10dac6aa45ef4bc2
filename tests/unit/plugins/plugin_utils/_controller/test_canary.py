# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Worker processes of Ansible agree on the first host."""

from __future__ import annotations

import contextlib
import multiprocessing
import time

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller import canary as canary_module
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.canary import canary


def work(host, problems, failures, journal, runs, all_run):
    """Do what a worker does on a host, once all workers run: a problem is told, an exception leaves no verdict."""
    runs.set()
    try:
        with contextlib.suppress(OSError), canary("task", host, failures) as tell:
            all_run.wait()
            journal.append(("begin", host))
            time.sleep(0.3)
            problem = problems.get(host)
            if isinstance(problem, Exception):
                journal.append(("lost", host))
                raise problem
            journal.append(("end", host))
            tell(problem)
    except AnsibleActionFail as error:
        journal.append(("refused", host, str(error)))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run workers for three hosts, the first a moment before the others, and return what they did in its order."""
    monkeypatch.setattr(canary_module.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def start(failures=1, **problems):
        fork = multiprocessing.get_context("fork")
        with fork.Manager() as manager:
            journal = manager.list()
            all_run = fork.Event()
            processes = []
            for host in ("a", "b", "c"):
                runs = fork.Event()
                processes.append(fork.Process(target=work, args=(host, problems, failures, journal, runs, all_run)))
                processes[-1].start()
                runs.wait()
                time.sleep(0.1)
            all_run.set()
            for process in processes:
                process.join()
            return list(journal)

    return start


def test_one_host_goes_first_and_the_others_follow_together(run):
    journal = run()
    assert journal[:2] == [("begin", "a"), ("end", "a")]
    assert {entry[0] for entry in journal[2:4]} == {"begin"}


def test_a_failure_of_the_first_host_stops_the_others(run):
    journal = run(a="kubelet does not stay up")
    assert journal[:2] == [("begin", "a"), ("end", "a")]
    told = "not restarted, because it failed on the first host: a: kubelet does not stay up"
    assert sorted(journal[2:]) == [("refused", "b", told), ("refused", "c", told)]


def test_a_host_without_a_valid_answer_is_no_canary(run):
    """Else a host that lies could keep the others from being restarted."""
    journal = run(a=OSError("no valid answer"))
    assert journal[:2] == [("begin", "a"), ("lost", "a")]
    assert [entry[0] for entry in journal[2:]] == ["begin", "end", "begin", "end"]


def test_one_failure_is_tolerated_if_two_are_required(run):
    journal = run(failures=2, a="I failed")
    assert journal[:4] == [("begin", "a"), ("end", "a"), ("begin", "b"), ("end", "b")]
    assert journal[4:] == [("begin", "c"), ("end", "c")]


def test_two_failures_stop_the_others(run):
    journal = run(failures=2, a="no", b="no")
    assert journal[4:] == [("refused", "c", "not restarted, because it failed on the first host: a: no; b: no")]


def test_a_failure_after_the_first_host_stops_no_other(run):
    journal = run(b="disk full")
    assert [entry for entry in journal if entry[0] == "refused"] == []
