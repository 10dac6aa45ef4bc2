# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timestamps are written and parsed."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.cfcr.kubernetes.plugins.module_utils._timestamp import from_timestamp, to_timestamp

MOMENT = datetime.datetime(2026, 11, 21, 9, 0, 5, tzinfo=datetime.timezone.utc)


def test_a_timestamp_is_read_as_it_was_written():
    assert to_timestamp(MOMENT) == "2026-11-21T09:00:05Z"
    assert from_timestamp("2026-11-21T09:00:05Z") == MOMENT


def test_fractions_of_a_second_are_dropped():
    assert to_timestamp(MOMENT.replace(microsecond=999_999)) == "2026-11-21T09:00:05Z"


@pytest.mark.parametrize("text", ["", "2026-11-21", "2026-11-21T09:00:05", "2026-11-21 09:00:05Z"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="does not match format"):
        from_timestamp(text)
