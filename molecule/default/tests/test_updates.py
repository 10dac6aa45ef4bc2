# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An update that is killed twice. It changes no version, for which scenario update needs those of another minor, but takes every other step."""

from __future__ import annotations

from playbook import kill_updates, succeed
from scenario import cordoned

OPTIONS = "--extra-vars=update_configuration=true update_drain=always update_watch_time=0-60 update_canary_watch_time=0-60"


def test_an_update_that_is_killed_twice(figures):
    killed = kill_updates(2, "20261201", OPTIONS)
    last = succeed("update.yml", OPTIONS)
    assert "The update is complete" in last.text
    assert len(killed) == 2 and cordoned() == []
    succeed("health.yml")
    figures("Update without other versions", killed=killed, last_seconds=last.seconds)
