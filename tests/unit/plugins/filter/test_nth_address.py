# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbered addresses of networks."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.filter.nth_address import FilterModule

nth_address = FilterModule().filters()["nth_address"]


@pytest.mark.parametrize(
    ("network", "number", "address"),
    [
        ("10.100.200.0/24", 0, "10.100.200.0"),
        ("10.100.200.0/24", 1, "10.100.200.1"),
        ("10.0.0.0/8", 256, "10.0.1.0"),
        ("fd00::/108", 10, "fd00::a"),
    ],
)
def test_address(network, number, address):
    assert nth_address(network, number) == address


def test_a_network_may_be_too_small():
    with pytest.raises(IndexError):
        nth_address("10.0.0.0/30", 4)


def test_host_bits_are_no_network():
    with pytest.raises(ValueError, match="has host bits set"):
        nth_address("10.0.0.1/24", 1)
