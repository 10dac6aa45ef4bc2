#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep one component of a host as asked: packages, release files, configuration, units, health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Keep one component of a host as asked
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Applies in one call what a BOSH job has, in this order. Certificates, packages, kernel modules, sysctls, accounts, directories,
    release files, virtual environments of Python, files, systemd units, the health of what runs, and images of containers.
  - Every unit carries a digest of all that it depends on in its environment, so that the running process tells which
    configuration it was started with. With O(state=present) a unit that is not running is started, and one that runs with
    an old digest is reported in RV(restart) with RV(ignore:changed) true. Only then the task notifies its handlers, which restart
    it with O(state=restarted).
  - A handler that restarts one member of a group at a time asks the other members first, see O(peers).
  - What the job consists of is left on the host in C(/etc/cfcr/jobs), where M(cfcr.kubernetes.host_health) and M(cfcr.kubernetes.host_logs)
    find it.
options:
  name:
    description: Name of the job; names its files under C(/etc/modules-load.d) and C(/etc/sysctl.d).
    type: str
    required: true
  state:
    description:
      - V(present) applies everything and starts what is not running.
      - V(restarted) restarts the units that run with an old digest, one after the other, and waits for the health of each.
    type: str
    choices: [present, restarted]
    default: present
  certificates:
    description:
      - Keys and certificates that the job's processes use, each as in M(cfcr.kubernetes.certificate), whose other options have their
        defaults here. They are issued before anything else is applied.
    type: list
    elements: dict
    default: []
  pki:
    description: The host's part in O(certificates), as M(cfcr.kubernetes.certificate_files) takes it. The action sets it, nobody else.
    type: dict
    suboptions:
      phase:
        description: With V(read) nothing is applied, the job and its certificates are only compared; V(write) writes what was signed and applies.
        type: str
        required: true
        choices: [read, write]
      certificates:
        description: The certificates to read or to write.
        type: list
        elements: dict
        required: true
      bundles:
        description: The bundles of authorities to read or to write.
        type: list
        elements: dict
        required: true
      key_type:
        description: Type of the private keys.
        type: str
        required: true
        choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
      since:
        description: Private keys that were made before this moment, in seconds since the epoch, are made anew.
        type: float
        default: 0
  packages:
    description: Debian packages that must be installed. Services that they bring are not started.
    type: list
    elements: str
    default: []
  kernel_modules:
    description: Kernel modules to load, now and at boot. In a container the kernel belongs to the machine, and nothing is loaded.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel parameters to set, now and at boot.
    type: dict
    default: {}
  directories:
    description: Directories to keep.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Permissions, in octal.
        type: str
        default: "0755"
      owner:
        description: Owner, a system account that is made where it is missing; the group is its own.
        type: str
        default: root
  artifacts:
    description: Release files, as the lookup P(cfcr.kubernetes.artifacts#lookup) returns them.
    type: list
    elements: dict
    default: []
    suboptions:
      component:
        description: Name of the component.
        type: str
        required: true
      version:
        description: Version of the component.
        type: str
        required: true
      architectures:
        description: For each architecture its C(url), C(sha256) or C(checksum_url), and C(files).
        type: dict
        required: true
  virtual_environments:
    description: Virtual environments of the host's Python, made of wheels. One with other requirements should have another path.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      requirements:
        description: Requirements for pip, all of them with their version and the checksums of their wheels.
        type: str
        required: true
      wheels:
        description: URL of a page or directory that links to the wheels. Without it, pip's own configuration says where its index is.
        type: str
        default: ""
  files:
    description: Files to keep.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The content, or the name of a key of O(secrets) where O(files[].secret) is true.
        type: str
        required: true
      secret:
        description: Whether the content is looked up in O(secrets); it is never shown.
        type: bool
        default: false
      mode:
        description: Permissions, in octal.
        type: str
        default: "0644"
      owner:
        description: Owner, a system account that is made where it is missing; the group is its own.
        type: str
        default: root
  secrets:
    description: Contents that must not be shown, by name.
    type: dict
    default: {}
  units:
    description: systemd services of the job, in the order in which they are started and restarted.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service, without suffix.
        type: str
        required: true
      description:
        description: What the service is, for people.
        type: str
        required: true
      program:
        description: A program of O(artifacts), or an absolute path.
        type: str
        required: true
      arguments:
        description: Arguments of the program, before its flags.
        type: list
        elements: str
        default: []
      flags:
        description: Flags of the program. A list is joined by commas, a mapping as C(key=value), null leaves the flag out.
        type: dict
        default: {}
      account:
        description: System account that the service runs as; made where it is missing.
        type: str
        default: root
      settings:
        description: Sections of the unit with their settings, laid over the defaults.
        type: dict
        default: {}
      watch:
        description:
          - Files that the service reads at its start, beside its program and unit. It is restarted when one of them changes.
        type: list
        elements: path
        default: []
      start:
        description: Whether this module starts the service. If not, it is enabled only.
        type: bool
        default: true
      health:
        description: How the service is asked for its health, beside being active with the wanted configuration.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description: URL that answers 200 when the service is healthy.
            type: str
            required: true
          ca_path:
            description: File with the authorities that the server's certificate is verified against.
            type: path
          certificate_path:
            description: File with the client certificate.
            type: path
          key_path:
            description: File with the client's private key.
            type: path
          condition:
            description: Condition that the Kubernetes object in the answer must have.
            type: str
  images:
    description:
      - Images that containerd, a unit of the job, shall have before any pod asks for them, as the lookup
        P(cfcr.kubernetes.images#lookup) returns them. They are imported from verified archives, in parallel, or where there is no
        archive pulled from their registry.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the image in the catalog.
        type: str
        required: true
      reference:
        description: Reference that pods ask for.
        type: str
        required: true
      archive:
        description: For each of its C(architectures) the C(url) and the C(sha256) or C(checksum_url) of a docker archive.
        type: dict
  peers:
    description: The other members of the group, which are asked for their health before a unit is restarted.
    type: dict
    suboptions:
      urls:
        description: URLs that answer 200 when a member is healthy.
        type: list
        elements: str
        required: true
      required:
        description: How many of them must be healthy.
        type: int
        required: true
      ca_path:
        description: File with the authorities that the servers' certificates are verified against.
        type: path
      certificate_path:
        description: File with the client certificate.
        type: path
      key_path:
        description: File with the client's private key.
        type: path
  timeout:
    description: Seconds to wait for the health of each unit.
    type: int
    default: 120
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
seealso:
  - module: cfcr.kubernetes.certificate
  - name: BOSH jobs
    description: The unit that this module is modelled on.
    link: https://bosh.io/docs/jobs/
"""

EXAMPLES = r"""
- name: Run etcd
  cfcr.kubernetes.job:
    name: etcd
    artifacts: "{{ lookup('cfcr.kubernetes.artifacts', 'etcd') }}"
    certificates:
      - path: /etc/etcd/pki/server
        authority: etcd
        alternative_names: ["{{ cluster_host_address }}"]
        usages: [server_auth, client_auth]
        owner: etcd
    files:
      - path: /etc/etcd/etcd.env
        content: "ETCD_NAME=etcd-0\n"
    units:
      - name: etcd
        description: etcd key-value store
        program: etcd
        account: etcd
        watch: [/etc/etcd/etcd.env, /etc/etcd/pki/server.crt]
        settings:
          Service: {EnvironmentFile: /etc/etcd/etcd.env, Type: notify}
  notify: Restart etcd
"""

RETURN = r"""
certificates:
  description: What each certificate says, as M(cfcr.kubernetes.certificate) returns it.
  returned: where O(certificates) are given
  type: list
  elements: dict
restart:
  description: Units that run with an old digest and wait for a restart; with O(state=restarted) those that were restarted.
  returned: always
  type: list
  elements: str
  sample: [etcd]
"""

import os
import pwd
import stat
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils import (
    _descriptor,
    _health,
    _host,
    _images,
    _pki_files,
    _release,
    _systemd,
    _virtual_environments,
)
from ansible_collections.cfcr.kubernetes.plugins.module_utils._accounts import ensure_account
from ansible_collections.cfcr.kubernetes.plugins.module_utils._command import run
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._files import write_atomically
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

SECRET = "(secret)"
NEW_SECRET = "(another secret)"
RESTARTS_BEFORE_GIVING_UP = 10


def differences(actual: dict[str, t.Any], wanted: dict[str, t.Any]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Return, for each kind of thing, only those that are not as wanted: as they are, and as they should be."""
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for kind, things in wanted.items():
        other = {name: value for name, value in things.items() if actual[kind].get(name) != value}
        if other:
            after[kind] = other
            before[kind] = {name: actual[kind].get(name) for name in other}
    return before, after


def all_files(options: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return the files of the job, those that load kernel modules and set sysctls at boot included."""
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
            raise HostError(f"files: {entry['path']}: content names the secret {entry['content']}; there is: {', '.join(options['secrets'])}")
        files.append({**entry, "content": options["secrets"][entry["content"]] if entry["secret"] else entry["content"]})
    return files


def description(options: dict[str, t.Any], files: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Return the file that tells whoever comes later what the job is."""
    content = _descriptor.render(options, files)
    return {"path": _descriptor.path_of(options["name"]), "content": content, "mode": "0644", "owner": "root", "secret": False}


def digest_of_dependencies(unit: dict[str, t.Any], artifacts: list[dict[str, t.Any]], contents: dict[str, str]) -> str:
    """Return a text that changes with whatever the unit's process reads at its start: its program and its watched files."""
    parts = []
    for artifact in artifacts:
        source = _release.source(artifact)
        if unit["program"] in source["files"]:
            parts.append(f"{artifact['component']} {artifact['version']} {source.get('sha256', '')}")
    for path in unit["watch"]:
        content = contents[path] if path in contents else read(path)
        parts.append(f"{path}\n{content}")
    return "\n".join(parts)


def read(path: str) -> str | None:
    """Return the content of a file, or None."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


class Job:
    """What is, and what should be, as plain values; and the way from one to the other."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.options = options
        files = all_files(options)
        self.files = [*files, description(options, files)]
        contents = {entry["path"]: entry["content"] for entry in self.files}
        self.units = {
            unit["name"]: _systemd.render(unit, digest_of_dependencies(unit, options["artifacts"], contents)) for unit in options["units"]
        }
        self.states = _systemd.state(list(self.units)) if self.units else {}

    def wanted(self) -> dict[str, t.Any]:
        """Return what should be."""
        options = self.options
        return {
            "packages": dict.fromkeys(options["packages"], "installed"),
            "kernel modules": dict.fromkeys(options["kernel_modules"], "loaded"),
            "sysctls": {name: str(value) for name, value in options["sysctls"].items()},
            "directories": {entry["path"]: {"mode": entry["mode"], "owner": entry["owner"]} for entry in options["directories"]},
            "releases": _release.wanted(options["artifacts"]),
            "virtual environments": {entry["path"]: _virtual_environments.wanted(entry) for entry in options["virtual_environments"]},
            "files": {entry["path"]: self._shown(entry, entry["content"]) for entry in self.files}
            | {self._unit_path(name): {"content": text, "mode": "0644", "owner": "root"} for name, text in self.units.items()},
            "services": {
                unit["name"]: {"enabled": True, **({"active": True, "configuration": "current"} if unit["start"] else {})}
                for unit in options["units"]
            },
            "images": {image["reference"]: "present" for image in options["images"]},
        }

    def actual(self) -> dict[str, t.Any]:
        """Return what is."""
        options = self.options
        return {
            "packages": dict.fromkeys(_host.installed_packages(options["packages"]) if options["packages"] else [], "installed"),
            "kernel modules": dict.fromkeys(_host.loaded_kernel_modules(options["kernel_modules"]), "loaded"),
            "sysctls": _host.sysctls(list(options["sysctls"])),
            "directories": {entry["path"]: self._status(entry["path"], stat.S_ISDIR) for entry in options["directories"]},
            "releases": _release.installed(options["artifacts"]),
            "virtual environments": {entry["path"]: _virtual_environments.actual(entry) for entry in options["virtual_environments"]},
            "files": {entry["path"]: self._actual_file(entry) for entry in self.files}
            | {
                self._unit_path(name): self._actual_file({"path": self._unit_path(name), "content": text, "secret": False})
                for name, text in self.units.items()
            },
            "services": {
                unit["name"]: {
                    "enabled": self.states[unit["name"]].enabled,
                    **({"active": self.states[unit["name"]].active, "configuration": self._configuration(unit["name"])} if unit["start"] else {}),
                }
                for unit in options["units"]
            },
            "images": dict.fromkeys(_images.present() if options["images"] else [], "present"),
        }

    def outdated(self) -> list[str]:
        """Return the units that run with another configuration than the one wanted."""
        return [name for name, status in self.states.items() if status.active and self._configuration(name) != "current"]

    def apply(self, wanted: dict[str, t.Any]) -> None:
        """Make what is not as wanted so, in the order of the documentation, and wait for health."""
        options = self.options
        if "packages" in wanted:
            _host.install_packages(list(wanted["packages"]))
        if "kernel modules" in wanted:
            _host.load_kernel_modules(list(wanted["kernel modules"]))
        _host.apply_sysctls(wanted.get("sysctls", {}))
        for owner in {entry["owner"] for entry in [*options["directories"], *self.files]} | {unit["account"] for unit in options["units"]}:
            ensure_account(owner)
        for entry in options["directories"]:
            if entry["path"] in wanted.get("directories", {}):
                self._make_directory(entry)
        if "releases" in wanted:
            _release.install(options["artifacts"])
        for entry in options["virtual_environments"]:
            if entry["path"] in wanted.get("virtual environments", {}):
                _virtual_environments.make(entry)
        self._write_files(wanted.get("files", {}))
        self._run_units(wanted)

    def is_healthy(self) -> bool:
        """Tell whether a look at it finds everything healthy that must be."""
        return all(self._problem(unit) is None for unit in self._asked_for_health())

    def check_health(self) -> None:
        """Wait until everything is healthy that must be."""
        for unit in self._asked_for_health():
            self._wait_healthy(unit)

    def bring_images(self, wanted: dict[str, t.Any]) -> None:
        """Bring the images that are not there, now that containerd is."""
        _images.bring(image for image in self.options["images"] if image["reference"] in wanted)

    def restart(self, names: list[str]) -> None:
        """Restart units one after the other, each after a look at the peers, and wait for the health of each."""
        for unit in self.options["units"]:
            if unit["name"] in names:
                self._ask_peers(unit["name"])
                _systemd.restart(unit["name"])
                self._wait_healthy(unit)

    def _ask_peers(self, name: str) -> None:
        peers = self.options["peers"]
        if not peers:
            return
        problems = [found for url in peers["urls"] if (found := _health.problem({**peers, "url": url})) is not None]
        healthy = len(peers["urls"]) - len(problems)
        if healthy < peers["required"]:
            raise HostError(f"{name} is not restarted: {peers['required']} other members must be healthy, found {healthy}: {'; '.join(problems)}")

    def _asked_for_health(self) -> list[dict[str, t.Any]]:
        """Return the units that were started; what waits for a restart is not asked."""
        outdated = self.outdated()
        return [unit for unit in self.options["units"] if unit["start"] and unit["name"] not in outdated]

    def _problem(self, unit: dict[str, t.Any]) -> str | None:
        """Return what is wrong with a unit now, or None when it is healthy."""
        name = unit["name"]
        now = _systemd.state([name])[name]
        if not now.active:
            return f"{name} is not active"
        # While a unit is being restarted, the process that ends may still answer.
        if _systemd.running_digest(now.pid) != _systemd.digest(self.units[name]):
            return f"{name} still runs with its former configuration"
        return next((found for health in unit["health"] if (found := _health.problem(health)) is not None), None)

    def _wait_healthy(self, unit: dict[str, t.Any]) -> None:
        name = unit["name"]

        def dead() -> str | None:
            now = _systemd.state([name])[name]
            if now.failed or now.restarts > self.states[name].restarts + RESTARTS_BEFORE_GIVING_UP:
                return f"it does not stay up: {_systemd.journal(name)}"
            return None

        try:
            _health.wait(lambda: self._problem(unit), self.options["timeout"], dead)
        except HostError as error:
            raise HostError(f"{name}: {error}") from error

    def _write_files(self, wanted: dict[str, t.Any]) -> None:
        for entry in self.files:
            if entry["path"] in wanted:
                os.makedirs(os.path.dirname(entry["path"]), exist_ok=True)
                content = entry["content"].encode(errors="surrogateescape")
                write_atomically(entry["path"], content, int(entry["mode"], 8), entry["owner"])
        # Units come last: their digest tells that everything else is in place.
        for name, text in self.units.items():
            if self._unit_path(name) in wanted:
                write_atomically(self._unit_path(name), text.encode(), 0o644)

    def _run_units(self, wanted: dict[str, t.Any]) -> None:
        if any(self._unit_path(name) in wanted.get("files", {}) for name in self.units) or any(unit.stale for unit in self.states.values()):
            run("systemctl", "daemon-reload")
        disabled = [name for name in self.units if not self.states[name].enabled]
        if disabled:
            run("systemctl", "enable", "--quiet", *disabled)
        inactive = [unit["name"] for unit in self.options["units"] if unit["start"] and not self.states[unit["name"]].active]
        if inactive:
            _systemd.start(inactive)

    def _make_directory(self, entry: dict[str, t.Any]) -> None:
        os.makedirs(entry["path"], exist_ok=True)
        account = pwd.getpwnam(entry["owner"])
        os.chown(entry["path"], account.pw_uid, account.pw_gid)
        os.chmod(entry["path"], int(entry["mode"], 8))

    def _configuration(self, name: str) -> str:
        """Tell whether the process runs with what is wanted; one that does not run will, as soon as it starts."""
        status = self.states[name]
        current = not status.active or _systemd.running_digest(status.pid) == _systemd.digest(self.units[name])
        return "current" if current else "outdated"

    def _actual_file(self, entry: dict[str, t.Any]) -> dict[str, str] | None:
        status = self._status(entry["path"], stat.S_ISREG)
        if status is None:
            return None
        return {**self._shown(entry, read(entry["path"])), **status}

    @staticmethod
    def _shown(entry: dict[str, t.Any], content: str | None) -> dict[str, t.Any]:
        """Return a file as it stands in a comparison; of a secret one only whether it is the wanted one."""
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
        return str(_systemd.UNITS / f"{name}.service")


def main() -> None:
    """Keep one job as asked."""
    entry = {"path": {"type": "path", "required": True}, "owner": {"type": "str", "default": "root"}}
    content = {"content": {"type": "str", "required": True}, "secret": {"type": "bool", "default": False}}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "restarted"], "default": "present"},
            "certificates": {"type": "list", "elements": "dict", "default": []},
            "pki": {"type": "dict", "options": _pki_files.SPEC},
            "packages": {"type": "list", "elements": "str", "default": []},
            "kernel_modules": {"type": "list", "elements": "str", "default": []},
            "sysctls": {"type": "dict", "default": {}},
            "directories": {"type": "list", "elements": "dict", "default": [], "options": {**entry, "mode": {"type": "str", "default": "0755"}}},
            "artifacts": {"type": "list", "elements": "dict", "default": [], "options": _release.ARTIFACT},
            "virtual_environments": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": _virtual_environments.VIRTUAL_ENVIRONMENT,
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**entry, **content, "mode": {"type": "str", "default": "0644"}},
            },
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "units": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**_systemd.UNIT, "health": {"type": "list", "elements": "dict", "default": [], "options": _health.HEALTH}},
            },
            "images": {"type": "list", "elements": "dict", "default": [], "options": _images.IMAGE},
            "peers": {
                "type": "dict",
                "options": {**_health.TLS, "urls": {"type": "list", "elements": "str", "required": True}, "required": {"type": "int", "required": True}},
            },
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)  # what has no mode of its own is for everyone, whatever the login shell says
    pki = module.params["pki"]
    try:
        if pki and pki["phase"] == "write" and not module.check_mode:
            _pki_files.write(pki["certificates"], pki["bundles"])
        job = Job(module.params)
        if module.params["state"] == "restarted":
            outdated = job.outdated()
            before, after = dict.fromkeys(outdated, "outdated"), dict.fromkeys(outdated, "restarted")
            finish(module, before, after, apply=lambda: job.restart(outdated), restart=outdated)
        before, after = differences(job.actual(), job.wanted())
        restart = job.outdated()
        if pki and pki["phase"] == "read":
            paths = [bundle["path"] for bundle in pki["bundles"]]
            there = _pki_files.read(pki["certificates"], paths, pki["key_type"], pki["since"], module.check_mode)
            diff = {"before": before, "after": after}
            module.exit_json(changed=before != after, diff=diff, restart=restart, healthy=job.is_healthy(), pki=there)
        if not module.check_mode:
            if after:
                job.apply(after)
            job.check_health()
            job.bring_images(after.get("images", {}))
        finish(module, before, after, apply=lambda: None, restart=restart)
    except (HostError, OSError) as error:
        module.fail_json(msg=f"{module.params['name']}: {error}")


if __name__ == "__main__":
    main()
