# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts as the machine sees them that carries them, and who kills them."""

from __future__ import annotations

import subprocess
import time

from scenario import CLUSTER, addresses, inventory, on, run


class Cluster:
    """The hosts as the machine sees them that carries them."""

    def __init__(self) -> None:
        self.endpoint = inventory()["vars"]["cluster_api_host"]
        self.groups = {group: list(content["hosts"]) for group, content in inventory()["children"].items()}
        self.addresses = addresses()

    def kill(self, *names: str) -> float:
        """Kill hosts, disk and all, and return when."""
        run("podman", "rm", "--force", "--time", "0", *map(_full, names))
        run("podman", "volume", "rm", *map(_full, names))
        return time.monotonic()

    def pause(self, *names: str) -> None:
        """Have hosts answer nobody any more."""
        run("podman", "pause", *map(_full, names))

    def resume(self, *names: str) -> None:
        run("podman", "unpause", *map(_full, names))

    def ids(self) -> dict[str, str]:
        """Return what tells a container from the one that it replaced."""
        found = dict(line.split() for line in run("podman", "ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}").splitlines())
        return {name: found[_full(name)] for name in self.addresses if _full(name) in found}

    def ask(self, name: str, *command: str) -> str:
        """Run a command on a host, also when there is no SSH; nothing where it fails."""
        try:
            return on(name, *command)
        except subprocess.CalledProcessError:
            return ""


def _full(name: str) -> str:
    return f"{CLUSTER}-{name}"
