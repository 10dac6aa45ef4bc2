# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run every check there is, or the steps that are named, and count: `make test`, `tools/test lint unit`.

Named steps run one after the other; without a name all of them do, two at a time, since hardly any keeps two cores busy.
A step that fails does not keep the others from running. What each one said is in .local/test/<step>.log.
The last line of the output is "N passed, N failed"; tests that were skipped count as failed, for nothing here may be skipped.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import typing as t
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / ".local/test"
BUILD = ROOT / "build"
COPY = BUILD / "ansible_collections/cfcr/kubernetes"
SCENARIOS = ["certificate", "etcd", "dns", "default", "iaas_lb", "cf_routing", "director", "rotate", "security"]
# What Python on hosts runs.
ON_HOSTS = ["plugins/modules", "plugins/module_utils", "roles/flannel/files/flannel-cni"]
PROGRAMS = f"{ROOT}/.venv/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
# Where Python may not keep what it compiles, each of thousands of processes compiles the collection anew.
ENVIRONMENT = {"PATH": PROGRAMS, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": ""}
INTERRUPTED = threading.Event()
# What is shown of a step that failed: its last lines, and before them those that tell of a fault.
SHOWN_LINES = 60
FAULT = re.compile(r"^(fatal|failed|FAILED|ERROR|E  )")


class Step:
    """What runs under one name: it counts what passed and failed, and keeps what was said."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = LOGS / f"{name}.log"
        self.passed = self.failed = 0
        self.log = self.path.open("w", encoding="utf-8")

    def run(self, *command: object, cwd: pathlib.Path = ROOT, cleans_up: bool = False, **environment: object) -> bool:
        """Run a command, its output into the log, and return whether it succeeded. Whatever it started ends with it.

        An interrupt ends it, but for one that cleans up.
        """
        words = [str(word) for word in command]
        print("$", *words, file=self.log, flush=True)
        variables = {**os.environ, **ENVIRONMENT, **{key: str(value) for key, value in environment.items()}}
        process = subprocess.Popen(
            words, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        while cleans_up or not INTERRUPTED.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=1) == 0
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise KeyboardInterrupt

    def count(self, passed: bool, complaint: str = "") -> bool:
        self.passed += passed
        self.failed += not passed
        if complaint and not passed:
            print(complaint, file=self.log, flush=True)
        return passed

    def check(self, *command: object, **options) -> bool:
        """Run a command that is one check."""
        return self.count(self.run(*command, **options))

    def check_cases(self, reports: pathlib.Path, *command: object, **options) -> None:
        """Run a command that reports its cases as JUnit does, in one file or in a directory of them."""
        succeeded = self.run(*command, **options)
        files = sorted(reports.glob("*.xml")) if reports.is_dir() else [reports]
        cases = [case for file in files if file.exists() for case in ElementTree.parse(file).iter("testcase")]
        # A sanity test without files to look at, which is none.
        cases = [case for case in cases if case.findtext("skipped", "").strip() != "No tests applicable."]
        self.count_all(succeeded, [all(case.find(fault) is None for fault in ("failure", "error", "skipped")) for case in cases])

    def count_all(self, succeeded: bool, outcomes: list[bool]) -> None:
        """Count what a command reported, and the command itself where its report does not explain how it ended."""
        for outcome in outcomes:
            self.count(outcome)
        if not outcomes or not succeeded and all(outcomes):
            self.count(False, "It failed for no reason that it reports, or ran nothing.")


def artifacts(step: Step) -> None:
    """What the hosts and the component tests run, compiled or fetched once and kept outside the work tree."""
    step.check("ansible-playbook", "-i", "inventories/local/hosts.yml", "tests/artifacts.yml")


def lint(step: Step) -> None:
    step.check("ansible-lint")
    step.check("antsibull-changelog", "lint")


def unit(step: Step) -> None:
    pytest(step, "tests/unit")


def component(step: Step) -> None:
    """Modules against a real etcd, a real API server and openssl."""
    pytest(step, "tests/component")


def cf_routing(step: Step) -> None:
    """The services that keep routes in Cloud Foundry's routers, with their own pinned wheels, against a real NATS, API server and HAProxy."""
    environment = BUILD / "cf-routing"
    step.run("python", "-m", "venv", "--clear", environment)
    for requirements in ("packages/cf_routing", "tests/cf_routing"):
        step.run(environment / "bin/pip", "install", "--quiet", "--requirement", ROOT / requirements / "requirements.txt")
    # They print figures.
    pytest(step, "tests/cf_routing", "-rP", python=environment / "bin/python")


def aws(step: Step) -> None:
    """The provider aws, through the modules of Amazon's collections, against moto's server."""
    pytest(step, "tests/aws")


def pytest(step: Step, directory: str, *options: str, python: str | pathlib.Path = "python") -> None:
    report = LOGS / f"{step.name}.xml"
    report.unlink(missing_ok=True)
    step.check_cases(report, python, "-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={report}", "--durations=10", *options, directory)


def sanity(step: Step) -> None:
    """ansible-test works in a real directory of the right name only, and on what git knows of it."""
    copy_tree()
    # It fetches get-pip from the net where the cache has none; Python's own does as well.
    get_pip = pathlib.Path.home() / ".ansible/test/cache/get_pip_24_2.py"
    if not get_pip.exists():
        get_pip.parent.mkdir(parents=True, exist_ok=True)
        get_pip.write_text("import ensurepip\nensurepip.bootstrap()\n", encoding="utf-8")
    ansible_test = {"cwd": COPY, "ANSIBLE_TEST_CONTENT_ROOT": COPY}
    # pslint and shellcheck judge PowerShell, of which there is none, and shell scripts by a program that no Python package brings.
    skipped = ["--skip-test=pslint", "--skip-test=shellcheck"]
    command = ["ansible-test", "sanity", "--local", f"--python={sys.version_info.major}.{sys.version_info.minor}", "--junit", *skipped]
    step.check_cases(COPY / "tests/output/junit", *command, **ansible_test)
    # The oldest Python that hosts may have is judged by what our code needs; where this machine has that Python, it is asked as well.
    step.check("vermin", "--target=3.9-", "--no-tips", "--violations", *ON_HOSTS)
    places = [*pathlib.Path.home().glob(".pyenv/versions/3.9.*/bin"), pathlib.Path("/usr/local/bin"), pathlib.Path("/usr/bin")]
    found = [place for place in places if (place / "python3.9").exists()]
    if found:
        command = ["ansible-test", "sanity", "--local", "--python=3.9", "--test=compile", "--test=import"]
        step.check(*command, **ansible_test, PATH=f"{PROGRAMS}:{found[0]}")


def copy_tree() -> None:
    """Copy the files that git tracks, or would if they were added."""
    shutil.rmtree(COPY, ignore_errors=True)
    for name in git_files():
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name, follow_symlinks=False)


def git_files() -> list[str]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and os.path.lexists(ROOT / name)]


def galaxy(step: Step) -> None:
    """The collection as its users get it: built, installed elsewhere, imported."""
    output, elsewhere = BUILD / "galaxy", BUILD / "installed"
    for directory in (output, elsewhere):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    if not step.check("ansible-galaxy", "collection", "build", "--output-path", output):
        return
    (artifact,) = output.glob("*.tar.gz")
    with tarfile.open(artifact) as archive:
        shipped = {member.name for member in archive if not member.isdir()} - {"MANIFEST.json", "FILES.json"}
    foreign = sorted(shipped - set(git_files()))
    step.count(not foreign, f"The artifact holds what git does not: {foreign}")
    # The collections it depends on come with the package ansible.
    installed = {"cwd": elsewhere, "ANSIBLE_COLLECTIONS_PATH": elsewhere}
    step.check("ansible-galaxy", "collection", "install", artifact, "--no-deps", "--offline", "--collections-path", elsewhere, **installed)
    for playbook in sorted((ROOT / "playbooks").glob("*.yml")):
        name = f"cfcr.kubernetes.{playbook.stem}"
        step.check("ansible-playbook", name, "--syntax-check", "-i", ROOT / "inventories/local/hosts.yml", **installed)
    (output / "importer.cfg").write_text("[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nCHECK_CHANGELOG = True\n", encoding="utf-8")
    step.check("python", "-m", "galaxy_importer.main", artifact, cwd=output, GALAXY_IMPORTER_CONFIG=output / "importer.cfg")


def molecule(step: Step) -> None:
    """One scenario on hosts of its own, which are gone when it ends, however it ends."""
    scenario = step.name.removeprefix("molecule-")
    # A cluster has the name of a label.
    cluster = f"molecule-{scenario.replace('_', '-')}"
    # The names of the hosts are those of the machine: checkouts that are tested at once take turns.
    with open(f"/run/lock/{cluster}", "w", encoding="utf-8") as lock:
        wait_for(lock)
        try:
            succeeded = step.run("molecule", "test", "--scenario-name", scenario)
            actions = re.findall(rf"^{scenario} > \w+: Executed: (\w+)", step.path.read_text(encoding="utf-8"), re.MULTILINE)
            step.count_all(succeeded, [action == "Successful" for action in actions if action != "Missing"])
        finally:
            if left_behind(cluster):
                step.run("molecule", "destroy", "--scenario-name", scenario, cleans_up=True)
            left = left_behind(cluster)
            step.count(not left, f"Left behind: {', '.join(left)}")


def wait_for(lock: t.IO[str]) -> None:
    """Lock a file, when nobody else has it locked."""
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if INTERRUPTED.wait(timeout=1):
                raise KeyboardInterrupt from None


def left_behind(cluster: str) -> list[str]:
    """Containers, volumes and networks of a cluster, by the names that the local provider gives them."""
    found = []
    for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
        field = "{{.Names}}" if kind[0] == "ps" else "{{.Name}}"
        names = subprocess.run(["podman", *kind, "--format", field], check=True, capture_output=True, text=True).stdout.split()
        found += [f"{kind[0]} {name}" for name in names if name == cluster or name.startswith(f"{cluster}-")]
    return found


STEPS = {
    "lint": lint,
    "unit": unit,
    "galaxy": galaxy,
    "sanity": sanity,
    "artifacts": artifacts,
    "component": component,
    "cf-routing": cf_routing,
    "aws": aws,
    **{f"molecule-{scenario}": molecule for scenario in SCENARIOS},
}
WITHOUT_ARTIFACTS = ["lint", "unit", "galaxy", "sanity", "artifacts"]
# Whole clusters one after the other, and beside them everything else, the quick ones first.
CLUSTERS = ["artifacts", *(f"molecule-{scenario}" for scenario in ("default", "director", "rotate", "cf_routing", "iaas_lb", "security"))]
LANES = [CLUSTERS, [name for name in STEPS if name not in CLUSTERS]]


def perform(name: str) -> Step:
    """Run one step, and show what it said where it failed."""
    begin = time.monotonic()
    step = Step(name)
    try:
        STEPS[name](step)
    except Exception as error:
        step.count(False, f"{type(error).__name__}: {error}")
    finally:
        step.log.close()
    seconds = time.monotonic() - begin
    shown = [f"{name:22}{'FAILED' if step.failed else 'ok':8}{seconds:8.1f} s {step.passed:6} passed{f', {step.failed} failed' if step.failed else ''}"]
    if step.failed:
        lines = step.path.read_text(encoding="utf-8", errors="replace").splitlines()
        early = [line for line in lines[:-SHOWN_LINES] if FAULT.search(line)]
        said = [*early[:SHOWN_LINES], *(["…"] if early else []), *lines[-SHOWN_LINES:], f"({step.path.relative_to(ROOT)})"]
        shown += [f"    {line}" for line in said]
    print("\n".join(shown), flush=True)
    return step


def perform_all(names: list[str], there: threading.Event) -> list[Step]:
    """Run steps one after the other, those that need artifacts when these are there."""
    steps = []
    for name in names:
        while name not in WITHOUT_ARTIFACTS and not there.wait(timeout=1) and not INTERRUPTED.is_set():
            pass
        if INTERRUPTED.is_set():
            break
        steps.append(perform(name))
        if name == "artifacts":
            there.set()
    return steps


def perform_lanes(lanes: list[list[str]]) -> list[Step]:
    """Run lists of steps beside each other."""
    there = threading.Event()
    if not any("artifacts" in names for names in lanes):
        there.set()
    with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
        futures = [pool.submit(perform_all, names, there) for names in lanes]
        try:
            return [step for future in futures for step in future.result()]
        except BaseException:
            INTERRUPTED.set()
            raise


def main() -> int:
    parser = argparse.ArgumentParser("tools/test", description=__doc__.splitlines()[0])
    parser.add_argument("step", nargs="*", help=f"any of: {', '.join(STEPS)}; all where none is named")
    names = parser.parse_args().step
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        parser.error(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    LOGS.mkdir(parents=True, exist_ok=True)
    # So that a step that is ended by a signal cleans up as it does after an interrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    try:
        steps = perform_lanes([names] if names else LANES)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    broken = [step.name for step in steps if step.failed]
    if broken:
        print(f"\nFailed: {', '.join(broken)}")
    minutes = (time.monotonic() - begin) / 60
    print(f"\n{len(steps)} steps in {minutes:.1f} minutes\n{sum(step.passed for step in steps)} passed, {sum(step.failed for step in steps)} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
