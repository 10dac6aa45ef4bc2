# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say how Cloud Foundry's routing API is reached."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents CONNECTION of module_utils/_cloud_foundry.py."""

    DOCUMENTATION = r"""
options:
  api_url:
    description: URL of Cloud Foundry's API, C(https://api.<system domain>); the routing API is below its C(/routing/v1).
    type: str
    required: true
  uaa_url:
    description: URL of UAA, C(https://uaa.<system domain>).
    type: str
    required: true
  client_id:
    description:
      - Client of UAA with the authorities C(routing.router_groups.read), C(routing.routes.read) and C(routing.routes.write).
    type: str
    required: true
  client_secret:
    description: Its secret.
    type: str
    required: true
  ca_path:
    description: File with the authorities that both servers' certificates are verified against; those of the system by default.
    type: path
  timeout:
    description: Seconds that one request may take.
    type: int
    default: 10
notes:
  - The module speaks HTTP from the host that it runs on.
"""
