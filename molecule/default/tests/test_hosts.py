# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds on every host of a cluster."""

from __future__ import annotations


def test_every_unit_runs(host):
    """No unit failed."""
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"
