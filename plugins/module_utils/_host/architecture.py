# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Architectures, as the Kubernetes project and others that are written in Go name them."""

from __future__ import annotations

import os

from .._errors import HostError

__all__ = ("architecture", "machine_architecture")

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return this host's architecture, which must be one that there are artifacts for."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise HostError(f"architecture {machine} is not supported; expected: {', '.join(_ARCHITECTURES)}")
    return _ARCHITECTURES[machine]


def machine_architecture() -> str:
    """Return this host's architecture, whichever it is."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)
