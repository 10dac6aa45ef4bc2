# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's rulebook runs in the decision environment."""

from __future__ import annotations

import json
import shutil

from _job import environments, limits
from scenario import CLUSTER, DIRECTORY, run, wait

testinfra_hosts = ["ansible://etcd-0?force_ansible=False"]

NAME = f"{CLUSTER}-rulebook"


def test_the_rulebook_repairs_in_the_decision_environment(awx, site):
    directory = DIRECTORY / "rulebook"
    directory.mkdir(exist_ok=True)
    shutil.copy(DIRECTORY / "ssh_key", directory)
    inventory = json.dumps({**awx.inventory, "all": {**awx.inventory["all"], "vars": {**awx.inventory["all"]["vars"], "ansible_user": "root"}}})
    (directory / "inventory").write_text(f"#!/usr/bin/env python3\nprint({inventory!r})\n", encoding="utf-8")
    (directory / "inventory").chmod(0o755)
    (directory / "vars.yml").write_text("inventory: /rulebook/inventory\nscan_seconds: 120\n", encoding="utf-8")
    arguments = ["--rulebook", "cfcr.kubernetes.repair", "--inventory", "/rulebook/inventory", "--vars", "/rulebook/vars.yml"]
    settings = ["ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_PRIVATE_KEY_FILE=/rulebook/ssh_key"]
    run(
        "podman", "run", "--detach", "--name", NAME, "--user=root", f"--network={CLUSTER}", *limits(), f"--volume={directory}:/rulebook:ro",
        *(f"--env={setting}" for setting in settings), environments()["decision-environment"], "ansible-rulebook", *arguments,
    )  # fmt: skip
    try:
        wait(lambda: "Nothing to repair." in run("podman", "logs", NAME) or run("podman", "inspect", "--format={{.State.Running}}", NAME) != "true\n", 180)
        output = run("podman", "logs", NAME)
    finally:
        (DIRECTORY / "rulebook.log").write_text(run("podman", "logs", NAME), encoding="utf-8")
        run("podman", "rm", "--force", "--time", "0", NAME)
    assert "Nothing to repair." in output, output
