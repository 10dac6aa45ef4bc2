# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX 24.6.1 runs them: ansible-runner, a private data directory, and a container of the execution environment.

The directory has an inventory script that prints the JSON of AWX's database, the environment, and the extra variables. Those of the survey and of
the launch are tagged as unsafe. The project is a copy without .git, mounted read-only, so that a playbook that writes next to itself fails.
"""

from __future__ import annotations

import functools
import json
import pathlib
import re
import resource
import shutil
import subprocess
import typing as t

import yaml
from scenario import CLUSTER, DIRECTORY, ROOT, inventory, run

JOBS = DIRECTORY / "jobs"
PROJECT = DIRECTORY / "project"
COLOR = re.compile(r"\x1b\[[0-9;]*m")
# A prompt would wait for ever.
TIMEOUT_SECONDS = 300
# Variables that belong to the machine that created the hosts: AWX has a machine credential, and its own way to a director.
OF_THIS_MACHINE = ("ansible_ssh_", "ansible_user", "iaas_", "cluster_store_directory", "cluster_kubeconfig", "smoke_tests_kubectl")


class Unsafe(str):
    """A string that Ansible must not template."""


class Dumper(yaml.SafeDumper):
    """Writes unsafe strings with their tag, as AWX does."""


Dumper.add_representer(Unsafe, lambda dumper, value: dumper.represent_scalar("!unsafe", str(value)))


class Job(t.NamedTuple):
    """A job that has ended."""

    code: int
    text: str
    artifacts: dict[str, t.Any]  # of set_stats
    directory: pathlib.Path  # on this machine; /runner in the container

    @property
    def words(self) -> str:
        """The output without line breaks."""
        return " ".join(self.text.split())

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The numbers of tasks by host."""
        *_before, recap = self.text.partition("PLAY RECAP")
        lines = [line.split() for line in recap.splitlines() if " ok=" in line]
        return {name: {key: int(value) for key, value in (word.split("=") for word in numbers)} for name, _colon, *numbers in lines}


class Awx:
    """An AWX with one project, one inventory and one execution environment."""

    def __init__(self) -> None:
        self.image = environments()["execution-environment"]
        self.inventory = database()
        self._number = 0
        for directory in (JOBS, PROJECT):
            shutil.rmtree(directory, ignore_errors=True)
        copy_project()

    def launch(
        self,
        playbook: str,
        *words: str,
        answers: dict[str, t.Any] | None = None,
        variables: dict[str, t.Any] | None = None,
        credential: dict[str, t.Any] | None = None,
    ) -> Job:
        """Run a playbook as a job.

        Answers are those of the survey, variables those of the job template, and a credential's extra variables are a file.
        Words are options of ansible-playbook that a job template sets: --check, --diff, --limit.
        """
        directory = self._prepare(playbook, words, answers or {}, variables or {}, credential or {})
        write(directory / "env/settings", self._settings())
        ident = f"{CLUSTER}-{self._number}"
        command = ["ansible-runner", "run", "--playbook", playbook, "--ident", ident, directory]
        with (directory / "output").open("w", encoding="utf-8") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            try:
                code = process.wait(TIMEOUT_SECONDS + 30)
            except subprocess.TimeoutExpired:
                # ansible-runner waits for ever for a container that did not start and so does not read the key.
                process.kill()
                code = process.wait()
                run("podman", "rm", "--force", "--ignore", f"ansible_runner_{ident}")
        shutil.copy(directory / "output", DIRECTORY / f"{directory.name}.log")
        return Job(code, COLOR.sub("", (directory / "output").read_text(encoding="utf-8")), artifacts(directory), directory)

    def launch_in_pod(self, playbook: str, user: str) -> Job:
        """Run a playbook as a job of a container group: a pod with ansible-runner as its process, which gets the private data directory."""
        directory = self._prepare(playbook, (), {}, {}, {})
        shutil.copytree(PROJECT, directory / "project", dirs_exist_ok=True)
        results = directory / "results"
        results.mkdir()
        pod = ["podman", "run", "--rm", "--interactive", f"--user={user}", f"--network={CLUSTER}", *limits(), self.image]
        transmit = subprocess.Popen(["ansible-runner", "transmit", "--playbook", playbook, directory], stdout=subprocess.PIPE)
        worker = subprocess.Popen([*pod, "ansible-runner", "worker", "--private-data-dir=/runner"], stdin=transmit.stdout, stdout=subprocess.PIPE)
        done = subprocess.run(
            ["ansible-runner", "process", results], stdin=worker.stdout, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
        code = transmit.wait() or worker.wait() or done.returncode
        return Job(code, COLOR.sub("", done.stdout + done.stderr), artifacts(results), results)

    def _prepare(
        self, playbook: str, words: t.Sequence[str], answers: dict[str, t.Any], variables: dict[str, t.Any], credential: dict[str, t.Any]
    ) -> pathlib.Path:
        """Write the private data directory of a job."""
        self._number += 1
        directory = JOBS / f"{self._number}-{pathlib.Path(playbook).stem}"
        for name in ("inventory", "env", "project"):
            (directory / name).mkdir(parents=True)
        script = directory / "inventory/hosts"
        script.write_text(f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(self.inventory)!r})\n", encoding="utf-8")
        script.chmod(0o500)
        options = ["-u", "root", *words]
        if credential:
            write(directory / "env/tmpcredential", credential)
            options += ["-e", "@/runner/env/tmpcredential"]
        (directory / "env/cmdline").write_text(" ".join(options), encoding="utf-8")
        (directory / "env/ssh_key").write_text((DIRECTORY / "ssh_key").read_text(encoding="utf-8"), encoding="utf-8")
        write(directory / "env/extravars", {**variables, **unsafe(answers), **unsafe(self._own_variables())})
        write(directory / "env/envvars", self._environment())
        return directory

    def _own_variables(self) -> dict[str, t.Any]:
        own = {
            "job_id": self._number, "job_launch_type": "manual", "job_template_id": 7, "job_template_name": "cluster", "user_id": 1, "user_name": "admin",
            "inventory_id": 2, "inventory_name": CLUSTER, "project_revision": "0" * 40, "project_scm_branch": "",
        }  # fmt: skip
        return {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in own.items()}

    def _environment(self) -> dict[str, str]:
        return {
            # After the collections of the project's requirements come those of its ansible.cfg.
            "ANSIBLE_COLLECTIONS_PATH": "/runner/requirements_collections:collections:~/.ansible/collections:/usr/share/ansible/collections",
            "ANSIBLE_ROLES_PATH": "/runner/requirements_roles:~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles",
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "AWX_HOST": "https://awx.example.org",
            "AWX_PRIVATE_DATA_DIR": f"/tmp/awx_{self._number}",
            "AWX_TASK_ENV": "{}",
            "INVENTORY_ID": "2",
            "JOB_ID": str(self._number),
            "MAX_EVENT_RES": "700000",
            "PROJECT_REVISION": "0" * 40,
        }

    def _settings(self) -> dict[str, t.Any]:
        return {
            "process_isolation": True,
            "process_isolation_executable": "podman",
            "container_image": self.image,
            "container_options": ["--user=root", f"--network={CLUSTER}", *limits()],
            "container_volume_mounts": [f"{PROJECT}:/runner/project:ro"],
            "job_timeout": TIMEOUT_SECONDS,
        }


def limits() -> list[str]:
    """Return options of podman, whose own limits may be above those of this machine."""
    most = {"nofile": (resource.RLIMIT_NOFILE, 1048576), "nproc": (resource.RLIMIT_NPROC, 32768)}
    hard = {name: (resource.getrlimit(kind)[1], limit) for name, (kind, limit) in most.items()}
    values = {name: min(value for value in pair if value >= 0) for name, pair in hard.items()}
    return [f"--ulimit={name}={value}:{value}" for name, value in values.items()]


@functools.cache
def environments() -> dict[str, str]:
    """Build the environments, and return their images by name."""
    names = ["execution-environment", "decision-environment"]
    return dict(zip(names, run(ROOT / "tools/ee", *names, cwd=ROOT).split()))


def database() -> dict[str, t.Any]:
    """Return the inventory as AWX's database exports it, without the variables of this machine."""
    content = inventory()
    groups = {group: list(members.get("hosts", {})) for group, members in content["children"].items()}
    hosts = {name: variables for members in content["children"].values() for name, variables in members.get("hosts", {}).items()}
    of_cluster = {name: value for name, value in content["vars"].items() if not name.startswith(OF_THIS_MACHINE)}
    return {
        "all": {"hosts": [], "children": list(groups), "vars": of_cluster},
        **{group: {"hosts": names, "children": [], "vars": {}} for group, names in groups.items()},
        "_meta": {
            "hostvars": {
                name: {**variables, "remote_tower_enabled": "true", "remote_tower_id": number} for number, (name, variables) in enumerate(hosts.items(), 1)
            }
        },
    }


def copy_project() -> None:
    """Copy the files of the checkout that git knows or could add."""
    names = run("git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    for name in names:
        if name and (ROOT / name).is_file():
            (PROJECT / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, PROJECT / name)


def unsafe(value: t.Any) -> t.Any:
    """Return a value whose strings Ansible must not template."""
    if isinstance(value, dict):
        return {name: unsafe(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [unsafe(inner) for inner in value]
    return Unsafe(value) if isinstance(value, str) else value


def write(path: pathlib.Path, content: t.Any) -> None:
    path.write_text(yaml.dump(content, Dumper=Dumper), encoding="utf-8")


def artifacts(directory: pathlib.Path) -> dict[str, t.Any]:
    """Return what the playbook left with set_stats, which AWX keeps as the artifacts of the job."""
    for path in directory.glob("artifacts/*/job_events/*.json"):
        event = json.loads(path.read_text(encoding="utf-8"))
        if event["event"] == "playbook_on_stats":
            return event["event_data"].get("artifact_data") or {}
    return {}
