#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_logs
short_description: Collect the journals and the configuration of a host, without secrets
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the journals of the host's services, their configuration and certificates, and how the host is, in one archive. It changes nothing.
  - It knows the services and their files by what M(cfcr.kubernetes.job) left in C(/etc/cfcr/jobs).
  - Files that jobs mark as secret and keys stay on the host. What stands in them, and what looks like a key, a password or a token, is taken
    out of all other texts before they leave the host.
  - The archive has at most 24 MiB, and 150 MB unpacked. If there is more, the largest files, which are journals, lose their oldest lines, and
    C(state/left-out.txt) lists how much of which file is missing.
options:
  since:
    description: Where the journals begin, as C(--since) of journalctl(1) takes it.
    type: str
    default: "-1h"
  lines:
    description: How many lines, the last ones, are taken of each journal.
    type: int
    default: 20000
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
seealso:
  - module: cfcr.kubernetes.log_archive
"""

EXAMPLES = r"""
- name: Collect what there is since noon
  cfcr.kubernetes.host_logs:
    since: "12:00"
  register: logs
  no_log: true  # it is long
"""

RETURN = r"""
archive:
  description: A tar.gz, in base64.
  returned: success
  type: str
files:
  description: Names of the files in it.
  returned: success
  type: list
  elements: str
  sample: [journal/etcd.log, configuration/etc/etcd/pki/server.crt, state/disks.txt]
"""

import base64
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.log_package import pack
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.logs import collect
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import descriptor


def main() -> None:
    """Collect journals and configuration."""
    module = AnsibleModule(
        argument_spec={"since": {"type": "str", "default": "-1h"}, "lines": {"type": "int", "default": 20000}}, supports_check_mode=True
    )
    try:
        packed, files = pack(collect(descriptor.read_all(), module.params["since"], module.params["lines"]), time.time())
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, archive=base64.b64encode(packed).decode(), files=files)


if __name__ == "__main__":
    main()
