# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values import dotenv


@pytest.mark.parametrize(
    "text, variables",
    [
        ("A=1\nB = two words \n", {"A": "1", "B": "two words"}),
        ("export A=1\r\nB: yaml\r\n", {"A": "1", "B": "yaml"}),
        ("\ufeffA=first\nA=last", {"A": "last"}),
        ("# A=1\n\nno variable\nB=2 # why", {"B": "2"}),
        ("A=\nB=''\nC=\"\"", {"A": "", "B": "", "C": ""}),
        ("A='# \\n $X'  # why\nB=`it's`", {"A": "# \\n $X", "B": "it's"}),
        ('A="one\\ntwo\\r"\nB="over\nlines"', {"A": "one\ntwo\r", "B": "over\nlines"}),
        ("A='open\nB=2", {"A": "'open", "B": "2"}),
        ("A='\nB=x'y", {"A": "'", "B": "x'y"}),
        ('A={"json": true}', {"A": '{"json": true}'}),
        ("", {}),
    ],
)
def test_a_file_of_variables_is_read_as_the_app_reads_it(text, variables):
    assert dotenv.parse(text) == variables
