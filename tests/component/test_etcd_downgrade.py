# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of a real etcd to another minor and back, and what its members store meanwhile."""

from __future__ import annotations

import pathlib

import pytest
from _etcd import programs
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import load

pytestmark = pytest.mark.other_minor

OLD, NEW = (load(minor)["components"]["etcd"]["version"] for minor in ("1.36", "1.37"))
OLD_MINOR, NEW_MINOR = (version.rpartition(".")[0] for version in (OLD, NEW))


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    return {version: programs(version, tmp_path_factory.mktemp(f"dev-etcd-{version}")) for version in (OLD, NEW)}


@pytest.fixture(scope="module")
def etcd_programs(releases) -> pathlib.Path:
    """Let the cluster begin with the older minor."""
    return releases[OLD]


def switch(cluster, host, directory):
    """Restart a member with the programs of another release."""
    cluster.programs = directory
    host.write_unit()
    host.systemctl("restart")
    cluster.await_healthy(3)


def stored(host, **options):
    """Return the minors that the members store."""
    answer = host.run("etcd_downgrade", **{"state": "query", "version": OLD_MINOR, "wait_timeout": 8, **options})
    assert not answer.get("failed"), answer
    return {version.rpartition(".")[0] for version in answer["storage"].values()}


def test_to_another_minor_and_half_the_way_back(etcd_cluster, releases):
    first, second, last = etcd_cluster.hosts
    for host in (first, second):
        switch(etcd_cluster, host, releases[NEW])
    assert stored(first) == {OLD_MINOR}, "a member that fails may go back"
    switch(etcd_cluster, last, releases[NEW])
    assert NEW_MINOR in stored(first), "now the last one may not"
    last.systemctl("stop")
    assert stored(first) == {NEW_MINOR}, "and that is known without its own answer"
    last.systemctl("start")
    etcd_cluster.await_healthy(3)
    assert first.run("etcd_downgrade", version=OLD_MINOR)["changed"] and stored(first, wait_timeout=0) == {OLD_MINOR}
    # Its first member fails and runs the newer minor again: nothing but a cancellation lets them store their own format.
    switch(etcd_cluster, first, releases[OLD])
    switch(etcd_cluster, first, releases[NEW])
    assert stored(first) == {OLD_MINOR}
    assert first.run("etcd_downgrade", version=NEW_MINOR, state="cancelled", check=True)["changed"]
    assert first.run("etcd_downgrade", version=NEW_MINOR, state="cancelled")["changed"]
    assert not first.run("etcd_downgrade", version=NEW_MINOR, state="cancelled")["changed"]
    assert NEW_MINOR in stored(first)
