# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exception that main() of a module turns into its failure.

Where a caller must tell failures apart, a room raises an exception that it defines: EtcdError, KubernetesError and the store's Conflict.
"""

from __future__ import annotations

__all__ = ("HostError",)


class HostError(Exception):
    """A host is not in the expected state. The message says what was found, what was expected and what to do."""
