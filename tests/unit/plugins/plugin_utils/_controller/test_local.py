# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditions for running an action in the local process."""

from __future__ import annotations

import types

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller import local


@pytest.mark.parametrize(
    ("transport", "become_user", "user", "here"),
    [
        ("local", None, 0, True),
        ("local", None, 1000, True),
        ("local", "root", 0, True),
        ("local", "", 0, True),
        ("local", "root", 1000, False),
        ("local", "cfcr", 0, False),
        ("ssh", None, 0, False),
        ("ssh", "root", 0, False),
    ],
)
def test_only_this_user_on_this_host_is_here(monkeypatch, transport, become_user, user, here):
    become = None if become_user is None else types.SimpleNamespace(get_option=lambda _option, **_keys: become_user)
    action = types.SimpleNamespace(_connection=types.SimpleNamespace(transport=transport, become=become), _play_context=None)
    monkeypatch.setattr(local.os, "geteuid", lambda: user)
    assert local.is_local(action) is here
