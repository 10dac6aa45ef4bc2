# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and change the record of removed hosts, in this process if the director is the controller."""

from __future__ import annotations

from ..module_utils._store.removals import SPEC, operate
from ..plugin_utils._controller.store_action import BackendAction


class ActionModule(BackendAction):
    """Do the work of the module of the same name."""

    spec = SPEC
    operate = staticmethod(operate)
