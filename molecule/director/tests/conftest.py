# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster under load, runs of repair.yml, and a summary at the end."""

from __future__ import annotations

import functools

import pytest
from _summary import SUMMARY, summarize
from _api import Api
from _hosts import Cluster
from _repairs import Timer
from load import Load
from playbook import Run


@pytest.fixture(scope="session")
def cluster():
    return Cluster()


@pytest.fixture(scope="session")
def api(cluster):
    """The API at the endpoint or, if that is down, at a master."""
    masters = [cluster.addresses[name] for name in cluster.groups["master"]]
    return Api([cluster.endpoint, *masters])


@pytest.fixture(scope="session", autouse=True)
def load(cluster, api):
    """Read and write during all tests, and check at the end that no acknowledged write is lost."""
    running = Load(api.ask)
    yield running
    lost = running.end()
    figures = running.figures
    summarize(
        "writes and reads during all tests",
        f"{figures['requests']} requests, {len(figures['failed'])} failed, longest {figures['longest_without_an_answer']} s without an answer;"
        f" {len(running.acknowledged)} writes acknowledged, {len(lost)} lost",
    )
    assert lost == []
    assert len(running.acknowledged) > 100


@pytest.fixture(scope="session")
def repair(cluster):
    """Return a function that starts a run of repair.yml."""
    return functools.partial(Run, "repair.yml")


@pytest.fixture(scope="class")
def timer(repair):
    """Run repair.yml again and again, as the director's timer does."""
    with Timer(repair) as running:
        yield running


def pytest_terminal_summary(terminalreporter) -> None:
    width = max((len(action) for action, _result in SUMMARY), default=0)
    for action, result in SUMMARY:
        terminalreporter.write_line(f"{action:{width}}  {result}")
