# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._matrix import (
    Bound,
    MatrixError,
    Row,
    describe_duration,
    parse_duration,
    parse_matrix,
)

GOOD = {"metric": "error_rate", "target": {"below": 10}, "action": "monitor"}


@pytest.mark.parametrize(
    "text, seconds", [(0, 0), (90, 90), ("90s", 90), ("30m", 1800), ("1h", 3600), ("24h", 86400), ("2d", 172800)]
)
def test_durations_are_read_as_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "1.5h", "h", "1 h", "", None, "1w"])
def test_other_durations_are_refused(wrong):
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(wrong)


@pytest.mark.parametrize(
    "seconds, text", [(0, "0s"), (61, "61s"), (1800, "30m"), (3600, "1h"), (86400, "24h"), (172800, "2d")]
)
def test_durations_are_told_in_the_largest_exact_unit(seconds, text):
    assert describe_duration(seconds) == text


@pytest.mark.parametrize(
    "comparison, limit, low, high, expected",
    [
        ("below", 10, 8, 9.9, True),
        ("below", 10, 8, 10, False),
        ("at_most", 10, 8, 10, True),
        ("at_most", 10, 8, 10.1, False),
        ("equals", True, True, True, True),
        ("equals", 0, 0, 1, False),
        ("at_least", 10, 10, 11, True),
        ("at_least", 10, 9, 11, False),
        ("above", 10, 10.1, 11, True),
        ("above", 10, 10, 11, False),
    ],
)
def test_a_bound_holds_only_for_the_whole_range(comparison, limit, low, high, expected):
    assert Bound(comparison, limit).holds(low, high) is expected


def test_a_full_row_is_read():
    row = {
        **GOOD,
        "relative": True,
        "due": "1h",
        "rollback_if": {"above": 50},
        "minimum_samples": 100,
        "floor": 0.5,
        "remedy": "Look.",
    }
    assert parse_matrix([row], ["error_rate"]) == [
        Row("error_rate", Bound("below", 10), "monitor", 3600, True, Bound("above", 50), 100, 0.5, "Look.")
    ]


def test_an_adjust_row_is_read():
    adjust = {"env": "CACHE_TTL_SECONDS", "multiply": 2, "minimum": 1, "maximum": 300}
    assert parse_matrix([{**GOOD, "action": "adjust", "adjust": adjust}])[0].adjust == adjust


@pytest.mark.parametrize(
    "row, text",
    [
        (Row("m", Bound("equals", True), "rollback"), "equal to true"),
        (Row("m", Bound("at_least", 2.5), "monitor"), "at least 2.5"),
        (
            Row("m", Bound("below", 10), "monitor", relative=True, rollback_if=Bound("above", 50)),
            "below 10 %, rollback if above 50 %",
        ),
        (Row("m", Bound("below", 10), "monitor", rollback_if=Bound("above", 50)), "below 10, rollback if above 50"),
    ],
)
def test_a_target_is_told_in_words(row, text):
    assert row.describe_target() == text


@pytest.mark.parametrize("rows", [None, [], {}, "text"])
def test_an_empty_matrix_is_refused(rows):
    with pytest.raises(MatrixError, match="list with at least one row"):
        parse_matrix(rows)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"colour": 1}, "key colour: is not known; use one of action"),
        ({"metric": ""}, "key metric: must be the name"),
        ({"metric": "unheard_of"}, "key metric: nothing measures 'unheard_of'; use one of error_rate"),
        ({"target": None}, "key target: must be a mapping with one of below"),
        ({"target": {"below": 1, "above": 2}}, "key target: must be a mapping with one of below"),
        ({"target": {"under": 1}}, "key target: cannot compare by 'under'"),
        ({"target": {"below": "10"}}, "key target: the limit of below must be a number, not '10'"),
        ({"target": {"below": True}}, "key target: the limit of below must be a number, not True"),
        ({"target": {"below": float("nan")}}, "key target: the limit of below must be a number"),
        ({"action": "explode"}, "key action: must be one of adjust, monitor, rollback, not 'explode'"),
        ({"action": "proceed"}, "key action: must be one of"),
        ({"due": "soon"}, "key due: 'soon' is no duration"),
        ({"relative": "yes"}, "key relative: must be true or false, not 'yes'"),
        ({"minimum_samples": -1}, "key minimum_samples: must be a whole number of at least 0"),
        ({"minimum_samples": 1.5}, "key minimum_samples: must be a whole number of at least 0"),
        ({"floor": "1"}, "key floor: must be a number of at least 0"),
        ({"remedy": 5}, "key remedy: must be a text"),
        ({"rollback_if": {"above": 5}}, "key rollback_if: above 5 contradicts target below 10"),
        ({"rollback_if": {"below": 5}}, "key rollback_if: below 5 contradicts target below 10"),
        ({"rollback_if": {"at_least": 50}}, "key rollback_if: must be above or below a number"),
        ({"target": {"above": 30}, "rollback_if": {"above": 5}}, "key rollback_if: above 5 contradicts"),
        ({"target": {"above": 30}, "rollback_if": {"below": 40}}, "key rollback_if: below 40 contradicts"),
        ({"target": {"equals": 30}, "rollback_if": {"below": 40}}, "key rollback_if: below 40 contradicts"),
        ({"target": {"equals": True}, "rollback_if": {"below": 40}}, "key rollback_if: must be above or below"),
        ({"target": {"equals": True}, "relative": True}, "key relative: a boolean target has no change"),
        ({"adjust": {"env": "A", "multiply": 2}}, "key adjust: needs action adjust, not monitor"),
        ({"action": "adjust", "adjust": {"env": "A"}}, "key adjust: must be a mapping with env and multiply"),
        ({"action": "adjust", "adjust": {"env": "A B", "multiply": 2}}, "key adjust: env must be the name"),
        ({"action": "adjust", "adjust": {"env": "A", "multiply": 0}}, "key adjust: multiply must be a number above 0"),
        (
            {"action": "adjust", "adjust": {"env": "A", "multiply": 2, "minimum": 9, "maximum": 3}},
            "key adjust: minimum 9 is above maximum 3",
        ),
    ],
)
def test_a_wrong_row_is_refused_by_index_and_key(change, message):
    with pytest.raises(MatrixError) as error:
        parse_matrix([{**GOOD, "due": "7h"}, {**GOOD, **change}], ["error_rate"])
    assert f"Row 1 of the decision matrix, {message}" in str(error.value)


@pytest.mark.parametrize("key", ["metric", "target", "action"])
def test_a_missing_key_is_named(key):
    row = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(MatrixError, match=f"Row 0 of the decision matrix, key {key}: is missing"):
        parse_matrix([row])


def test_a_row_that_is_no_mapping_is_refused():
    with pytest.raises(MatrixError, match="Row 0 of the decision matrix must be a mapping, not 'x'"):
        parse_matrix(["x"])


def test_two_rows_for_one_metric_and_age_are_refused():
    with pytest.raises(MatrixError, match=r"Row 1 of the decision matrix, key metric: .* by row 0"):
        parse_matrix([GOOD, {**GOOD, "target": {"below": 20}}])


@pytest.mark.parametrize(
    "target, line", [({"at_least": 30}, {"below": 10}), ({"at_most": 3}, {"above": 3}), ({"equals": 3}, {"above": 3})]
)
def test_a_rollback_line_outside_the_target_is_accepted(target, line):
    assert parse_matrix([{**GOOD, "target": target, "rollback_if": line}])[0].rollback_if
