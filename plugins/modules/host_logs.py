#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_logs
short_description: Collect the journals and the configuration of a host, without secrets
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns one archive with the journals of the host's services, their configuration and certificates, and the state of the host. It changes nothing.
  - The descriptors that M(cfcr.kubernetes.job) left in C(/etc/cfcr/jobs) name the services and their files.
  - Keys and files that jobs mark as secret stay on the host. Their contents, and whatever looks like a key, a password or a token, are removed
    from all other texts before these leave the host.
  - Of each journal, it takes the last 20000 lines at most. The archive has at most 24 MiB, and 150 MB unpacked. If there is more, the largest files,
    which are journals, lose their oldest lines, and C(state/left-out.txt) lists how much of which file is missing.
options:
  since:
    description: Start of the journals, in the format of C(--since) of journalctl(1).
    type: str
    default: "-1h"
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
seealso:
  - module: cfcr.kubernetes.log_archive
"""

EXAMPLES = r"""
- name: Collect the logs since noon
  cfcr.kubernetes.host_logs:
    since: "12:00"
  register: logs
  no_log: true  # it is long
"""

RETURN = r"""
archive:
  description: The archive, a tar.gz in base64.
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
    """Return the archive."""
    module = AnsibleModule(argument_spec={"since": {"type": "str", "default": "-1h"}}, supports_check_mode=True)
    try:
        packed, files = pack(collect(descriptor.read_all(), module.params["since"]), time.time())
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, archive=base64.b64encode(packed).decode(), files=files)


if __name__ == "__main__":
    main()
