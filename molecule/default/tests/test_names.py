# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of the groups, with the firewall: every host may probe the hosts of every group."""

from __future__ import annotations

import subprocess

import pytest
from playbook import Run
from scenario import addresses, killed, on, wait

# Group proxy has one host, and a name with no host that is up has all of them.
DEAD = {"etcd": "etcd-2", "master": "master-1", "worker": "worker-2"}


def answer(name: str, group: str) -> set[str]:
    """Return the addresses of a group as a host resolves them; none while its resolver starts."""
    try:
        return {line.split()[0] for line in on(name, "getent", "ahostsv4", f"{group}.cfcr.internal").splitlines()}
    except subprocess.CalledProcessError:
        return set()


@pytest.mark.parametrize(("group", "dead"), DEAD.items())
def test_on_every_host_the_name_of_a_group_leaves_out_a_dead_host(group, dead):
    everywhere = [name for name in addresses() if name.partition("-")[0] in (*DEAD, "proxy")]
    whole = {address for name, address in addresses().items() if name.startswith(f"{group}-")}
    others = [name for name in everywhere if name != dead]
    wait(lambda: all(answer(name, group) == whole for name in everywhere), 60)
    with killed(dead):
        left = wait(lambda: all(answer(name, group) == whole - {addresses()[dead]} for name in others), 30)
    back = wait(lambda: all(answer(name, group) == whole for name in everywhere), 90)
    wait(lambda: Run("health.yml").end() == 0, 120)
    print(f"All hosts left {dead} out after {left} s, and had it back {back} s after its start")
