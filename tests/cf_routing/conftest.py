# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures that start real servers, including those of the component tests. `tools/test cf-routing` installs the requirements."""

from __future__ import annotations

import pathlib
import sys

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "component"), str(TESTS.parent / "packages/cf_routing/src")]

from _apiserver import apiserver, apiserver_program  # noqa: E402 - the import needs the path
from _etcd import etcd_pki, etcd_programs  # noqa: E402
from _world import _cloud_foundry, world  # noqa: E402

__all__ = ("_cloud_foundry", "apiserver", "apiserver_program", "etcd_pki", "etcd_programs", "world")
