# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster under load, who kills its hosts, and the account of all that at the end."""

from __future__ import annotations

import functools
import os
import pathlib
import subprocess
import sys
import time

import pytest
import yaml
from _api import Api, Load
from _repairs import Repair, Timer

DIRECTORY = pathlib.Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".local/molecule" / os.environ["MOLECULE_SCENARIO_NAME"]
ACCOUNT: list[tuple[str, str]] = []


class Cluster:
    """The hosts as the machine sees them that carries them."""

    def __init__(self, inventory: dict) -> None:
        self.name = inventory["all"]["vars"]["cluster_name"]
        self.endpoint = inventory["all"]["vars"]["cluster_api_host"]
        self.groups = {group: list(content["hosts"]) for group, content in inventory["all"]["children"].items()}
        self.addresses = {
            name: host["ansible_host"] for content in inventory["all"]["children"].values() for name, host in content["hosts"].items()
        }

    def kill(self, *names: str) -> float:
        """Kill hosts, disk and all, and return when."""
        podman("rm", "--force", "--time", "0", *map(self._full, names))
        podman("volume", "rm", *map(self._full, names))
        return time.monotonic()

    def pause(self, *names: str) -> None:
        """Have hosts answer nobody any more."""
        podman("pause", *map(self._full, names))

    def resume(self, *names: str) -> None:
        podman("unpause", *map(self._full, names))

    def ids(self) -> dict[str, str]:
        """Return what tells a container from the one that it replaced."""
        names = [self._full(name) for name in self.addresses]
        found = dict(line.split() for line in podman("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}").splitlines())
        return {name: found[name] for name in names if name in found}

    def run(self, name: str, *command: str) -> str:
        """Run a command on a host, also when there is no SSH; nothing where it fails."""
        done = subprocess.run(["podman", "exec", self._full(name), *command], capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def _full(self, name: str) -> str:
        return f"{self.name}-{name}"


def podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def cluster():
    return Cluster(yaml.safe_load((DIRECTORY / "inventory.yml").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def api(cluster):
    """The API, at the endpoint or, when that is away, at a master."""
    masters = [cluster.addresses[name] for name in cluster.groups["master"]]
    return Api(DIRECTORY / "kubeconfig", [cluster.endpoint, *masters])


@pytest.fixture(scope="session", autouse=True)
def load(cluster, api):
    """Every acknowledged write is there, whatever was done meanwhile: judged when all tests have done their harm."""
    running = Load(api)
    yield running
    running.end()
    lost = sorted({name for name, _at in running.acknowledged} - running.stored())
    tell(
        "writes and reads all the time",
        f"{len(running.acknowledged)} acknowledged, {running.refused} refused, {running.read} read, {len(lost) + len(running.lost)} lost;"
        f" longest pause {running.longest_gap():.1f} s",
    )
    assert (lost, running.lost) == ([], [])
    assert len(running.acknowledged) > 100


@pytest.fixture(scope="session")
def repair(cluster):
    """Start a run of repair.yml."""
    return functools.partial(Repair, DIRECTORY / "inventory.yml", log=DIRECTORY / "repair.log")


@pytest.fixture(scope="class")
def timer(repair):
    """Runs of repair.yml one after the other, as the director's timer starts them."""
    with Timer(repair) as running:
        yield running


def tell(what: str, how: str) -> None:
    """Keep what was done for the account at the end."""
    ACCOUNT.append((what, how))


def pytest_terminal_summary(terminalreporter) -> None:
    width = max((len(what) for what, _how in ACCOUNT), default=0)
    for what, how in ACCOUNT:
        terminalreporter.write_line(f"{what:{width}}  {how}")
    sys.stdout.flush()
