#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Download release files before a job needs them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_download
short_description: Download release files before a job needs them
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Downloads, verifies and unpacks release files to C(/opt/cfcr/releases), and switches nothing. M(cfcr.kubernetes.job) finds them there.
  - So a download that fails, or a full disk, is known before anything changes.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  diff_mode:
    support: none
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
        description: For each architecture its C(url), C(sha256) or C(checksum_url), and C(files).
        type: dict
        required: true
"""

EXAMPLES = r"""
- name: Download kubelet
  cfcr.kubernetes.release_download:
    artifacts: "{{ lookup('cfcr.kubernetes.artifacts', 'kubelet') }}"
"""

RETURN = r"""
downloaded:
  description: Components and versions that were downloaded, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [kubelet 1.36.3]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._artifacts.release import ARTIFACT, prepare, unprepared
from ..module_utils._errors import HostError


def main() -> None:
    """Download."""
    module = AnsibleModule(
        argument_spec={"artifacts": {"type": "list", "elements": "dict", "required": True, "options": ARTIFACT}},
        supports_check_mode=True,
    )
    try:
        missing = unprepared(module.params["artifacts"])
        if not module.check_mode:
            prepare(missing)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(missing), downloaded=[f"{artifact['component']} {artifact['version']}" for artifact in missing])


if __name__ == "__main__":
    main()
