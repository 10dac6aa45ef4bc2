#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copy files of a bundle to a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_files
short_description: Copy files of a bundle to a host
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Copies those files that the host does not have yet from the controller to C(/var/cache/cfcr/bundle), over the connection of Ansible, and removes
    others from there. Hosts of the same group share one archive on the controller's disk.
  - Both sides verify the checksums.
  - The directory is a mirror for the modules that install release files and images, and a repository for apt.
options:
  source:
    description: Directory of the unpacked bundle on the controller.
    type: path
    required: true
  files:
    description: Checksums of the files that the host must have by path, as lookup P(cfcr.kubernetes.bundle#lookup) returns them.
    type: dict
    required: true
  archive:
    description: Archive of the missing files on the host. The action sets it.
    type: path
extends_documentation_fragment: [cfcr.kubernetes._attributes]
"""

EXAMPLES = r"""
- name: Copy the release files of etcd
  cfcr.kubernetes.bundle_files:
    source: /srv/bundle
    files: "{{ lookup('cfcr.kubernetes.bundle', groups=['etcd'], host=ansible_facts.cfcr_host) }}"
"""

RETURN = r"""
missing:
  description: Files that were copied, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [etcd/3.6.16/amd64/etcd-v3.6.16-linux-amd64.tar.gz]
diff:
  description: The files that are copied and removed.
  type: dict
  returned: success
  contains:
    before:
      description: C(obsolete), the files that are removed, and whether C(apt) knows the repository.
      type: dict
      sample: {obsolete: [], apt: true}
    after:
      description: C(missing), the files that are copied.
      type: dict
      sample: {missing: []}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle.host import Part
from ..module_utils._errors import HostError


def main() -> None:
    """Compare, and write what the archive has."""
    options = {"source": {"type": "path", "required": True}, "files": {"type": "dict", "required": True}, "archive": {"type": "path"}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    part, archive = Part(module.params["files"]), module.params["archive"]
    try:
        missing, obsolete, known = part.missing(), part.obsolete(), part.is_known_to_apt() or not part.repositories
        if not module.check_mode and (archive or not missing) and (missing or obsolete or not known):
            if archive:
                part.receive(Path(archive))
            part.tidy()
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))
    changed = bool(missing or obsolete or not known)
    before, after = {"obsolete": obsolete, "apt": known}, {"missing": missing}
    module.exit_json(changed=changed, missing=missing, diff={"before": before if changed else {}, "after": after if changed else {}})


if __name__ == "__main__":
    main()
