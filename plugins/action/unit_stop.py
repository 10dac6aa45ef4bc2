# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stop units, as far as they run."""

from __future__ import annotations

import typing as t

from ..plugin_utils._controller.changes import note_change
from ..plugin_utils._controller.host_action import HostAction


class ActionModule(HostAction):
    """Run the module of the same name and validate its answer."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer of the host. Jobs that were healthy when the run began may not be any more, so module job asks for them again."""
        note_change()
        return super().answer(variables)
