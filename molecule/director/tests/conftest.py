# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster under load, runs of repair.yml, and the account of all that at the end."""

from __future__ import annotations

import functools

import pytest
from _account import ACCOUNT, tell
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
    """The API, at the endpoint or, when that is away, at a master."""
    masters = [cluster.addresses[name] for name in cluster.groups["master"]]
    return Api([cluster.endpoint, *masters])


@pytest.fixture(scope="session", autouse=True)
def load(cluster, api):
    """Every acknowledged write is there, whatever was done meanwhile: judged when all tests have done their harm."""
    running = Load(api.ask)
    yield running
    lost = running.end()
    figures = running.figures
    tell(
        "writes and reads all the time",
        f"{figures['requests']} requests, {len(figures['failed'])} failed, longest {figures['longest_without_an_answer']} s without an answer;"
        f" {len(running.acknowledged)} writes acknowledged, {len(lost)} lost",
    )
    assert lost == []
    assert len(running.acknowledged) > 100


@pytest.fixture(scope="session")
def repair(cluster):
    """Start a run of repair.yml."""
    return functools.partial(Run, "repair.yml")


@pytest.fixture(scope="class")
def timer(repair):
    """Runs of repair.yml one after the other, as the director's timer starts them."""
    with Timer(repair) as running:
        yield running


def pytest_terminal_summary(terminalreporter) -> None:
    width = max((len(what) for what, _how in ACCOUNT), default=0)
    for what, how in ACCOUNT:
        terminalreporter.write_line(f"{what:{width}}  {how}")
