# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of role restore."""

from __future__ import annotations

import pytest
from _role_variables import renderer

render = renderer("restore/vars/main.yml")


@pytest.mark.parametrize(
    ("answers", "living"),
    [
        ([{"living": 41}, {"living": 42}, {"living": 0}], 42),
        ([{"living": 41}, {"failed": True, "msg": "no Python"}, {"unreachable": True}], 41),
        ([{"unreachable": True}, {"skipped": True}, None], 0),
        ([], 0),  # all are ignored, and only the store is restored
    ],
)
def test_the_highest_revision_of_a_member_counts(answers, living):
    hosts = {f"etcd-{number}": {} if answer is None else {"__restore_queried": answer} for number, answer in enumerate(answers)}
    assert int(render("__restore_living", hostvars=hosts, __restore_members=list(hosts))) == living
