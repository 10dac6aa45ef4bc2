# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the leases of the overlay network."""

from __future__ import annotations

from ..plugin_utils._controller.host_action import HostAction


class ActionModule(HostAction):
    """Run the module of the same name and validate its answer."""
