# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible searches for Python on hosts without a warning, unless the operator says how."""

from __future__ import annotations

import pytest
from ansible import constants as C
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.interpreter import search_silently

SILENT = {"ansible_python_interpreter": "auto_silent"}
OWN = {"ansible_python_interpreter": "/opt/python"}


@pytest.mark.parametrize(
    ("origin", "variables", "expected"),
    [
        ("default", {}, SILENT),
        ("default", dict(OWN), OWN),
        ("default", {"ansible_delegated_vars": {"a": {}, "b": dict(OWN)}}, {"ansible_delegated_vars": {"a": SILENT, "b": OWN}, **SILENT}),
        ("/etc/ansible/ansible.cfg", {}, {}),
        ("env: ANSIBLE_PYTHON_INTERPRETER", {}, {}),
    ],
)
def test_only_the_default_is_changed(monkeypatch, origin, variables, expected):
    monkeypatch.setattr(C.config, "get_config_value_and_origin", lambda _name: ("auto", origin))
    search_silently(variables)
    assert variables == expected
