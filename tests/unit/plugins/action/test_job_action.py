# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action job sends a job to the host unless the host has reported it in the desired state."""

from __future__ import annotations

import types
import uuid

import pytest
from ansible_collections.cfcr.kubernetes.plugins.action import job, unit_stop
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller import changes

RUN = {"id": "this run"}
ASKED_AT = 1000.0
OPTIONS = {"name": "dns", "files": [{"path": "/etc/zone", "content": "."}]}
UNCHANGED = {"changed": False, "restart": [], "diff": {"before": {}, "after": {}}}


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Run the action with these options after host_facts has returned these jobs; return its result and what the host was asked."""
    monkeypatch.setattr(job, "current_run", lambda variables: RUN)
    monkeypatch.setattr(changes.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def run(options, unchanged, in_run="this run", on_host=None, **more):
        asked = []
        action = job.ActionModule.__new__(job.ActionModule)
        action._templar = types.SimpleNamespace(template=lambda value: value)
        action._task = types.SimpleNamespace(args=options, check_mode=False, notify=["Restart it"], _uuid=uuid.uuid4(), throttle=0)
        monkeypatch.setattr(action, "_execute_module", lambda module_name, module_args, task_vars: asked.append(module_args) or {**(on_host or UNCHANGED)})
        variables = {"ansible_facts": {"cfcr_jobs": {"run": in_run, "time": ASKED_AT, "unchanged": unchanged}}} if unchanged is not None else {}
        return action.answer({"inventory_hostname": "worker-0", **variables, **more}), asked

    return run


def digest(ask, options):
    (sent,) = ask(options, None)[1]
    return sent["asked"]


def test_an_unchanged_job_is_not_sent_again(ask):
    result, asked = ask(OPTIONS, {"dns": {"asked": digest(ask, OPTIONS), "pki": None}})
    assert asked == []
    assert result == UNCHANGED


def test_a_job_is_sent_again_after_units_were_stopped(ask, monkeypatch):
    """host_facts has found it healthy before."""
    action = unit_stop.ActionModule.__new__(unit_stop.ActionModule)
    monkeypatch.setattr(action, "_execute_module", lambda task_vars: {"changed": True, "units": ["dns"]})
    assert action.answer({})["units"] == ["dns"]
    assert len(ask(OPTIONS, {"dns": {"asked": digest(ask, OPTIONS), "pki": None}})[1]) == 1


def test_without_facts_the_job_is_sent(ask):
    result, asked = ask(OPTIONS, None)
    assert len(asked) == 1
    assert result == UNCHANGED


def test_the_proxy_of_the_cluster_is_not_part_of_the_digest(ask):
    """Otherwise each new host, an exception of the proxy, would have all jobs sent again."""
    proxy = {"cluster_http_proxy": "http://proxy:3128", "cluster_proxy_exceptions": ["10.0.0.1"]}
    (sent,) = ask({**OPTIONS}, None, **proxy)[1]
    assert sent["proxy"] == {"url": "http://proxy:3128", "exceptions": ["10.0.0.1"]}
    assert sent["asked"] == digest(ask, {**OPTIONS})
    assert "proxy" not in ask({**OPTIONS}, None, **{**proxy, "cluster_http_proxy": ""})[1][0]


def test_facts_of_another_run_are_ignored(ask):
    """A cache of facts returns them hours later."""
    _result, asked = ask(OPTIONS, {"dns": {"asked": digest(ask, OPTIONS), "pki": None}}, in_run="another run")
    assert len(asked) == 1


def test_a_job_with_changed_options_is_sent(ask):
    known = {"asked": digest(ask, OPTIONS), "pki": None}
    _result, asked = ask({**OPTIONS, "files": []}, {"dns": known})
    assert asked[0]["asked"] != known["asked"]


@pytest.mark.parametrize("on_host", [{"changed": True}, {"failed": True}], ids=["changed", "failed halfway"])
def test_facts_from_before_a_change_are_ignored(ask, on_host):
    """The file that one job writes is read by another one."""
    known = {"asked": digest(ask, OPTIONS), "pki": None}
    assert ask(OPTIONS, {"dns": known})[1] == []
    ask({**OPTIONS, "name": "another"}, {"dns": known}, on_host={**UNCHANGED, **on_host})
    assert len(ask(OPTIONS, {"dns": known})[1]) == 1


def test_facts_gathered_after_a_change_are_used(ask, monkeypatch):
    known = {"asked": digest(ask, OPTIONS), "pki": None}
    monkeypatch.setattr(changes.time, "time", lambda: ASKED_AT - 1)
    changes.note_change()
    assert ask(OPTIONS, {"dns": known})[1] == []


def test_a_restart_is_always_sent(ask):
    restarted = {**OPTIONS, "state": "restarted"}
    _result, asked = ask(restarted, {"dns": {"asked": digest(ask, OPTIONS), "pki": None}})
    assert asked == [restarted]


def test_a_host_that_went_back_in_an_update_is_not_restarted(ask):
    result, asked = ask({**OPTIONS, "state": "restarted"}, None, update_failed="Restart kubelet: it does not stay up")
    assert asked == [] and result == UNCHANGED


def test_a_job_with_secrets_has_no_digest(ask):
    secret = {**OPTIONS, "secrets": {"password": "hidden"}}
    _result, asked = ask(secret, {"dns": {"asked": digest(ask, OPTIONS), "pki": None}})
    assert asked == [secret]
