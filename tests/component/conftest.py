# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures that start real servers, one file for each server."""

from __future__ import annotations

from _apiserver import apiserver, apiserver_program
from _etcd import etcd_cluster, etcd_hosts, etcd_pki, etcd_programs
from _vault import vault, vault_pki

__all__ = ("apiserver", "apiserver_program", "etcd_cluster", "etcd_hosts", "etcd_pki", "etcd_programs", "vault", "vault_pki")


def pytest_configure(config) -> None:
    config.addinivalue_line("markers", "other_minor: needs programs of another minor of Kubernetes than the default, which step etcd-minors obtains")
