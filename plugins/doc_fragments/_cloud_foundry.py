# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options for the connection to Cloud Foundry's routing API."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents CONNECTION of module_utils/_cloud_foundry.py."""

    DOCUMENTATION = r"""
options:
  api_url:
    description: URL of Cloud Foundry's API, C(https://api.<system domain>). The routing API is its path C(/routing/v1).
    type: str
    required: true
  uaa_url:
    description: URL of UAA, C(https://uaa.<system domain>).
    type: str
    required: true
  client_id:
    description:
      - UAA client with the authorities C(routing.router_groups.read), C(routing.routes.read) and C(routing.routes.write).
    type: str
    required: true
  client_secret:
    description: Secret of the UAA client.
    type: str
    required: true
  ca_path:
    description: File with the CAs that verify the certificates of both servers. Defaults to the CAs of the system.
    type: path
  timeout:
    description: Seconds for one request. Taking longer is an error.
    type: int
    default: 10
notes:
  - The module sends its requests from the host that it runs on.
"""
