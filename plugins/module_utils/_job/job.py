# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A job: the actual and the desired state of one component of a host as plain values, and how to apply it."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import typing as t

from .._accounts import NO_LOGIN, ensure_account, login
from .._artifacts import release
from .._command import run
from .._errors import HostError
from .._files import read, write_atomically
from .._pki import files as pki_files
from .._proxy import PROXY
from . import descriptor, images, kernel, probe, reload, system, systemd, virtual_environments

__all__ = ("SPEC", "Job", "all_files", "differences", "digest_of_dependencies", "digests_of_loaded")

_ENTRY = {"path": {"type": "path", "required": True}, "owner": {"type": "str", "default": "root"}}
_CONTENT = {"content": {"type": "str", "required": True}, "secret": {"type": "bool", "default": False}}
_LIST = {"type": "list", "elements": "dict", "default": []}
_UNIT = {**systemd.UNIT, "reload": reload.RELOAD, "kernel": kernel.KERNEL, "health": {**_LIST, "options": probe.HEALTH}}
_PEERS = {**probe.TLS, "urls": {"type": "list", "elements": "str", "required": True}, "required": {"type": "int", "required": True}}

# The options of module job.
SPEC = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "restarted"], "default": "present"},
    "certificates": {**pki_files.CERTIFICATES, "default": []},
    "pki": {"type": "dict", "options": pki_files.SPEC},
    "packages": {"type": "list", "elements": "str", "default": []},
    "offline": {"type": "bool", "default": False},
    "kernel_modules": {"type": "list", "elements": "str", "default": []},
    "sysctls": {"type": "dict", "default": {}},
    "directories": {**_LIST, "options": {**_ENTRY, "mode": {"type": "str", "default": "0755"}, "purge": {"type": "bool", "default": False}}},
    "artifacts": {**_LIST, "options": release.ARTIFACT},
    "virtual_environments": {**_LIST, "options": virtual_environments.VIRTUAL_ENVIRONMENT},
    "files": {**_LIST, "options": {**_ENTRY, **_CONTENT, "mode": {"type": "str", "default": "0644"}}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "units": {**_LIST, "options": _UNIT},
    "images": {**_LIST, "options": images.IMAGE},
    "peers": {"type": "dict", "options": _PEERS},
    "proxy": {"type": "dict", "options": PROXY},
    "timeout": {"type": "int", "default": 120},
    "asked": {"type": "str", "default": ""},
}

SECRET = "(secret)"
NEW_SECRET = "(another secret)"
RESTARTS_BEFORE_GIVING_UP = 10
RELOAD, RESTART = "reload", "restart"


def differences(actual: dict[str, t.Any], wanted: dict[str, t.Any]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Return the actual and the desired state of the things of each kind that differ."""
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for kind, things in wanted.items():
        other = {name: value for name, value in things.items() if actual[kind].get(name) != value}
        if other:
            after[kind] = other
            before[kind] = {name: actual[kind].get(name) for name in other}
    return before, after


def all_files(options: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return the files of the job, including those that load kernel modules and set sysctls at boot."""
    boot = {"mode": "0644", "owner": "root", "secret": False}
    files = []
    if options["kernel_modules"]:
        content = "".join(f"{name}\n" for name in options["kernel_modules"])
        files.append({"path": f"/etc/modules-load.d/cfcr-{options['name']}.conf", "content": content, **boot})
    if options["sysctls"]:
        content = "".join(f"{name} = {value}\n" for name, value in options["sysctls"].items())
        files.append({"path": f"/etc/sysctl.d/60-cfcr-{options['name']}.conf", "content": content, **boot})
    for entry in options["files"]:
        if entry["secret"] and entry["content"] not in options["secrets"]:
            raise HostError(f"files: {entry['path']}: found the secret {entry['content']}, expected one of {', '.join(options['secrets'])}")
        files.append({**entry, "content": options["secrets"][entry["content"]] if entry["secret"] else entry["content"]})
    return files


def description(options: dict[str, t.Any], files: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Return the descriptor of the job as a file."""
    content = descriptor.render(options, files)
    return {"path": descriptor.path_of(options["name"]), "content": content, "mode": "0644", "owner": "root", "secret": False}


def digest_of_dependencies(unit: dict[str, t.Any], artifacts: list[dict[str, t.Any]], contents: dict[str, str]) -> str:
    """Return a text of all that the unit's process reads at its start: its program and its watched files."""
    parts = []
    for artifact in artifacts:
        source = release.source(artifact)
        if unit["program"] in source["files"]:
            parts.append(f"{artifact['component']} {artifact['version']} {source.get('sha256', '')}")
    for path in unit["watch"]:
        content = contents[path] if path in contents else read(path)
        parts.append(f"{path}\n{content}")
    return "\n".join(parts)


def digests_of_loaded(unit: dict[str, t.Any], contents: dict[str, str]) -> dict[str, str]:
    """Return the digest of each file that the unit loads by a reload."""
    paths = unit["reload"]["watch"] if unit["reload"] else []
    return {path: reload.digest(contents[path] if path in contents else read(path)) for path in paths}


def _leftovers(directories: list[dict[str, t.Any]], wanted: set[str]) -> list[str]:
    """Return the files in purged directories that the job does not have."""
    found = []
    for directory in (entry["path"] for entry in directories if entry["purge"]):
        found += [os.path.join(parent, name) for parent, _names, names in os.walk(directory) for name in names]
    return sorted(set(found) - wanted)


def _remove(path: str) -> None:
    """Remove a file, and its directory if that is empty then."""
    os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


class Job:
    """The actual and the desired state of one component."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.options = options
        files = all_files(options)
        self.files = [*files, description(options, files)]
        contents = {entry["path"]: entry["content"] for entry in self.files}
        self.units = {
            unit["name"]: systemd.render(unit, digest_of_dependencies(unit, options["artifacts"], contents)) for unit in options["units"]
        }
        self.unit_modes = {unit["name"]: unit["mode"] for unit in options["units"]}
        self.leftovers = _leftovers(options["directories"], set(contents))
        self.loads = {unit["name"]: digests_of_loaded(unit, contents) for unit in options["units"]}
        self.states = systemd.state(list(self.units)) if self.units else {}
        self.overrides = {name: systemd.overrides(name, text) for name, text in self.units.items()}
        self.lost = {unit["name"]: self._lost(unit, self.states[unit["name"]]) for unit in options["units"]}
        pending = {unit["name"]: self._pending(unit, self.states[unit["name"]]) for unit in options["units"]}
        self.pending = {name: what for name, what in pending.items() if what}

    def wanted(self) -> dict[str, t.Any]:
        """Return the desired state."""
        options = self.options
        return {
            "packages": dict.fromkeys(options["packages"], "installed"),
            "kernel modules": dict.fromkeys(options["kernel_modules"], "loaded"),
            "sysctls": {name: system.spaced(value) for name, value in options["sysctls"].items()},
            "accounts": dict.fromkeys(self._accounts(), NO_LOGIN),
            "directories": {entry["path"]: {"mode": entry["mode"], "owner": entry["owner"]} for entry in options["directories"]},
            "leftovers": dict.fromkeys(self.leftovers, "absent"),
            "releases": release.wanted(options["artifacts"]),
            "virtual environments": {entry["path"]: virtual_environments.wanted(entry) for entry in options["virtual_environments"]},
            "files": {entry["path"]: self._shown(entry, entry["content"]) for entry in self.files}
            | {self._unit_path(name): {"content": text, "mode": self.unit_modes[name], "owner": "root"} for name, text in self.units.items()},
            "services": {
                unit["name"]: {"enabled": True, "configuration": "current", "drop-ins": {}, **({"active": True} if unit["start"] else {})}
                for unit in options["units"]
            },
            "images": {image["reference"]: "present" for image in options["images"]},
        }

    def actual(self) -> dict[str, t.Any]:
        """Return the actual state."""
        options = self.options
        return {
            "packages": dict.fromkeys(system.installed_packages(options["packages"]) if options["packages"] else [], "installed"),
            "kernel modules": dict.fromkeys(system.loaded_kernel_modules(options["kernel_modules"]), "loaded"),
            "sysctls": system.sysctls(list(options["sysctls"])),
            "accounts": {name: login(name) for name in self._accounts()},
            "directories": {entry["path"]: self._status(entry["path"], stat.S_ISDIR) for entry in options["directories"]},
            "leftovers": dict.fromkeys(self.leftovers, "present"),
            "releases": release.installed(options["artifacts"]),
            "virtual environments": {entry["path"]: virtual_environments.actual(entry) for entry in options["virtual_environments"]},
            "files": {entry["path"]: self._actual_file(entry) for entry in self.files}
            | {
                self._unit_path(name): self._actual_file({"path": self._unit_path(name), "content": text, "secret": False})
                for name, text in self.units.items()
            },
            "services": {
                unit["name"]: {
                    "enabled": self.states[unit["name"]].enabled,
                    "configuration": self._configuration(unit["name"]),
                    "drop-ins": self.overrides[unit["name"]],
                    **({"active": self.states[unit["name"]].active} if unit["start"] else {}),
                }
                for unit in options["units"]
            },
            "images": dict.fromkeys(images.present() if options["images"] else [], "present"),
        }

    def _accounts(self) -> list[str]:
        """Return the system accounts of the job."""
        options = self.options
        owners = {entry["owner"] for entry in [*options["directories"], *self.files]} | {unit["account"] for unit in options["units"]}
        return sorted(owners - {"root"})

    def outdated(self) -> list[str]:
        """Return the units that run with an outdated configuration."""
        return list(self.pending)

    def apply(self, wanted: dict[str, t.Any]) -> None:
        """Apply the differences, in the order of the documentation."""
        options = self.options
        if "packages" in wanted:
            system.install_packages(list(wanted["packages"]), offline=options["offline"])
        if "kernel modules" in wanted:
            system.load_kernel_modules(list(wanted["kernel modules"]))
        system.apply_sysctls(wanted.get("sysctls", {}))
        for owner in self._accounts():
            ensure_account(owner)
        for entry in options["directories"]:
            if entry["path"] in wanted.get("directories", {}):
                self._make_directory(entry)
        if "releases" in wanted:
            release.install(options["artifacts"])
        for entry in options["virtual_environments"]:
            if entry["path"] in wanted.get("virtual environments", {}):
                virtual_environments.make(entry)
        self._write_files(wanted.get("files", {}))
        for path in wanted.get("leftovers", {}):
            _remove(path)
        self._run_units(wanted)

    def is_healthy(self) -> bool:
        """Return whether all started units are healthy."""
        return all(self._problem(unit, self.states[unit["name"]]) is None for unit in self._units_to_check())

    def check_health(self) -> None:
        """Wait until all started units are healthy."""
        for unit in self._units_to_check():
            self._wait_healthy(unit)

    def bring_images(self, wanted: dict[str, t.Any]) -> None:
        """Import the missing images. containerd must run."""
        images.bring(image for image in self.options["images"] if image["reference"] in wanted)

    def restart(self) -> None:
        """Reload or restart the outdated units one by one, and wait for the health of each."""
        for unit in (unit for unit in self.options["units"] if unit["name"] in self.pending):
            name = unit["name"]
            if self.overrides[name]:
                systemd.set_aside(self.overrides[name])
            if unit["reload"] and self.states[name].active:
                # Also before a restart: a service that refuses a wrong configuration keeps running with its former one.
                systemd.reload(name)
            if self.pending[name] == RESTART:
                self._check_peers(unit)
                systemd.restart(name)
            self._wait_healthy(unit)

    def _check_peers(self, unit: dict[str, t.Any]) -> None:
        """Refuse a restart that the peers cannot cover. A unit that is not healthy itself has nothing to cover: all of them may be down."""
        name, peers = unit["name"], self.options["peers"]
        if not peers:
            return
        problems = [found for url in peers["urls"] if (found := probe.problem({**peers, "url": url})) is not None]
        healthy = len(peers["urls"]) - len(problems)
        if healthy < peers["required"] and self._serves(unit):
            raise HostError(f"{name} is not restarted: found {healthy} healthy peers, expected {peers['required']}: {'; '.join(problems)}")

    def _serves(self, unit: dict[str, t.Any]) -> bool:
        """Return whether the unit is active and healthy, with whatever configuration."""
        return systemd.state([unit["name"]])[unit["name"]].active and all(probe.problem(health) is None for health in unit["health"])

    def _units_to_check(self) -> list[dict[str, t.Any]]:
        """Return the units that this module starts, without those that wait for a restart."""
        outdated = self.outdated()
        return [unit for unit in self.options["units"] if unit["start"] and unit["name"] not in outdated]

    def _problem(self, unit: dict[str, t.Any], now: systemd.State) -> str | None:
        """Return the problem of a unit in this state, or None if it is healthy."""
        name = unit["name"]
        if not now.active:
            return f"{name} is not active"
        # During a restart, the former process may still answer.
        if not self._runs_current(unit, now):
            return f"{name} still runs with its former configuration"
        if unit["reload"] and (found := reload.problem(unit["reload"], self.loads[name])) is not None:
            return found
        return next((found for health in unit["health"] if (found := probe.problem(health)) is not None), None)

    def _wait_healthy(self, unit: dict[str, t.Any]) -> None:
        name = unit["name"]

        def dead() -> str | None:
            now = systemd.state([name])[name]
            if now.failed or now.restarts > self.states[name].restarts + RESTARTS_BEFORE_GIVING_UP:
                return f"it does not stay up: {systemd.journal(name)}"
            return None

        try:
            probe.wait(lambda: self._problem(unit, systemd.state([name])[name]), self.options["timeout"], dead)
        except HostError as error:
            raise HostError(f"{name}: {error}") from error

    def _write_files(self, wanted: dict[str, t.Any]) -> None:
        for entry in self.files:
            if entry["path"] in wanted:
                os.makedirs(os.path.dirname(entry["path"]), exist_ok=True)
                content = entry["content"].encode(errors="surrogateescape")
                write_atomically(entry["path"], content, int(entry["mode"], 8), entry["owner"])
        # Units come last, since their digest implies that all other files are written.
        for name, text in self.units.items():
            if self._unit_path(name) in wanted:
                write_atomically(self._unit_path(name), text.encode(), int(self.unit_modes[name], 8))

    def _run_units(self, wanted: dict[str, t.Any]) -> None:
        # A unit that runs keeps them until its restart, so that an interrupted run does not forget that it needs one.
        overrides = [path for name, state in self.states.items() if not state.active for path in self.overrides[name]]
        if overrides:
            systemd.set_aside(overrides)
        disabled = [name for name in self.units if not self.states[name].enabled]
        if disabled:
            systemd.enable(disabled)
        written = any(self._unit_path(name) in wanted.get("files", {}) for name in self.units)
        if disabled or written or any(unit.stale for unit in self.states.values()):
            run("systemctl", "daemon-reload")
        inactive = [unit["name"] for unit in self.options["units"] if unit["start"] and not self.states[unit["name"]].active]
        if inactive:
            now = systemd.state(inactive)
            systemd.start(inactive)
            # systemd may have started a unit that had crashed again, before it knew the new configuration.
            for unit in (unit for unit in self.options["units"] if unit["name"] in inactive):
                if self._starts_former(unit, now[unit["name"]]):
                    systemd.restart(unit["name"])

    def _starts_former(self, unit: dict[str, t.Any], now: systemd.State) -> bool:
        """Tell whether a unit that is not active yet has a process with its former configuration."""
        return systemd.running_digest(now.pid) is not None and not self._runs_current(unit, now)

    def _make_directory(self, entry: dict[str, t.Any]) -> None:
        os.makedirs(entry["path"], exist_ok=True)
        account = pwd.getpwnam(entry["owner"])
        os.chown(entry["path"], account.pw_uid, account.pw_gid)
        os.chmod(entry["path"], int(entry["mode"], 8))

    def _configuration(self, name: str) -> str:
        return "; ".join(self.lost[name]) or ("outdated" if name in self.pending else "current")

    @staticmethod
    def _lost(unit: dict[str, t.Any], now: systemd.State) -> list[str]:
        """Return the parts of the unit's state in the kernel that somebody has removed."""
        return kernel.lost(unit["kernel"]) if unit["kernel"] and now.active and kernel.is_settled(now.since) else []

    def _pending(self, unit: dict[str, t.Any], now: systemd.State) -> str | None:
        """Return whether the unit needs a restart or a reload. A unit that does not run loads everything when it starts.

        A unit that is being started may have read its former configuration, with which it may never become active.
        """
        if not now.active and systemd.running_digest(now.pid) is None:
            return None
        name = unit["name"]
        if not self._runs_current(unit, now) or self.overrides[name] or (self.lost[name] and not unit["reload"]):
            return RESTART
        return RELOAD if now.active and unit["reload"] and (self.lost[name] or reload.problem(unit["reload"], self.loads[name])) else None

    def _runs_current(self, unit: dict[str, t.Any], now: systemd.State) -> bool:
        """Tell whether the process was started with the current configuration. A unit without a process has only files that it loads."""
        return not systemd.has_process(unit) or systemd.running_digest(now.pid) == systemd.digest(self.units[unit["name"]])

    def _actual_file(self, entry: dict[str, t.Any]) -> dict[str, str] | None:
        status = self._status(entry["path"], stat.S_ISREG)
        if status is None:
            return None
        return {**self._shown(entry, read(entry["path"])), **status}

    @staticmethod
    def _shown(entry: dict[str, t.Any], content: str | None) -> dict[str, t.Any]:
        """Return a file for the diff. Of a secret one, show only whether it differs."""
        if entry["secret"]:
            content = SECRET if content == entry["content"] else NEW_SECRET
        return {"content": content, "mode": entry.get("mode", "0644"), "owner": entry.get("owner", "root")}

    @staticmethod
    def _status(path: str, is_kind: t.Callable[[int], bool]) -> dict[str, str] | None:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        if not is_kind(status.st_mode):
            return None
        try:
            owner = pwd.getpwuid(status.st_uid).pw_name
        except KeyError:
            owner = str(status.st_uid)
        return {"mode": f"{stat.S_IMODE(status.st_mode):04o}", "owner": owner}

    @staticmethod
    def _unit_path(name: str) -> str:
        return str(systemd.UNITS / f"{name}.service")
