# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create and renew credentials in the credential store, in this process if the director is the controller."""

from __future__ import annotations

import typing as t

from ..module_utils._credentials.credential_list import SPEC, keep_credentials
from ..module_utils._kubernetes.administrators import hand_over
from ..module_utils._store.store import Store
from ..plugin_utils._controller.store_action import StoreAction


class ActionModule(StoreAction):
    """Do what the module of the same name does."""

    spec = SPEC

    def keep(self, store: Store, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
        """Create, replace and renew what is due, and return the values of all."""
        return keep_credentials(store, options, check_mode, hand_over)
