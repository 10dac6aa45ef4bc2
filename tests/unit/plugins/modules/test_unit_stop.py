# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units are stopped as far as they run, whatever systemd is doing with them."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import unit_stop

STATES = {"kube-apiserver": "active", "kubelet": "activating", "etcd": "inactive", "kube-proxy": "failed"}


@pytest.fixture
def stop(monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(unit_stop.systemd, "show", lambda names, *_properties: {name: {"ActiveState": STATES[name]} for name in names})
    monkeypatch.setattr(unit_stop, "run", lambda *command: commands.append(command))

    jobs = [{"units": [{"name": "kube-apiserver"}]}, {"units": [{"name": "kubelet"}, {"name": "kube-proxy"}]}]
    monkeypatch.setattr(unit_stop.descriptor, "read_all", lambda: jobs)

    def call(*units, **options):
        commands.clear()
        with patch_module_args({"units": list(units) or None, **options}), pytest.raises(SystemExit):
            unit_stop.main()
        return json.loads(capsys.readouterr().out), list(commands)

    return call


def test_units_that_run_or_start_again_are_stopped_together(stop):
    answer, commands = stop(*STATES)
    assert (answer["changed"], answer["units"]) == (True, ["kube-apiserver", "kubelet"])
    assert commands == [("systemctl", "stop", "kube-apiserver.service", "kubelet.service")]


def test_a_host_without_services_has_nothing_to_stop(stop):
    answer, commands = stop("etcd", "kube-proxy")
    assert (answer["changed"], answer["units"], commands) == (False, [], [])


def test_all_units_of_the_jobs_by_default(stop):
    assert stop()[1] == [("systemctl", "stop", "kube-apiserver.service", "kubelet.service")]


def test_check_mode_stops_nothing(stop):
    answer, commands = stop("kubelet", _ansible_check_mode=True)
    assert (answer["changed"], commands) == (True, [])
