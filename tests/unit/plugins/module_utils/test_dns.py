# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS queries and answers."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils import _dns
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

NAME = "web.test.svc.cluster.local"
QUESTION = b"\x03web\x04test\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01"
ALIAS = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x04\x01x\xc0\x11"
ADDRESS = b"\x01x\xc0\x11\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x64\xc8\x07"


def message(flags=0x8580, records=(), number=7):
    return _dns.HEADER.pack(number, flags, 1, len(records), 0, 0) + QUESTION + b"".join(records)


def test_a_query_is_encoded():
    assert _dns.question(NAME, 7) == b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + QUESTION


@pytest.mark.parametrize("records", [[ADDRESS], [ALIAS, ADDRESS]])
def test_addresses_are_read_from_an_answer(records):
    assert _dns.answer(NAME, 7, message(records=records)) == "10.100.200.7"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (message(flags=0x8583), "answered NXDOMAIN"),
        (message(), "has no address"),
        (message(records=[ALIAS]), "has no address"),
        (message(number=8, records=[ADDRESS]), "answered another query"),
    ],
)
def test_an_invalid_answer_is_an_error(content, problem):
    with pytest.raises(HostError, match=problem):
        _dns.answer(NAME, 7, content)
