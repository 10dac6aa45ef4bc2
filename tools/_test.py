# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the steps of `make test`, all steps (`tools/test --all`, `make test-all`), or the named ones, and count the tests.

Named steps run one after the other. Without names, steps run two at a time, since hardly any step keeps two cores busy.
A failed step does not stop the others. The output of each step is in .local/test/<step>.log.
The last line is "N passed, N failed". A skipped test counts as failed, since no test may be skipped.
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
SCALE = "tests/cf_routing/test_scale.py"
COPY = BUILD / "ansible_collections/cfcr/kubernetes"
SCENARIOS = [
    "certificate", "etcd", "dns", "default", "iaas_lb", "cf_routing", "director", "rotate", "update", "replace", "bundle", "backup", "security",
    "interruptions", "awx", "odd_hosts", "timers", "upstream",
]  # fmt: skip
# Code that the Python of hosts runs.
ON_HOSTS = ["plugins/modules", "plugins/module_utils", "roles/flannel/files/flannel-cni", "roles/firewall/files/guard"]
PROGRAMS = f"{ROOT}/.venv/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
# Let Python cache bytecode. Otherwise each of thousands of processes compiles the collection again.
ENVIRONMENT = {"PATH": PROGRAMS, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": ""}
# The versions of ansible-core after that of the checkout's own environment, with the package and a Python that it supports.
VERSIONS = {"2.20": ("ansible==13.8.0", "3.12"), "2.21": ("ansible==14.5.0", "3.13")}
OLDER = "ansible-core==2.18.19"
# The other tests need programs that `make test` does not compile.
OF_DEFAULT_MINOR = ("-m", "not other_minor")
INTERRUPTED = threading.Event()
# Kubelets evict pods from a file system with less than 15 percent, and a scenario writes some.
FREE_PERCENT = 18
# Output of a failed step: its last lines, preceded by earlier lines that report a fault. The end of the run repeats the last fault of each step.
SHOWN_LINES = 60
REPEATED_LINES, REPEATED_WIDTH = 6, 300
# Warnings, but for those of an inventory that the run itself creates, the lock of a run that the scenario has killed, and a host that it has taken out.
EXPECTED = r"Unable to parse \S+/inventory\.yml |provided hosts list is empty|Took over the lock |.*: found a route of the overlay network"
WARNING = re.compile(rf"\[(WARNING|DEPRECATION WARNING)\]: (?!{EXPECTED})")
FAULT = re.compile(r"^(fatal|failed|FAILED|ERROR|E  )")


class Step:
    """A named step: it counts passed and failed tests, and logs the output of its commands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = LOGS / f"{name}.log"
        self.passed = self.failed = 0
        self.log = self.path.open("w", encoding="utf-8")

    def run(self, *command: object, cwd: pathlib.Path = ROOT, cleans_up: bool = False, **environment: object) -> bool:
        """Run a command, log its output, and return whether it succeeded.

        An interrupt ends the command and its child processes, unless the command cleans up.
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

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines()

    def last_fault(self) -> list[str]:
        """Return the last lines that report a fault of the step itself, not of Molecule, which only says that there was one."""
        lines = self.lines()
        faults = [number for number, line in enumerate(lines) if FAULT.search(line) and not line.startswith("ERROR ")]
        # The reason that the step itself has counted is its last line.
        begin = faults[-1] if faults else len(lines) - REPEATED_LINES
        return [line for line in dict.fromkeys([*lines[max(0, begin) :][:REPEATED_LINES], *lines[-1:]]) if line.strip()]

    def count(self, passed: bool, reason: str = "") -> bool:
        self.passed += passed
        self.failed += not passed
        if reason and not passed:
            print(reason, file=self.log, flush=True)
        return passed

    def check(self, *command: object, **options) -> bool:
        """Run a command, and count it as one test."""
        return self.count(self.run(*command, **options))

    def check_cases(self, reports: pathlib.Path, *command: object, **options) -> None:
        """Run a command that writes JUnit reports, to one file or to a directory."""
        succeeded = self.run(*command, **options)
        files = sorted(reports.glob("*.xml")) if reports.is_dir() else [reports]
        cases = [case for file in files if file.exists() for case in ElementTree.parse(file).iter("testcase")]
        # A sanity test that has no files to check is not a test.
        cases = [case for case in cases if case.findtext("skipped", "").strip() != "No tests applicable."]
        self.count_all(succeeded, [all(case.find(fault) is None for fault in ("failure", "error", "skipped")) for case in cases])

    def count_all(self, succeeded: bool, outcomes: list[bool]) -> None:
        """Count the outcomes in a report, and a failure if the command failed without a failed test or ran none."""
        for outcome in outcomes:
            self.count(outcome)
        if not outcomes or not succeeded and all(outcomes):
            self.count(False, "The command failed without a failed test in its report, or ran no tests.")


def artifacts(step: Step) -> None:
    """Compile or download what the hosts and the component tests run. The cache is outside the work tree."""
    step.check("ansible-playbook", "-i", "inventories/local/hosts.yml", "tests/artifacts.yml")


def lint(step: Step) -> None:
    step.check("ansible-lint")
    step.check("antsibull-changelog", "lint")


def unit(step: Step) -> None:
    pytest(step, "tests/unit")


def component(step: Step) -> None:
    """Test modules against a real etcd, a real API server and openssl."""
    pytest(step, "tests/component", *OF_DEFAULT_MINOR)


def etcd_minors(step: Step) -> None:
    """Take a real etcd to another minor and back."""
    step.check("ansible-playbook", "-i", "inventories/local/hosts.yml", "tests/artifacts.yml", "-e", '{"release_versions": ["1.36", "1.37"]}')
    pytest(step, "tests/component", "-m", "other_minor")


def cf_routing(step: Step) -> None:
    """Test cf-api-registrar and cf-route-sync, with their pinned wheels, against a real NATS, API server and HAProxy."""
    pytest(step, "tests/cf_routing", f"--ignore={SCALE}", "-rP", python=cf_routing_python(step))


def cf_routing_scale(step: Step) -> None:
    """Measure cf-api-registrar and cf-route-sync with 1,000 Services, and print the results."""
    pytest(step, SCALE, "-rP", python=cf_routing_python(step))


def cf_routing_python(step: Step) -> pathlib.Path:
    """Return the Python of an environment with the pinned wheels. It is made first."""
    environment = BUILD / "cf-routing"
    step.run("python", "-m", "venv", "--clear", environment)
    for requirements in ("packages/cf_routing", "tests/cf_routing"):
        step.run(environment / "bin/pip", "install", "--quiet", "--requirement", ROOT / requirements / "requirements.txt")
    return environment / "bin/python"


def aws(step: Step) -> None:
    """Test provider aws, with the modules of Amazon's collections, against moto's server."""
    pytest(step, "tests/aws")


def browser(step: Step) -> None:
    """Test the page of instances in Debian's chromium. Screenshots are in .local/test/browser."""
    pytest(step, "tests/browser")


def awx(step: Step) -> None:
    """Test playbook awx, with the modules of awx.awx, against a stand-in for the API of AWX."""
    pytest(step, "tests/awx")


def vm(step: Step) -> None:
    """Test a real virtual machine as a worker. Without KVM it is emulated, and slow."""
    step.check("tools/machine", "vm")
    with open("/run/lock/vm-test", "w", encoding="utf-8") as lock:
        wait_for(lock)
        pytest(step, "tests/vm", "-x", "-rP")


def pytest(step: Step, directory: str, *options: str, python: str | pathlib.Path = "python", **variables: str) -> None:
    report = LOGS / f"{step.name}.xml"
    report.unlink(missing_ok=True)
    # Directories of tests that passed would fill the disk, since each etcd of the component tests reserves 128 MB.
    options = ("-p", "no:cacheprovider", "-o", "tmp_path_retention_policy=failed", f"--junit-xml={report}", "--durations=10", *options)
    step.check_cases(report, python, "-m", "pytest", *options, directory, **variables)


def actions(step: Step) -> None:
    """Test what uses Ansible itself, its actions and playbooks, with another version of Ansible."""
    variables = with_version(step)
    if variables:
        pytest(step, "tests/unit/plugins/action", "tests/unit/test_playbooks.py", **variables)


def modules(step: Step) -> None:
    """Run all tests of modules, and sanity, with another version of Ansible."""
    variables = with_version(step)
    if variables:
        pytest(step, "tests/unit", **variables)
        pytest(step, "tests/component", *OF_DEFAULT_MINOR, **variables)
        sanity(step, VERSIONS[version_of(step)][1], **variables)


def older_ansible(step: Step) -> None:
    """Run all playbooks with a version of Ansible that is too old."""
    environment = BUILD / "versions" / step.name
    step.run("python", "-m", "venv", "--clear", environment)
    if step.check(environment / "bin/pip", "install", "--quiet", OLDER):
        pytest(step, "tests/older_ansible", CFCR_OLDER_ANSIBLE=f"{environment}/bin/ansible-playbook")


def with_version(step: Step) -> dict[str, str]:
    """Return the variables of an environment with the step's version of Ansible. It is made if it is missing or its requirements have changed."""
    package, python = VERSIONS[version_of(step)]
    environment = BUILD / "versions" / f"ansible-{version_of(step)}"
    requirements = "".join(
        f"{package}\n" if line.startswith("ansible==") else line
        for line in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    )
    made_of = environment / "requirements.txt"
    if not made_of.exists() or made_of.read_text(encoding="utf-8") != requirements:
        program = python_program(python)
        if not step.count(program is not None, f"Found no Python {python}, expected one on the PATH or in ~/.pyenv: Ansible {package} needs it."):
            return {}
        wanted = environment.with_suffix(".txt")
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.write_text(requirements, encoding="utf-8")
        step.run(program, "-m", "venv", "--clear", environment)
        if not step.check(environment / "bin/pip", "install", "--quiet", "--requirement", wanted):
            return {}
        wanted.rename(made_of)
    return {"PATH": f"{environment}/bin:{PROGRAMS}"}


def version_of(step: Step) -> str:
    return step.name.split("-")[1]


def python_program(version: str) -> pathlib.Path | None:
    """Return the Python of a version, if this machine has it."""
    places = [*pathlib.Path.home().glob(f".pyenv/versions/{version}.*/bin"), pathlib.Path("/usr/local/bin"), pathlib.Path("/usr/bin")]
    return next((place / f"python{version}" for place in places if (place / f"python{version}").exists()), None)


def sanity(step: Step, python: str = f"{sys.version_info.major}.{sys.version_info.minor}", **variables: str) -> None:
    """Run ansible-test in a copy: it needs a real directory with the collection's name, and the files that git knows."""
    copy_tree()
    # ansible-test downloads get-pip if its cache has none. Python's ensurepip does the same without a network.
    for version in ("24_2", "25_2"):  # of ansible-core 2.19, and of 2.20 and 2.21
        get_pip = pathlib.Path.home() / f".ansible/test/cache/get_pip_{version}.py"
        if not get_pip.exists():
            get_pip.parent.mkdir(parents=True, exist_ok=True)
            get_pip.write_text("import ensurepip\nensurepip.bootstrap()\n", encoding="utf-8")
    ansible_test = {"cwd": COPY, "ANSIBLE_TEST_CONTENT_ROOT": COPY, **variables}
    # pslint checks PowerShell, of which there is none. shellcheck needs a program that no Python package has.
    skipped = ["--skip-test=pslint", "--skip-test=shellcheck"]
    command = ["ansible-test", "sanity", "--local", f"--python={python}", "--junit", *skipped]
    step.check_cases(COPY / "tests/output/junit", *command, **ansible_test)
    # Check that the code runs on the oldest Python of hosts: with vermin, and with that Python if this machine has it.
    step.check("vermin", "--target=3.9-", "--no-tips", "--violations", *ON_HOSTS)
    oldest = python_program("3.9")
    if oldest:
        command = ["ansible-test", "sanity", "--local", "--python=3.9", "--test=compile", "--test=import"]
        step.check(*command, **{**ansible_test, "PATH": f"{variables.get('PATH', PROGRAMS)}:{oldest.parent}"})


def copy_tree() -> None:
    """Copy the files that git tracks or could add."""
    shutil.rmtree(COPY, ignore_errors=True)
    for name in git_files():
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name, follow_symlinks=False)


def git_files() -> list[str]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and os.path.lexists(ROOT / name)]


def galaxy(step: Step) -> None:
    """Build the collection, install it elsewhere, and import it."""
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
    step.count(not foreign, f"Found files in the artifact that git does not know: {foreign}")
    # The package ansible has the collections that this one depends on.
    installed = {"cwd": elsewhere, "ANSIBLE_COLLECTIONS_PATH": elsewhere}
    step.check("ansible-galaxy", "collection", "install", artifact, "--no-deps", "--offline", "--collections-path", elsewhere, **installed)
    playbooks = [f"cfcr.kubernetes.{playbook.stem}" for playbook in sorted((ROOT / "playbooks").glob("*.yml"))]
    step.check("ansible-playbook", *playbooks, "--syntax-check", "-i", ROOT / "inventories/local/hosts.yml", **installed)
    (output / "importer.cfg").write_text("[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nRUN_ANSIBLE_LINT = False\nCHECK_CHANGELOG = True\n", encoding="utf-8")
    step.check("python", "-m", "galaxy_importer.main", artifact, cwd=output, GALAXY_IMPORTER_CONFIG=output / "importer.cfg")
    # The importer ends well even if it cannot read the documentation of a plugin. Its ansible-lint is that of step lint.
    errors = re.findall(r"^ERROR.*", step.path.read_text(encoding="utf-8"), re.MULTILINE)
    step.count(not errors, f"Found errors of the importer: {errors}")


def molecule_version(step: Step) -> None:
    """Run scenario default with another version of Ansible."""
    variables = with_version(step)
    if variables:
        molecule(step, "default", **variables)


def update(step: Step) -> None:
    """Run scenario update: from one minor to the next, and back."""
    molecule(step, PYTEST_ADDOPTS="-m 'not chain'")


def update_chain(step: Step) -> None:
    """Run scenario update over all minors, killed 20 times."""
    molecule(step, "update", CFCR_UPDATE_CHAIN="1.37.1 1.37", PYTEST_ADDOPTS="-m chain")


def short(step: Step) -> None:
    """Run a scenario without the tests that only its longer steps run."""
    molecule(step, PYTEST_ADDOPTS="-m 'not long'")


def backup_of_many(step: Step) -> None:
    """Run scenario backup whole, with as many objects as the step's name has."""
    molecule(step, "backup", CFCR_OBJECTS=step.name.rpartition("-")[2])


def bundle_update(step: Step) -> None:
    """Run scenario bundle with a cluster of an older minor, update, repair and restore it, and compare it with one from a mirror."""
    molecule(step, "bundle", CFCR_UPDATE_FROM="1.36")


def interruptions(step: Step) -> None:
    """Kill runs at every point, from the given number on. It takes hours."""
    molecule(step, "interruptions", CFCR_INTERRUPTIONS="all")


def molecule(step: Step, scenario: str = "", **variables: str) -> None:
    """Run one scenario on separate hosts, which are removed in any case."""
    scenario = scenario or step.name.removeprefix("molecule-")
    disk = shutil.disk_usage("/var/lib")
    if disk.free < disk.total * FREE_PERCENT / 100:
        step.count(False, f"Found {disk.free >> 30} of {disk.total >> 30} GiB free in /var/lib, expected {FREE_PERCENT} percent or more.")
        return
    # A cluster's name is a DNS label, which has no underscore.
    cluster = f"molecule-{scenario.replace('_', '-')}"
    # All checkouts on this machine use the same names of hosts, so they take turns.
    with open(f"/run/lock/{cluster}", "w", encoding="utf-8") as lock:
        wait_for(lock)
        try:
            succeeded = step.run("molecule", "test", "--scenario-name", scenario, **variables)
            actions = re.findall(rf"^{scenario} > \w+: Executed: (\w+)", step.path.read_text(encoding="utf-8"), re.MULTILINE)
            step.count_all(succeeded, [action == "Successful" for action in actions if action != "Missing"])
            warnings = sorted({line for line in step.lines() if WARNING.match(line)})
            step.count(not warnings, f"Found warnings, expected none: {'; '.join(warnings)}")
        finally:
            if left_behind(cluster):
                step.run("molecule", "destroy", "--scenario-name", scenario, cleans_up=True)
            left = left_behind(cluster)
            step.count(not left, f"Found after the scenario, expected nothing: {', '.join(left)}. Remove them.")


def wait_for(lock: t.IO[str]) -> None:
    """Lock a file, and wait while another process holds the lock."""
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if INTERRUPTED.wait(timeout=1):
                raise KeyboardInterrupt from None


def left_behind(cluster: str) -> list[str]:
    """Return the containers, volumes and networks with a cluster's name."""
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
    "etcd-minors": etcd_minors,
    "cf-routing": cf_routing,
    "cf-routing-scale": cf_routing_scale,
    "aws": aws,
    "browser": browser,
    "awx": awx,
    **{f"molecule-{scenario}": molecule for scenario in SCENARIOS},
    "molecule-backup": short,
    "molecule-bundle": short,
    "molecule-update": update,
    "update-chain": update_chain,
    "ansible-2.18": older_ansible,
    **{f"ansible-{version}": actions for version in VERSIONS},
    **{f"ansible-{version}-all": modules for version in VERSIONS},
    f"ansible-{list(VERSIONS)[-1]}-default": molecule_version,
    **{f"backup-{objects}": backup_of_many for objects in (10000, 100000)},
    "bundle-update": bundle_update,
    "interruptions": interruptions,
    "vm": vm,
}
# Steps that run only if they are named.
NAMED = ["interruptions"]
# Steps of `make test-all` only: what few changes can break. The others must end within 90 minutes on two slow processors that compile everything.
RARE = [
    "vm", "aws", "awx", "browser", "cf-routing-scale", "bundle-update", "update-chain", "etcd-minors",
    *(f"molecule-{name}" for name in SCENARIOS if name not in ("default", "iaas_lb", "bundle", "backup")),
    *(name for name in STEPS if name.startswith(("ansible-", "backup-"))),
]  # fmt: skip
WITHOUT_ARTIFACTS = ["lint", "unit", "galaxy", "sanity", "artifacts", "browser", "awx", "ansible-2.18", *(f"ansible-{version}" for version in VERSIONS)]
# One lane runs the clusters, one after the other: two at once keep two processors too busy to answer in time. The other lane runs the rest.
CLUSTERS = ["artifacts", *(f"molecule-{scenario}" for scenario in SCENARIOS if f"molecule-{scenario}" not in RARE)]
LANES = [CLUSTERS, [name for name in STEPS if name not in (*CLUSTERS, *RARE, *NAMED)]]
# Clusters take turns, and sanity uses one copy of the tree.
ALL_LANES = [[*CLUSTERS, *(name for name in RARE if not name.endswith("-all"))], [*LANES[1], *(name for name in RARE if name.endswith("-all"))]]


def perform(name: str) -> Step:
    """Run one step, and print its output if it failed."""
    begin = time.monotonic()
    step = Step(name)
    try:
        STEPS[name](step)
    except Exception as error:
        step.count(False, f"{type(error).__name__}: {error}")
    finally:
        step.log.close()
    seconds = time.monotonic() - begin
    shown = [f"{name:24}{'FAILED' if step.failed else 'ok':8}{seconds:8.1f} s {step.passed:6} passed{f', {step.failed} failed' if step.failed else ''}"]
    if step.failed:
        lines = step.lines()
        early_faults = [line for line in lines[:-SHOWN_LINES] if FAULT.search(line)]
        said = [*early_faults[:SHOWN_LINES], *(["…"] if early_faults else []), *lines[-SHOWN_LINES:], f"({step.path.relative_to(ROOT)})"]
        shown += [f"    {line}" for line in said]
    print("\n".join(shown), flush=True)
    return step


def perform_all(names: list[str], artifacts_ready: threading.Event) -> list[Step]:
    """Run steps one after the other. Steps that need artifacts wait for them."""
    steps = []
    for name in names:
        while name not in WITHOUT_ARTIFACTS and not artifacts_ready.wait(timeout=1) and not INTERRUPTED.is_set():
            pass
        if INTERRUPTED.is_set():
            break
        steps.append(perform(name))
        if name == "artifacts":
            artifacts_ready.set()
    return steps


def perform_lanes(lanes: list[list[str]]) -> list[Step]:
    """Run lists of steps in parallel."""
    artifacts_ready = threading.Event()
    if not any("artifacts" in names for names in lanes):
        artifacts_ready.set()
    with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
        futures = [pool.submit(perform_all, names, artifacts_ready) for names in lanes]
        try:
            return [step for future in futures for step in future.result()]
        except BaseException:
            INTERRUPTED.set()
            raise


def main() -> int:
    parser = argparse.ArgumentParser("tools/test", description=__doc__.splitlines()[0])
    parser.add_argument("step", nargs="*", help=f"any of: {', '.join(STEPS)}; default: those of make test")
    parser.add_argument("--all", action="store_true", help=f"run all steps but {', '.join(NAMED)}")
    parser.add_argument("--from", type=int, default=1, dest="first", metavar="N", help="begin step interruptions with point N")
    arguments = parser.parse_args()
    os.environ["CFCR_INTERRUPTIONS_FROM"] = str(arguments.first)
    names = arguments.step
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        parser.error(f"found unknown steps {', '.join(unknown)}, expected any of {', '.join(STEPS)}")
    LOGS.mkdir(parents=True, exist_ok=True)
    # Let SIGTERM clean up as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    try:
        steps = perform_lanes([names] if names else ALL_LANES if arguments.all else LANES)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    broken = [step for step in steps if step.failed]
    for step in broken:
        print(f"\nFailed: {step.name}", *(f"    {line[:REPEATED_WIDTH]}" for line in step.last_fault()), sep="\n")
    minutes = (time.monotonic() - begin) / 60
    print(f"\n{len(steps)} steps in {minutes:.1f} minutes\n{sum(step.passed for step in steps)} passed, {sum(step.failed for step in steps)} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
