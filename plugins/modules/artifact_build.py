#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_build
short_description: Compile release files into a mirror
description:
  - Compiles programs for the architecture of this machine, and lays them out in a directory with the names and archive layouts of the projects'
    releases, so that hosts download from it as from a mirror of these.
  - The file C(go.sum) among the inputs lists the modules that may be compiled. Go verifies every module against it.
  - A record next to the outputs lists their inputs, including the version of the compiler. Outputs of the same inputs are not built again.
  - Two calls on one directory wait for each other. An interrupted call leaves no partial output in the mirror.
  - Requires Go, a C compiler with a static C library, and for runc C(pkg-config) and the development files of libseccomp.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
options:
  directory:
    description:
      - The mirror. It is created if it is missing.
    type: path
    required: true
  builds:
    description:
      - Builds, as the lookup P(cfcr.kubernetes.builds#lookup) returns them.
      - The text C({architecture}) in a path or a member stands for this machine's architecture, as Go names it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the build, and of the program if it is written in C.
        type: str
        required: true
      version:
        description: Version of the project.
        type: str
        required: true
      inputs:
        description: Content of the source files by name; C(go.mod) and C(go.sum), or C.
        type: dict
        required: true
      packages:
        description: Go package by program. Without any, the inputs are one program in C.
        type: dict
        default: {}
      cgo:
        description: Whether the Go packages need C.
        type: bool
        default: false
      tags:
        description: Build tags of Go.
        type: list
        elements: str
        default: []
      ldflags:
        description: Flags of the Go linker, in addition to those that omit symbols.
        type: str
        default: ""
      left_out:
        description:
          - Go packages that are compiled as empty packages of the same name, without their code. The packages that import them must
            need only their initialization.
          - The modules in C(go.sum) are copied, and the packages are replaced in the copy.
        type: list
        elements: str
        default: []
      outputs:
        description: The files to make of the programs.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Path below O(directory).
            type: str
            required: true
          files:
            description:
              - Member of the archive by program; the archive is a gzipped tar.
              - If there is one program and its member is empty, the file is the program itself.
            type: dict
          image:
            description: Makes an archive of a container image instead, as C(docker save) does.
            type: dict
            suboptions:
              reference:
                description: Name of the image.
                type: str
                required: true
              program:
                description: The program in the image's root, and its entry point.
                type: str
                required: true
              arguments:
                description: Default arguments.
                type: list
                elements: str
                default: []
              user:
                description: User, and group after a colon, that the program runs as.
                type: str
                default: ""
              certificates:
                description: Whether this machine's bundle of public certificate authorities is in the image.
                type: bool
                default: false
              capability:
                description: Capability of the program file.
                type: str
                choices: ["", net_bind_service]
                default: ""
seealso:
  - plugin: cfcr.kubernetes.builds
    plugin_type: lookup
  - plugin: cfcr.kubernetes.artifacts
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Build the release files of the catalog
  cfcr.kubernetes.artifact_build:
    directory: /var/cache/cfcr/artifacts
    builds: "{{ lookup('cfcr.kubernetes.builds') }}"
  vars:
    cluster_kubernetes_version: "1.36"
  register: build

- name: Show the checksums that go into cluster_artifact_checksums
  ansible.builtin.debug:
    var: build.checksums
"""

RETURN = r"""
checksums:
  description: SHA-256 of every existing output of O(builds), by its path below O(directory).
  returned: success
  type: dict
  sample:
    runc/1.5.2/amd64/runc.amd64: 0f1f4c4e6b1f5ab2bd2aeb8d9d0ccb6d44b9d0fd0db5c1cd8f9ee1b30dd86a5f
built:
  description: Duration of each build of this call, in seconds, by name and version.
  returned: success
  type: dict
  sample:
    runc 1.5.2: 8.3
"""

import contextlib
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._artifacts.build import Mirror, Toolchain, title
from ..module_utils._errors import HostError
from ..module_utils._result import finish

GO_DIRECTORIES = ["/usr/local/go/bin", "/usr/lib/go/bin"]  # locations of Go that may not be in PATH

IMAGE = {
    "reference": {"type": "str", "required": True},
    "program": {"type": "str", "required": True},
    "arguments": {"type": "list", "elements": "str", "default": []},
    "user": {"type": "str", "default": ""},
    "certificates": {"type": "bool", "default": False},
    "capability": {"type": "str", "choices": ["", "net_bind_service"], "default": ""},
}
OUTPUT = {
    "path": {"type": "str", "required": True},
    "files": {"type": "dict"},
    "image": {"type": "dict", "options": IMAGE},
}
BUILD = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "inputs": {"type": "dict", "required": True},
    "packages": {"type": "dict", "default": {}},
    "cgo": {"type": "bool", "default": False},
    "tags": {"type": "list", "elements": "str", "default": []},
    "ldflags": {"type": "str", "default": ""},
    "left_out": {"type": "list", "elements": "str", "default": []},
    "outputs": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": OUTPUT,
        "mutually_exclusive": [["files", "image"]],
        "required_one_of": [["files", "image"]],
    },
}
OPTIONS = {
    "directory": {"type": "path", "required": True},
    "builds": {"type": "list", "elements": "dict", "required": True, "options": BUILD},
}


def main() -> None:
    """Build the missing outputs."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    builds = module.params["builds"]
    checksums, built = {}, {}

    def apply() -> None:
        for build in builds:
            if before.get(title(build)) != after[title(build)]:
                started = time.monotonic()
                mirror.make(build)
                built[title(build)] = round(time.monotonic() - started, 1)
        mirror.write_checksums()
        checksums.update(mirror.checksums(builds))

    try:
        go = module.get_bin_path("go") or module.get_bin_path("go", required=True, opt_dirs=GO_DIRECTORIES)
        mirror = Mirror(module.params["directory"], Toolchain.find(go, module.get_bin_path("cc", required=True)))
        with contextlib.nullcontext() if module.check_mode else mirror.locked():
            before, after = mirror.found(builds), mirror.wanted(builds)
            checksums.update(mirror.checksums(builds))
            finish(module, before, after, apply, checksums=checksums, built=built)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
