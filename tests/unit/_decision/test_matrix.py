# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import (
    MatrixError,
    parse_matrix,
    patch_matrix,
)

GOOD = {"metric": "error_rate", "target": {"below": 10}, "action": "monitor"}
LATER = {**GOOD, "due": "1h", "remedy": "Look."}


@pytest.mark.parametrize("rows", [None, [], {}, "text"])
def test_an_empty_matrix_is_refused(rows):
    with pytest.raises(MatrixError, match="list with at least one row"):
        parse_matrix(rows)


def test_a_metric_may_be_judged_on_each_host_and_on_the_fleet():
    assert [row.scope for row in parse_matrix([GOOD, {**GOOD, "name": "all", "scope": "fleet"}])] == ["host", "fleet"]


def test_a_row_that_is_no_mapping_is_refused():
    with pytest.raises(MatrixError, match="Row 0 of the decision matrix must be a mapping, not 'x'"):
        parse_matrix(["x"])


@pytest.mark.parametrize(
    "first, second, message",
    [
        ({}, {"target": {"below": 20}}, "key metric: error_rate is judged at the same age by row 0"),
        (
            {"target": {"above": 50}},
            {"due": "1h"},
            "key target: below 10 contradicts row 0, key target: above 50; no value is both",
        ),
        (
            {"rollback_if": {"above": 40}},
            {"due": "1h", "target": {"above": 60}},
            "key target: above 60 contradicts row 0, key target: below 10",
        ),
        (
            {"target": {"below": 80}, "rollback_if": {"above": 80}},
            {"due": "1h", "target": {"at_least": 0.1}, "rollback_if": {"below": 0.1}},
            None,
        ),
        (
            {"target": {"below": 20}, "metric": "other"},
            {"target": {"above": 10}, "rollback_if": {"below": 10}, "metric": "other", "due": "1h"},
            None,
        ),
        ({"name": "a"}, {"name": "a", "due": "1h"}, "key name: row 0 is called a too"),
        ({}, {"relative": True}, None),
        ({"until": "30m", "target": {"above": 50}}, {"due": "1h"}, None),
        ({"until": "1h", "target": {"above": 50}}, {"due": "1h"}, "key target: below 10 contradicts row 0"),
    ],
)
def test_two_rows_that_contradict_each_other_are_refused(first, second, message):
    rows = [{**GOOD, **row} for row in (first, second)]
    if message is None:
        assert len(parse_matrix(rows)) == 2
        return
    with pytest.raises(MatrixError) as error:
        parse_matrix(rows)
    assert f"Row 1 of the decision matrix, {message}" in str(error.value)


@pytest.mark.parametrize(
    "patches, expected",
    [
        ({}, [GOOD, LATER]),
        ({"error_rate": {"target": {"below": 5}}}, [{**GOOD, "target": {"below": 5}}, LATER]),
        ({"error_rate_1h": {"remedy": None}}, [GOOD, {**GOOD, "due": "1h"}]),
        ({"error_rate": None}, [LATER]),
        ({"new": {**GOOD, "due": "2h"}}, [GOOD, LATER, {"name": "new", **GOOD, "due": "2h"}]),
    ],
)
def test_rows_are_patched_by_name(patches, expected):
    assert patch_matrix([GOOD, LATER], patches) == expected


@pytest.mark.parametrize(
    "rows, patches, message",
    [
        ("x", {}, "must be a list with at least one row"),
        ([GOOD], ["x"], "must map names of rows to keys, not \\['x'\\]"),
        (
            [GOOD],
            {"error_rate": 5},
            "Patch error_rate of the decision matrix must be a mapping of keys, or null, not 5",
        ),
        (
            [GOOD, LATER],
            {"eror_rate": {"due": 1}},
            "no row has that name; use one of error_rate, error_rate_1h, or give",
        ),
        ([GOOD], {"other": None}, "Patch other of the decision matrix: no row has that name"),
        (
            [GOOD, {**GOOD, "due": "soon"}, 7],
            {"error_rate": {}},
            "Patch error_rate .* fits rows 0 and 1; name one of them",
        ),
    ],
)
def test_a_wrong_patch_is_refused_by_name(rows, patches, message):
    with pytest.raises(MatrixError, match=message):
        patch_matrix(rows, patches)
