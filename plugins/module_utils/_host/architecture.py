# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Architectures, as Go names them, and with it Kubernetes."""

from __future__ import annotations

import os

from .._errors import HostError

__all__ = ("architecture", "machine_architecture")

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return this host's architecture, or raise an error if there are no artifacts for it."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise HostError(f"architecture: found {machine}, expected one of {', '.join(_ARCHITECTURES)}")
    return _ARCHITECTURES[machine]


def machine_architecture() -> str:
    """Return this host's architecture, even if it is not supported."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)
