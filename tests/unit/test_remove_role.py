# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role remove holds the lock for as long as it drains."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from _role_variables import renderer

render = renderer("remove/vars/main.yml")
TASKS = pathlib.Path(__file__).parents[2] / "roles/remove/tasks"


@pytest.mark.parametrize(("drained", "more", "lease"), [(0, {}, 900), (3, {}, 900 + 3 * 660), (1, {"lock_lease": "100", "remove_drain_timeout": "30"}, 190)])
def test_the_lease_fits_all_drains(drained, more, lease):
    hostvars = {"localhost": {"remove_plan": {"drain": ["10.0.0.21"] * drained}}}
    assert int(render("__remove_drain_lease", **{"hostvars": hostvars, "remove_drain_timeout": 600, **more})) == lease


def test_the_lock_is_renewed_between_the_drain_and_what_follows():
    (begin,) = (task for task in yaml.safe_load((TASKS / "plan.yml").read_text()) if task["name"] == "Begin the removal")
    names = [task["name"] for task in begin["block"]]
    assert names.index("Renew the cluster lock after the drain") == names.index("Record the hosts that leave") - 1
    assert begin["block"][0]["cfcr.kubernetes.cluster_lock"]["lease"] == "{{ __remove_drain_lease }}"
