# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs.kinds import kind_of


def pino(**fields):
    return json.dumps({"level": 50, "time": 1, "pid": 7, **fields})


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("Error at 12:03 id 7", "Error at 13:44 id 98765", True),
        ("Error 0f8fad5b-d9cb-469f-a165-70867728950e", "Error 7c9e6679-7425-40de-944b-e07fc1f90ae7", True),
        ("Cannot read 'a'", "Cannot read 'b'", False),
        ('Cannot read \'a 1\' "b" "c 2"', 'Cannot read \'a 2\' "b" "d 3"', True),
        ("can't read, don't ask", "can't write, don't ask", False),
        ("TypeError", "RangeError", False),
        (pino(msg="took 7 ms"), pino(msg="took 9 ms", time=2, pid=8), True),
        (pino(msg="out of memory"), pino(msg="no such table"), False),
        (pino(msg="x", level=50), pino(msg="x", level=60), False),
        (pino(msg="x", err={"type": "TypeError"}), pino(msg="x", err={"type": "RangeError"}), False),
        (pino(msg="x", err={"stack": "E: y\n at a"}), pino(msg="x", err={"stack": "E: y\n at b"}), True),
        (pino(msg="x", err={"stack": "E: y\n at a"}), pino(msg="x", err={"stack": "E: z\n at a"}), False),
        (pino(msg="x", err="no such table"), pino(msg="x", err="disk is full"), False),
        (pino(reason={"message": "no such table"}), pino(reason={"message": "disk is full"}), False),
        ('{"level":30,"text":"cache miss"}', '{"level":60,"text":"db corrupt"}', False),
        ('{"level":30,"note":"cache miss"}', '{"level":30,"note":"db corrupt"}', False),
        ('{"level":30,"note":"at 7"}', '{"level":60,"note":"at 7"}', False),
        ('{"level":30,"note":"at 7","ms":1}', '{"level":30,"note":"at 8","ms":2}', True),
        (pino(error="a"), pino(error="b"), False),
        (pino(url="/a/1"), pino(url="/a/2"), True),
        ("[1]", "[2]", True),
    ],
)
def test_lines_of_one_kind_differ_only_in_values(one, other, same):
    assert (kind_of(one) == kind_of(other)) is same


def test_a_kind_is_short_whatever_the_line_holds():
    assert len(kind_of("x" * 1_000_000)) == len(kind_of("\ud800")) == 12
