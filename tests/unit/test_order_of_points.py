# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The points at which test interruptions kills runs."""

from __future__ import annotations

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[2] / "molecule"))
from order_of_points import in_order  # noqa: E402  it lies in the directory of the scenarios


def test_points_at_which_nothing_has_happened_are_left_out():
    recorded = [
        "001 Check: the inventory", "002 Ask", "002 Ask: b 1", "002 Ask: a 1", "003 Skip", "004 Sign", "004 Sign: b 1", "004 Sign: a 1", "004 Sign: a 2",
        "004 Sign: a 3", "005 End",
    ]  # fmt: skip
    assert in_order(recorded) == ["003 Skip", "004 Sign: a 1", "004 Sign: a 2", "005 End"]
