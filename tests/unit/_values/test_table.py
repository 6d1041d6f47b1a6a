# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values.table import render_table


@pytest.mark.parametrize(
    "rows, lines",
    [
        ([], ["host  state", "----  -----"]),
        ([("a", "up")], ["host  state", "----  -----", "a     up"]),
        (
            [("a", "in progress"), ("longer", "")],
            ["host    state", "------  -----------", "a       in progress", "longer"],
        ),
    ],
)
def test_columns_are_as_wide_as_their_widest_cell(rows, lines):
    assert render_table(("host", "state"), rows) == lines
