# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values.output import telling_lines

AFTER = [f"at line {number}" for number in range(6)]


@pytest.mark.parametrize(
    "line",
    [
        "ssh: connect to host h port 22: Connection refused",
        "git@h: Permission denied (publickey).",
        "Host key verification failed.",
        "fatal: '/srv/x' does not appear to be a git repository",
        "npm error code EUSAGE",
        "npm ERR! code ENOENT",
        "Error: no such table: items",
        "TypeError: x is not a function",
        "write /x: No space left on device",
    ],
)
def test_a_line_that_names_the_cause_is_kept_with_the_last_ones(line):
    assert telling_lines(["noise", line, "", *AFTER], 3) == [line, *AFTER[-3:]]


def test_no_more_than_the_first_causes_are_kept():
    causes = [f"Error: {number}" for number in range(9)]
    assert telling_lines([*causes, *AFTER], 2) == [*causes[:4], *AFTER[-2:]]


def test_a_line_of_the_end_is_not_said_twice():
    assert telling_lines(["Error: x", "y"], 3) == ["Error: x", "y"]
