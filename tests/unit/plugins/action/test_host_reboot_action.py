# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wait for a host that reboots."""

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.cfcr.kubernetes.plugins.action import host_reboot


@pytest.fixture
def reboot(monkeypatch):
    """Return a function that runs the action on a host with these answers, and returns its answer and what the host was asked."""

    def run(*answers, timeout=600, check_mode=False):
        asked, left, now = [], list(answers), [0.0]

        def execute(module_args, task_vars):
            asked.append(module_args)
            answer = left.pop(0) if left else AnsibleConnectionFailure("down")
            if isinstance(answer, Exception):
                raise answer
            return answer

        action = object.__new__(host_reboot.ActionModule)
        action._task = types.SimpleNamespace(check_mode=check_mode)
        action._connection = types.SimpleNamespace(reset=lambda: None)
        monkeypatch.setattr(action, "_execute_module", execute, raising=False)
        monkeypatch.setattr(action, "validate_argument_spec", lambda argument_spec: (None, {"timeout": timeout}), raising=False)
        monkeypatch.setattr(host_reboot, "note_change", lambda: None)
        monkeypatch.setattr(host_reboot.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(host_reboot.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
        return action.answer({}), asked

    return run


def test_the_host_is_back_when_it_answers_from_another_boot(reboot):
    down = AnsibleConnectionFailure("refused")
    answer, asked = reboot({"changed": True, "boot_id": "a/1"}, {"boot_id": "a/1"}, down, {"failed": True, "msg": "booting"}, {"boot_id": "a/2"})
    assert answer == {"changed": True, "boot_id": "a/2"}
    assert asked == [{}, *[{"former": "a/1"}] * 4]


def test_a_host_that_does_not_come_back_is_named(reboot):
    with pytest.raises(AnsibleActionFail, match="found no answer of another boot within 5 seconds"):
        reboot({"changed": True, "boot_id": "a/1"}, timeout=5)


def test_a_failure_and_check_mode_wait_for_nothing(reboot):
    failed = {"failed": True, "msg": "no systemd"}
    assert reboot(failed) == (failed, [{}])
    assert reboot({"changed": True, "boot_id": "a/1"}, check_mode=True)[1] == [{}]
