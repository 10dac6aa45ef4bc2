#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mirror wheels in a directory that hosts install from."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wheel_mirror
short_description: Mirror wheels in a directory that hosts install from
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Downloads the wheels of pinned requirements for the Python versions and architectures of the hosts, and writes a page that links to them, for
    C(pip --find-links).
  - pip verifies the checksum of every wheel, and takes its index from its own configuration.
  - Requires pip for the Python that the module runs with.
options:
  directory:
    description: The directory, created if it is missing.
    type: path
    required: true
  requirements:
    description: Requirements in the format of pip, each with its version and the checksums of its wheels.
    type: str
    required: true
  python_versions:
    description: Python versions of the hosts.
    type: list
    elements: str
    default: ["3.11"]
  architectures:
    description: Architectures of the hosts.
    type: list
    elements: str
    choices: [amd64, arm64]
    default: [amd64]
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
"""

EXAMPLES = r"""
- name: Mirror the wheels for hosts without a package index
  cfcr.kubernetes.wheel_mirror:
    directory: /var/cache/cfcr/artifacts/wheels
    requirements: "{{ lookup('ansible.builtin.file', 'requirements.txt') }}"
    python_versions: ["3.11", "3.12"]
"""

RETURN = r"""
diff:
  description: The sets of wheels that are downloaded. In check mode, as it would be. Both sides are empty if nothing is missing.
  type: dict
  returned: success
  contains:
    before:
      description: C(wheels), an empty list.
      type: dict
      sample: {wheels: []}
    after:
      description: C(wheels), the versions of Python and architectures whose wheels are downloaded.
      type: dict
      sample: {wheels: [Python 3.11 on amd64]}
"""

import hashlib
import html
import sys
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._command import run
from ..module_utils._errors import HostError
from ..module_utils._files import write_atomically
from ..module_utils._result import finish

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# For the oldest C library of the supported systems, 2.35 of Ubuntu 22.04, and older ones.
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


def sets(params: dict[str, t.Any]) -> list[tuple[str, str]]:
    """Return the pairs of Python version and architecture that need wheels."""
    return [(version, architecture) for version in params["python_versions"] for architecture in params["architectures"]]


def marker(directory: Path, requirements: str, version: str, architecture: str) -> Path:
    """Return the file that marks a set as complete."""
    digest = hashlib.sha256(requirements.encode()).hexdigest()[:12]
    return directory / f".complete-{digest}-{version}-{architecture}"


def download(directory: Path, requirements: str, version: str, architecture: str) -> None:
    """Download the wheels of a set."""
    source = directory / ".requirements.txt"
    source.write_text(requirements, encoding="utf-8")
    platforms = [word for platform in PLATFORMS for word in ("--platform", f"{platform}_{MACHINES[architecture]}")]
    target = ["--python-version", version, "--implementation", "cp", *platforms]
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", "--dest", str(directory)]
    run(sys.executable, "-m", "pip", "download", *options, *target, "--requirement", str(source))
    marker(directory, requirements, version, architecture).touch()


def write_index(directory: Path) -> None:
    """Write the page that links to all wheels."""
    names = [html.escape(path.name) for path in sorted(directory.glob("*.whl"))]
    page = "".join(f'<a href="{name}">{name}</a><br>\n' for name in names)
    write_atomically(str(directory / "index.html"), f"<!DOCTYPE html>\n{page}".encode(), 0o644)


def main() -> None:
    """Download the sets that are missing."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "requirements": {"type": "str", "required": True},
            "python_versions": {"type": "list", "elements": "str", "default": ["3.11"]},
            "architectures": {"type": "list", "elements": "str", "choices": list(MACHINES), "default": ["amd64"]},
        },
        supports_check_mode=True,
    )
    directory, requirements = Path(module.params["directory"]), module.params["requirements"]
    missing = [each for each in sets(module.params) if not marker(directory, requirements, *each).exists()]

    def apply() -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for version, architecture in missing:
            download(directory, requirements, version, architecture)
        write_index(directory)

    shown = [f"Python {version} on {architecture}" for version, architecture in missing]
    try:
        finish(module, {"wheels": []} if missing else {}, {"wheels": shown} if missing else {}, apply=apply)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
