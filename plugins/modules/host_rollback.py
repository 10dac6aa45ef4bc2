#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Save the state of a host's jobs before a change, and go back to it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_rollback
short_description: Save the state of a host's jobs before a change, and go back to it
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Saves the files of all jobs of M(cfcr.kubernetes.job) and the releases that their programs come from, in C(/var/lib/cfcr/rollback.json) of the host,
    which only root can read. If the change fails, it puts them back, restarts what runs otherwise, and waits until it is healthy.
  - Keys, certificates and files with secrets stay as they are, since a rotation may have replaced them after a change that was interrupted had saved the
    state. So the former secrets do not come back if new ones are wrong.
  - The module does not fail if a unit is not healthy in time. It reports the unit in RV(problems).
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  diff_mode:
    support: none
options:
  state:
    description: V(saved) saves the present state, V(restored) goes back to the saved one and forgets it, V(absent) forgets it.
    type: str
    choices: [saved, restored, absent]
    required: true
  owner:
    description:
      - Name of the change, for O(state=saved). If it was interrupted, and its state is saved already, that is not replaced.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for the health of the units.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Save the state of the host
  cfcr.kubernetes.host_rollback:
    state: saved
    owner: update-1.36.3

- name: Go back
  cfcr.kubernetes.host_rollback:
    state: restored
"""

RETURN = r"""
restored:
  description: Files and symlinks that were put back or removed.
  returned: success
  type: list
  elements: str
  sample: [/opt/cfcr/bin/kubelet]
restarted:
  description: Units that were restarted or reloaded.
  returned: success
  type: list
  elements: str
  sample: [kubelet]
releases:
  description: The version of each component in the saved state.
  returned: with O(state=saved)
  type: dict
  sample: {kubelet: 1.35.4}
problems:
  description: Problems of the units that are not healthy, by unit.
  returned: success
  type: dict
  sample: {}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._artifacts.release import versions
from ..module_utils._errors import HostError
from ..module_utils._job import descriptor, rollback, systemd
from ..module_utils._job.watch import units_of, wait


def save(owner: str, check_mode: bool) -> dict[str, str]:
    """Save the present state, and return the releases of the saved one, which is older after an interruption."""
    if not check_mode:
        rollback.save(owner)
    saved = rollback.collect() if check_mode else rollback.read_saved()
    return versions(saved["links"].values())


def restore(timeout: float, check_mode: bool) -> dict[str, t.Any]:
    """Go back to the saved state, and return the result."""
    saved = rollback.read_saved()
    if saved is None:
        return {"changed": False, "restored": [], "restarted": [], "problems": {}}
    if check_mode:
        return {"changed": True, "restored": [], "restarted": [], "problems": {}}
    restored = rollback.put_back(saved)
    if restored:
        systemd.daemon_reload()
    units = units_of(descriptor.read_all())
    todo = rollback.outdated(units)
    for name, action in todo.items():
        (systemd.restart if action == "restart" else systemd.reload)(name)
    problems = wait(units, 0, timeout)
    if not problems:
        rollback.forget()
    return {"changed": bool(restored or todo), "restored": restored, "restarted": list(todo), "problems": problems}


def main() -> None:
    """Keep, restore or forget."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["saved", "restored", "absent"], "required": True},
            "owner": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 120},
        },
        required_if=[("state", "saved", ("owner",))],
        supports_check_mode=True,
    )
    state, nothing = module.params["state"], {"restored": [], "restarted": [], "problems": {}}
    try:
        if state == "restored":
            module.exit_json(**restore(module.params["timeout"], module.check_mode))
        # The saved state is no part of the host's desired state.
        if state == "saved":
            module.exit_json(changed=False, releases=save(module.params["owner"], module.check_mode), **nothing)
        if not module.check_mode:
            rollback.forget()
        module.exit_json(changed=False, **nothing)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
