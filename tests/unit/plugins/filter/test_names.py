# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that come from an inventory or from the command line."""

from __future__ import annotations

import pytest

from ansible_collections.cfcr.kubernetes.plugins.filter.names import names


@pytest.mark.parametrize("value", [["a", "b"], ["a,b", "a"], "a, b", "a,b,", ("a", "b")])
def test_a_list_and_a_text_give_the_same_names(value):
    assert names(value) == ["a", "b"]


@pytest.mark.parametrize("value", [[], "", " , "])
def test_there_may_be_no_names(value):
    assert names(value) == []


def test_a_word_that_ansible_reads_as_a_truth_value_stays_a_word():
    assert names(True) == ["True"]
