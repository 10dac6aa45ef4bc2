#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Download release files and images into the directory of a mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_download
short_description: Download release files and images into the directory of a mirror
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Downloads the files that are missing, verifies them, and puts them where hosts look for them in a mirror.
  - Images without an archive are pulled from their registries, without a login, and written as archives in the OCI layout.
options:
  directory:
    description: The directory, created if it is missing.
    type: path
    required: true
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._downloads
"""

EXAMPLES = r"""
- name: Download the files of a mirror
  cfcr.kubernetes.artifact_download:
    directory: /srv/mirror
    files: "{{ lookup('cfcr.kubernetes.downloads') }}"
"""

RETURN = r"""
diff:
  description: The files that are downloaded. In check mode, as it would be. Both sides are empty if nothing is missing.
  type: dict
  returned: success
  contains:
    before:
      description: C(files), an empty list.
      type: dict
      sample: {files: []}
    after:
      description: C(files), the paths of files that are downloaded.
      type: dict
      sample: {files: [runc/1.5.2/amd64/runc.amd64]}
"""

import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._artifacts.archive import sha256
from ..module_utils._artifacts.mirror import DOWNLOAD
from ..module_utils._artifacts.registry import pull
from ..module_utils._artifacts.release import download
from ..module_utils._errors import HostError
from ..module_utils._result import finish

_PARALLEL = 4


def is_missing(path: Path, origin: dict[str, t.Any]) -> bool:
    """Return whether a file must be downloaded. One without a pin was verified before it got its name."""
    pin = origin.get("sha256")
    return not path.is_file() or bool(pin and sha256(path) != pin)


def fetch(path: Path, file: dict[str, t.Any]) -> None:
    """Download one file. It gets its name when it is complete."""
    origin = file["origin"]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        if "reference" in origin:
            pull(origin["reference"], origin.get("digest"), file["architecture"], temporary)
        else:
            download(origin["url"], temporary, origin.get("sha256"), origin.get("checksum_url"))
        temporary.chmod(0o644)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> None:
    """Download the missing files."""
    options = {"directory": {"type": "path", "required": True}, "files": {"type": "list", "elements": "dict", "required": True, "options": DOWNLOAD}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    directory = Path(module.params["directory"])

    def apply() -> None:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(lambda file: fetch(directory / file["path"], file), missing))

    try:
        missing = [file for file in module.params["files"] if is_missing(directory / file["path"], file["origin"])]
        paths = [file["path"] for file in missing]
        finish(module, {"files": []} if missing else {}, {"files": paths} if missing else {}, apply)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
