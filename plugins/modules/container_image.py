#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep container images on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
short_description: Keep container images on a host
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Brings images into containerd before any pod asks for them, in parallel. From an archive, which is verified against its SHA-256 and
    imported, or where there is none, from the image's registry.
options:
  images:
    description: Images, as the lookup P(cfcr.kubernetes.images#lookup) returns them.
    type: list
    elements: dict
    required: true
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
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
"""

EXAMPLES = r"""
- name: Bring the image of the pods' sandboxes
  cfcr.kubernetes.container_image:
    images: "{{ lookup('cfcr.kubernetes.images', 'pause') }}"
"""

RETURN = r"""# """

import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils import _release
from ansible_collections.cfcr.kubernetes.plugins.module_utils._command import run
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

CTR = (str(_release.PROGRAMS / "ctr"), "--namespace", "k8s.io", "images")
DIRECTORY = "/var/lib/containerd"


def present() -> set[str]:
    """Return the references of the images that containerd has; none where it is not installed yet."""
    if not Path(CTR[0]).exists():
        return set()
    return set(run(*CTR, "ls", "--quiet").split())


def bring(image: dict[str, t.Any]) -> None:
    """Import an image from its archive, or pull it."""
    if not image["archive"]:
        run(*CTR, "pull", image["reference"])
        return
    origin = image["archive"]["architectures"].get(_release.architecture())
    if origin is None:
        raise HostError(f"image {image['name']} is not there for {_release.architecture()}")
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as directory:
        archive = Path(directory) / "image.tar"
        _release.download(origin["url"], archive, origin.get("sha256"), origin.get("checksum_url"))
        run(*CTR, "import", str(archive))
    if image["reference"] not in present():
        raise HostError(f"{origin['url']}: does not hold {image['reference']}")


def main() -> None:
    """Keep images."""
    spec = {"name": {"type": "str", "required": True}, "reference": {"type": "str", "required": True}, "archive": {"type": "dict"}}
    module = AnsibleModule(
        argument_spec={"images": {"type": "list", "elements": "dict", "required": True, "options": spec}},
        supports_check_mode=True,
    )
    try:
        there = present()
        missing = [image for image in module.params["images"] if image["reference"] not in there]

        def apply() -> None:
            with ThreadPoolExecutor() as pool:
                list(pool.map(bring, missing))

        after = {image["reference"]: "present" for image in missing}
        finish(module, dict.fromkeys(after, "absent"), after, apply=apply)
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
