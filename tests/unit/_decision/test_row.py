# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Bound
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import (
    MatrixError,
    Row,
    default_name,
    parse_row,
)

BOOLEAN = {"metric": "server_starts", "target": {"equals": True}}
GOOD = {"metric": "error_rate", "target": {"below": 10}, "action": "monitor"}
KNOWN = ["error_rate", "other", "server_starts"]


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
    assert parse_row(0, row, ["error_rate"]) == replace(wanted, until=7200, name="error_rate_1h")


def test_an_adjust_row_is_read():
    adjust = {"env": "CACHE_TTL_SECONDS", "multiply": 2, "minimum": 1, "maximum": 300}
    assert parse_row(0, {**GOOD, "action": "adjust", "adjust": adjust}, None).adjust == adjust


@pytest.mark.parametrize(
    "confirm, seconds",
    [({"looks": 1}, 0), ({"looks": 2}, 120), ({"looks": 2, "within": "30s"}, 30), ({"looks": 1, "within": 0}, 0)],
)
def test_a_second_look_is_taken_within_some_time(confirm, seconds):
    assert parse_row(0, {**GOOD, "confirm": confirm}, None).confirm == seconds


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
def test_a_target_is_described_in_words(row, text):
    assert row.describe_target() == text


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
        ({"floor": 1}, "key floor: is not allowed with a relative bound"),
        ({"confirm": 2}, "key confirm: must be a mapping with looks, 1 or 2, and may have within, not 2"),
        ({"confirm": {"looks": 3}}, "key confirm: must be a mapping with looks, 1 or 2"),
        ({"confirm": {"looks": 2, "after": "1m"}}, "key confirm: must be a mapping with looks, 1 or 2"),
        ({"confirm": {"looks": 2, "within": "soon"}}, "key confirm: 'soon' is no duration"),
        ({"confirm": {"looks": 2, "within": 0}}, "key confirm: within must be longer than 0 seconds for 2 looks"),
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
        parse_row(1, {**GOOD, **change}, KNOWN)
    assert f"Row 1 of the decision matrix, {message}" in str(error.value)


@pytest.mark.parametrize("key", ["metric", "target", "action"])
def test_a_missing_key_is_named(key):
    row = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(MatrixError, match=f"Row 0 of the decision matrix, key {key}: is missing"):
        parse_row(0, row, None)


@pytest.mark.parametrize(
    "target, line", [({"at_least": 30}, {"below": 10}), ({"at_most": 3}, {"above": 3}), ({"equals": 3}, {"above": 3})]
)
def test_a_rollback_line_outside_the_target_is_accepted(target, line):
    assert parse_row(0, {**GOOD, "target": target, "rollback_if": line}, None).rollback_if


@pytest.mark.parametrize("due, name", [(0, "error_rate"), (3600, "error_rate_1h"), (5400, "error_rate_90m")])
def test_a_row_without_a_name_is_called_by_its_metric_and_its_age(due, name):
    assert default_name("error_rate", due) == name
    assert parse_row(0, {**GOOD, "due": due}, None).name == name


def test_a_name_of_its_own_is_kept():
    assert parse_row(0, {**GOOD, "due": "1h", "name": "errors"}, None).name == "errors"


def test_without_a_list_of_metrics_every_name_is_accepted():
    assert parse_row(0, {**GOOD, "metric": "queue_length"}, None).metric == "queue_length"
