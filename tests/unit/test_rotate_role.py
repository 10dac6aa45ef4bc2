# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of the cluster that are not in a run of rotate.yml."""

from __future__ import annotations

import pytest
from _role_variables import renderer

render = renderer("rotate/vars/main.yml")


@pytest.mark.parametrize(
    ("in_play", "ignored", "absent"),
    [
        (["etcd-0", "master-0", "worker-0"], [], []),
        (["etcd-0"], [], ["master-0", "worker-0"]),
        (["etcd-0", "master-0", "worker-0"], ["worker-0"], ["worker-0"]),
        (["etcd-0", "master-0"], ["worker-0"], ["worker-0"]),
        pytest.param(["etcd-0", "master-0", "worker-0"], ["host-of-another-cluster"], [], id="an ignored host of another cluster"),
    ],
)
def test_missing_hosts_are_listed(in_play, ignored, absent):
    cluster = {"etcd-0": "10.0.0.1", "master-0": "10.0.0.2", "worker-0": "10.0.0.3"}
    assert render("__rotate_absent", __rotate_cluster=cluster, groups={"ignored": ignored}, ansible_play_hosts=in_play) == absent
