# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plugins that are loaded once per run.

Ansible forks a process for every task of every host. Each would load the plugins that its templates use, which takes a quarter of its time.
"""

from __future__ import annotations

import contextlib

from ansible.plugins.loader import filter_loader, lookup_loader, test_loader

__all__ = ("preload",)

_LOOKUPS = (
    "ansible.builtin.file", "cfcr.kubernetes.addresses", "cfcr.kubernetes.artifacts", "cfcr.kubernetes.bundle", "cfcr.kubernetes.host_firewall",
    "cfcr.kubernetes.images", "cfcr.kubernetes.port",
)  # fmt: skip


def preload() -> None:
    """Load the plugins in the process that Ansible forks."""
    # One test or filter loads all of its collection, and those of Ansible. Outside of a run, as in unit tests, Ansible knows no collection.
    with contextlib.suppress(KeyError):
        filter_loader.get("cfcr.kubernetes.dns_records")
    test_loader.get("ansible.builtin.defined")
    for name in _LOOKUPS:
        lookup_loader.get(name, class_only=True)
