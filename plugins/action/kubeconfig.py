# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issue the kubeconfig of a user, in this process if the director is the controller."""

from __future__ import annotations

import typing as t

from ..module_utils._credentials.user_kubeconfigs import SPEC, issue
from ..module_utils._store.store import Store
from ..plugin_utils._controller.store_action import StoreAction


class ActionModule(StoreAction):
    """Do what the module of the same name does."""

    spec = SPEC

    def keep(self, store: Store, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
        """Write the kubeconfig of a user."""
        return issue(store, options, check_mode)
