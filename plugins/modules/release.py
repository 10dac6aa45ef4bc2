#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep release files of upstream projects installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Keep release files of upstream projects installed
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Downloads artifacts in parallel, verifies each against its SHA-256 before use, unpacks it under C(/opt/cfcr/releases) beside the
    version before, and switches the symlinks in C(/opt/cfcr/bin) atomically. The version that was active before is kept for rollback.
  - Nothing is read over the network when the files are there and whole.
options:
  artifacts:
    description: Release files, as the lookup P(cfcr.kubernetes.artifacts#lookup) returns them.
    type: list
    elements: dict
    required: true
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
        description:
          - For each architecture its C(url), its C(sha256) or the C(checksum_url) of a published checksum file, and C(files),
            which says for every program the member of the archive. An empty member means that the download is the program.
        type: dict
        required: true
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
"""

EXAMPLES = r"""
- name: Install kubectl
  cfcr.kubernetes.release:
    artifacts: "{{ lookup('cfcr.kubernetes.artifacts', 'kubectl') }}"
"""

RETURN = r"""# """

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._artifacts import release
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish


def main() -> None:
    """Keep release files installed."""
    module = AnsibleModule(
        argument_spec={"artifacts": {"type": "list", "elements": "dict", "required": True, "options": release.ARTIFACT}},
        supports_check_mode=True,
    )
    artifacts = module.params["artifacts"]
    try:
        before, after = release.installed(artifacts), release.wanted(artifacts)
        finish(module, before, after, apply=lambda: release.install(artifacts))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
