#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until the units of a host have been healthy for a while."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_watch
short_description: Wait until the units of a host have been healthy for a while
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Runs the health checks that M(cfcr.kubernetes.job) has left on the host, until all units are healthy and have been so for O(low) seconds without an
    interruption and without a restart.
  - The module does not fail if that is not so within O(high) seconds. It reports the units in RV(problems).
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  diff_mode:
    support: none
options:
  low:
    description: Seconds without an interruption.
    type: float
    default: 0
  high:
    description: The most seconds to wait.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Watch the host for ten seconds
  cfcr.kubernetes.host_watch:
    low: 10
    high: 300
"""

RETURN = r"""
problems:
  description: Problems of the units that are not healthy, by unit.
  returned: success
  type: dict
  sample: {kubelet: "http://127.0.0.1:10248/healthz: Connection refused"}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._job import descriptor
from ..module_utils._job.watch import units_of, wait


def main() -> None:
    """Wait."""
    module = AnsibleModule(
        argument_spec={"low": {"type": "float", "default": 0}, "high": {"type": "float", "required": True}},
        supports_check_mode=True,
    )
    try:
        units = units_of(descriptor.read_all())
        module.exit_json(changed=False, problems={} if module.check_mode else wait(units, module.params["low"], module.params["high"]))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
