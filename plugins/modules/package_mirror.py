#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mirror Debian packages with everything that they depend on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_mirror
short_description: Mirror Debian packages with everything that they depend on
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Downloads packages and all their dependencies, for releases of Debian or Ubuntu and architectures, and writes an index, so that apt can install them
    from that directory. It removes packages that are no longer needed.
  - apt verifies the packages by the keys of their repositories. Its state is in the directory, so the machine's packages do not matter.
  - Requires apt-get and dpkg-deb, and F(/etc/apt) for the machine's keys and proxy.
options:
  directory:
    description: The directory, created if it is missing. A release has its packages in C(<code name>/<architecture>).
    type: path
    required: true
  packages:
    description: Names of packages.
    type: list
    elements: str
    required: true
  distributions:
    description: Code names of releases.
    type: list
    elements: str
    default: [bookworm]
  architectures:
    description: Architectures.
    type: list
    elements: str
    choices: [amd64, arm64]
    default: [amd64]
  repositories:
    description:
      - Repositories by code name, as lines of F(/etc/apt/sources.list).
      - A release that is missing here comes from the repositories of the machine's own release, which must be of the same distribution.
    type: dict
    default: {}
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details: It reads the lists of the repositories in check mode, too.
"""

EXAMPLES = r"""
- name: Mirror HAProxy for Debian 12 and 13
  cfcr.kubernetes.package_mirror:
    directory: /srv/mirror/packages
    packages: [haproxy]
    distributions: [bookworm, trixie]
"""

RETURN = r"""
diff:
  description: The files of packages, by release and architecture.
  type: dict
  returned: success
  contains:
    before:
      description: Those that were there.
      type: dict
      sample: {bookworm/amd64: []}
    after:
      description: Those that are needed.
      type: dict
      sample: {bookworm/amd64: [haproxy_2.6.12-1+deb12u3_amd64.deb]}
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._artifacts.archive import sha256
from ..module_utils._command import run
from ..module_utils._errors import HostError
from ..module_utils._files import write_atomically
from ..module_utils._result import finish

APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
SOURCES = ("sources.list", "sources.list.d/debian.sources", "sources.list.d/ubuntu.sources")


def own_codename() -> str:
    """Return the code name of the machine's release."""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", OS_RELEASE.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def sources(codename: str, repositories: dict[str, list[str]]) -> dict[str, str]:
    """Return the files with the repositories of a release, by name."""
    if codename in repositories:
        return {"given.list": "".join(f"{line}\n" for line in repositories[codename])}
    own = own_codename()
    texts = {Path(name).name: (APT / name).read_text(encoding="utf-8") for name in SOURCES if own and (APT / name).is_file()}
    # A release names its repositories after itself, such as bookworm-security.
    found = {name: re.sub(rf"\b{own}\b", codename, text) for name, text in texts.items() if re.search(rf"\b{own}\b", text)}
    if not found:
        raise HostError(f"packages for {codename}: found no repository of the machine's own release, expected some, or repositories for {codename}")
    return found


class Repository:
    """The packages of a release for an architecture."""

    def __init__(self, directory: Path, codename: str, architecture: str) -> None:
        """Take the directory of all releases."""
        self.directory = directory / codename / architecture
        self.work = directory / ".apt" / f"{codename}-{architecture}"
        self.architecture = architecture

    def found(self) -> list[str]:
        """Return the packages that the index has."""
        index = self.directory / "Packages"
        names = re.findall(r"^Filename: \./(.+)$", index.read_text(encoding="utf-8"), re.MULTILINE) if index.is_file() else []
        return sorted(name for name in names if (self.directory / name).is_file())

    def wanted(self, packages: list[str], files: dict[str, str]) -> list[str]:
        """Return the packages with all their dependencies, after reading the lists of the repositories."""
        for name in ("lists/partial", "archives/partial", "sources"):
            (self.work / name).mkdir(parents=True, exist_ok=True)
        (self.work / "status").write_text("", encoding="utf-8")  # nothing is installed
        for path in (self.work / "sources").iterdir():
            path.unlink()
        for name, text in files.items():
            # With file:, apt would leave packages where they are.
            (self.work / "sources" / name).write_text(text.replace("file:/", "copy:/"), encoding="utf-8")
        self._apt("update")
        printed = self._apt("install", "--print-uris", *packages)
        return sorted(re.findall(r"^'[^']+' (\S+\.deb) ", printed, re.MULTILINE))

    def make(self, packages: list[str], wanted: list[str]) -> None:
        """Download the packages, and write their index. apt has verified them."""
        cache = self.work / "archives"
        self.directory.mkdir(parents=True, exist_ok=True)
        for path in self.directory.glob("*.deb"):
            path.rename(cache / path.name)
        self._apt("install", "--download-only", *packages)
        for name in wanted:
            (cache / name).chmod(0o644)
            (cache / name).rename(self.directory / name)
        for path in cache.glob("*.deb"):
            path.unlink()
        index = "\n".join(entry(self.directory / name) for name in wanted)
        write_atomically(str(self.directory / "Packages"), index.encode(), 0o644)

    def _apt(self, command: str, *arguments: str) -> str:
        options = {
            "Dir::State::lists": self.work / "lists",
            "Dir::State::status": self.work / "status",
            "Dir::Cache": self.work,
            "Dir::Cache::archives": self.work / "archives",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self.work / "sources",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": self.architecture,
            "APT::Architectures::": self.architecture,
            "APT::Update::Error-Mode": "any",
            "APT::Sandbox::User": "root",  # apt's own user cannot write to the directory
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return run("apt-get", command, "--quiet", "--yes", "--no-install-recommends", *words, *arguments)


def entry(path: Path) -> str:
    """Return the entry of a package in an index."""
    control = run("dpkg-deb", "--field", str(path))
    return f"{control}Filename: ./{path.name}\nSize: {path.stat().st_size}\nSHA256: {sha256(path)}\n"


def main() -> None:
    """Download the packages that are missing."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "packages": {"type": "list", "elements": "str", "required": True},
            "distributions": {"type": "list", "elements": "str", "default": ["bookworm"]},
            "architectures": {"type": "list", "elements": "str", "choices": ["amd64", "arm64"], "default": ["amd64"]},
            "repositories": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    options = module.params
    sets = [(codename, architecture) for codename in options["distributions"] for architecture in options["architectures"]]
    repositories = {"/".join(each): Repository(Path(options["directory"]), *each) for each in sets}

    def apply() -> None:
        for name, repository in repositories.items():
            if before[name] != after[name]:
                repository.make(options["packages"], after[name])

    try:
        before = {name: repository.found() for name, repository in repositories.items()}
        after = {
            name: repository.wanted(options["packages"], sources(name.partition("/")[0], options["repositories"]))
            for name, repository in repositories.items()
        }
        finish(module, before, after, apply)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
