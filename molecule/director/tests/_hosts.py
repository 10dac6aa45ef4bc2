# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts as containers of this machine, to kill and pause them."""

from __future__ import annotations

import subprocess
import time

from scenario import CLUSTER, addresses, inventory, on, run


class Cluster:
    """The hosts as containers of this machine."""

    def __init__(self) -> None:
        self.endpoint = inventory()["vars"]["cluster_api_host"]
        self.groups = {group: list(content["hosts"]) for group, content in inventory()["children"].items()}
        self.addresses = addresses()

    def kill(self, *names: str) -> float:
        """Kill hosts, remove their disks, and return the time."""
        run("podman", "rm", "--force", "--time", "0", *map(_full, names))
        run("podman", "volume", "rm", *map(_full, names))
        return time.monotonic()

    def pause(self, *names: str) -> None:
        """Pause hosts, so that they do not answer."""
        run("podman", "pause", *map(_full, names))

    def resume(self, *names: str) -> None:
        run("podman", "unpause", *map(_full, names))

    def ids(self) -> dict[str, str]:
        """Return the IDs of the containers by host; a recreated host has another one."""
        found = dict(line.split() for line in run("podman", "ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}").splitlines())
        return {name: found[_full(name)] for name in self.addresses if _full(name) in found}

    def ask(self, name: str, *command: str) -> str:
        """Return the output of a command on a host, without SSH; an empty string if the command fails."""
        try:
            return on(name, *command)
        except subprocess.CalledProcessError:
            return ""


def _full(name: str) -> str:
    return f"{CLUSTER}-{name}"
