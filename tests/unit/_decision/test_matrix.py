# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Bound
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import (
    MatrixError,
    Row,
    parse_matrix,
    patch_matrix,
)

BOOLEAN = {"metric": "server_starts", "target": {"equals": True}}
GOOD = {"metric": "error_rate", "target": {"below": 10}, "action": "monitor"}
LATER = {**GOOD, "due": "1h", "remedy": "Look."}


def test_a_full_row_is_read():
    row = {
        **GOOD,
        "relative": True,
        "due": "1h",
        "rollback_if": {"above": 50},
        "minimum_samples": 100,
        "floor": 0.5,
        "remedy": "Look.",
        "until": "2h",
    }
    wanted = Row("error_rate", Bound("below", 10), "monitor", 3600, True, Bound("above", 50), 100, 0.5, "Look.")
    assert parse_matrix([row], ["error_rate"]) == [replace(wanted, until=7200, name="error_rate_1h")]


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
        ({"floor": 1}, "key floor: stands beside a relative bound"),
        ({"name": 5}, "key name: must be a text"),
        ({"until": "soon"}, "key until: 'soon' is no duration"),
        ({"until": 0}, "key until: 0s is not after due 0s"),
        ({"due": "2h", "until": "2h"}, "key until: 2h is not after due 2h"),
        ({"target": {"below": 0}}, "key target: error_rate can never be below 0"),
        ({"target": {"above": 100}}, "key target: error_rate can never be above 100"),
        ({"target": {"at_most": 100}}, "key target: error_rate is always at most 100, so the row could not fail"),
        ({"target": {"at_least": 0}}, "key target: error_rate is always at least 0, so the row could not fail"),
        ({"rollback_if": {"above": 100}}, "key rollback_if: error_rate can never be above 100"),
        ({"target": {"equals": True}}, "key target: error_rate is a number, which equal to true cannot judge"),
        (
            {"relative": True, "target": {"below": -100}},
            "key target: a change of error_rate in percent can never be below -100",
        ),
        (
            {"relative": True, "target": {"above": -101}},
            "key target: a change of error_rate in percent is always above -101",
        ),
        ({"remedy": 5}, "key remedy: must be a text"),
        ({"rollback_if": {"above": 5}}, "key rollback_if: above 5 contradicts target below 10"),
        ({"rollback_if": {"below": 5}}, "key rollback_if: below 5 contradicts target below 10"),
        ({"rollback_if": {"at_least": 50}}, "key rollback_if: must be above or below a number"),
        ({"target": {"above": 30}, "rollback_if": {"above": 5}}, "key rollback_if: above 5 contradicts"),
        ({"target": {"above": 30}, "rollback_if": {"below": 40}}, "key rollback_if: below 40 contradicts"),
        ({"target": {"equals": 30}, "rollback_if": {"below": 40}}, "key rollback_if: below 40 contradicts"),
        ({**BOOLEAN, "rollback_if": {"below": 40}}, "key rollback_if: must be above or below"),
        ({"metric": "server_starts"}, "key target: server_starts is true or false, which below 10 cannot judge"),
        ({**BOOLEAN, "relative": True}, "key relative: a boolean target has no change"),
        ({"adjust": {"env": "A", "multiply": 2}}, "key adjust: needs action adjust, not monitor"),
        (
            {"action": "adjust", "adjust": {"env": "A", "multiply": 2}, "scope": "fleet"},
            "key adjust: is made on a host, which a row of scope fleet does not judge",
        ),
        ({"scope": "world"}, "key scope: must be one of host, fleet, not 'world'"),
        ({"action": "adjust", "adjust": {"env": "A"}}, "key adjust: must be a mapping with env and multiply"),
        ({"action": "adjust", "adjust": {"env": "A B", "multiply": 2}}, "key adjust: env must be the name"),
        ({"action": "adjust", "adjust": {"env": "A", "multiply": 0}}, "key adjust: multiply must be a number above 0"),
        ({"action": "adjust", "adjust": {"env": "A", "multiply": 1}}, "key adjust: multiply 1 changes nothing"),
        (
            {"action": "adjust", "adjust": {"env": "A", "multiply": 2, "minimum": 9, "maximum": 3}},
            "key adjust: minimum 9 is above maximum 3",
        ),
    ],
)
def test_a_wrong_row_is_refused_by_index_and_key(change, message):
    with pytest.raises(MatrixError) as error:
        parse_matrix([{**GOOD, "metric": "other"}, {**GOOD, **change}], ["error_rate", "other", "server_starts"])
    assert f"Row 1 of the decision matrix, {message}" in str(error.value)


@pytest.mark.parametrize("key", ["metric", "target", "action"])
def test_a_missing_key_is_named(key):
    row = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(MatrixError, match=f"Row 0 of the decision matrix, key {key}: is missing"):
        parse_matrix([row])


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


@pytest.mark.parametrize(
    "target, line", [({"at_least": 30}, {"below": 10}), ({"at_most": 3}, {"above": 3}), ({"equals": 3}, {"above": 3})]
)
def test_a_rollback_line_outside_the_target_is_accepted(target, line):
    assert parse_matrix([{**GOOD, "target": target, "rollback_if": line}])[0].rollback_if
