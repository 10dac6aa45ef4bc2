# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of all scenarios."""

from __future__ import annotations

import json

import pytest


def pytest_configure(config) -> None:
    for marker in ("long: what only the steps backup-N and bundle-update run", "chain: updates over all minors, of step update-chain"):
        config.addinivalue_line("markers", marker)


@pytest.fixture
def figures(capsys):
    """Return a function that prints measurements even if pytest captures output."""

    def show(title: str, **values) -> None:
        with capsys.disabled():
            print(f"\n{title}: {json.dumps(values)}")

    return show
