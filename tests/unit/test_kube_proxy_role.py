# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of kube-proxy for the versions that it has during an update."""

from __future__ import annotations

import pytest
from _role_variables import renderer

render = renderer("kube_proxy/vars/main.yml")


@pytest.mark.parametrize(("version", "gates"), [("1.35.4", {}), ("1.36.0", {"AllowServiceExternalIPs": False}), ("1.37.2", {"AllowServiceExternalIPs": False})])
def test_gates_are_known_to_the_version_of_the_host(version, gates):
    assert render("__kube_proxy_configuration.featureGates", __kube_proxy_version=version) == gates
