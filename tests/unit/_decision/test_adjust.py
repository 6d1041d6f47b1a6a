# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision import adjust
from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide

ROW = {
    "metric": "hits",
    "target": {"above": 80},
    "action": "adjust",
    "adjust": {"env": "TTL", "multiply": 2, "minimum": 5, "maximum": 300},
}
MADE = {"row": "hits", "env": "TTL", "from": "30", "to": "60", "value": 40, "taken_back": False}


def findings(value, **changes):
    return decide({"hits": value}, [{**ROW, **changes}])["findings"]


def adjustment(before, after, value, taken_back=False):
    return {"row": "hits", "env": "TTL", "from": before, "to": after, "value": value, "taken_back": taken_back}


DOWN = {"target": {"below": 5}, "adjust": {"env": "TTL", "multiply": 0.5, "minimum": 4}}


@pytest.mark.parametrize(
    "value, changes, made, current, expected",
    [
        (40, {}, [], "30", adjustment("30", "60", 40)),
        (40, {}, [], "1.5", adjustment("1.5", "5", 40)),
        (40, {}, [], "200", adjustment("200", "300", 40)),
        (40, {"adjust": {"env": "TTL", "multiply": 1.1}}, [], "5", adjustment("5", "6", 40)),
        (40, {"adjust": {"env": "TTL", "multiply": 1.1}}, [], "2.5", adjustment("2.5", "2.75", 40)),
        (9, DOWN, [], "10", adjustment("10", "5", 9)),
        (9, DOWN, [], "5", adjustment("5", "4", 9)),
        (9, {**DOWN, "adjust": {"env": "TTL", "multiply": 0.5}}, [], "5", adjustment("5", "2", 9)),
        # It helped, but not enough.
        (50, {}, [MADE], "60", adjustment("60", "120", 50)),
        # It made things worse.
        (39, {}, [MADE], "60", adjustment("60", "30", 39, taken_back=True)),
        (41, DOWN, [MADE], "60", adjustment("60", "30", 41, taken_back=True)),
        # Within its interval it may be as good as before.
        ({"value": 39, "low": 30, "high": 45}, {}, [MADE], "60", adjustment("60", "120", 39)),
        # Another row changed it after this one, and what its metric was at is no measure here.
        (39, {}, [MADE, {**MADE, "row": "other", "from": "60", "to": "90"}], "90", adjustment("90", "180", 39)),
        (50, {}, [{**MADE, "value": None}], "60", adjustment("60", "120", 50)),
    ],
)
def test_a_missed_row_changes_its_variable_within_its_bounds(value, changes, made, current, expected):
    plan = adjust.plan_adjustments(findings(value, **changes), made, {"TTL": current})
    back = adjustment(expected["to"], expected["from"], expected["value"], taken_back=True)
    assert plan == {"env": {"TTL": expected["to"]}, "adjustments": [expected], "reversed": [back], "notes": []}


@pytest.mark.parametrize(
    "value, changes, made, current, notes",
    [
        (90, {}, [], "30", []),
        (90, {}, [MADE], "60", []),
        (None, {}, [MADE], "60", []),
        (40, {}, [], None, ["TTL stays: the running app has no number in it"]),
        (40, {}, [], "often", ["TTL stays: the running app has no number in it"]),
        (40, {}, [], "-3", ["TTL stays: the running app has no number in it"]),
        (40, {}, [], "300", ["TTL stays: 300 is as far as its bounds allow"]),
        (40, {}, [], "999", ["TTL stays: 999 is as far as its bounds allow"]),
        (9, DOWN, [], "4", ["TTL stays: 4 is as far as its bounds allow"]),
        (
            50,
            {},
            [{**MADE, "row": "other", "taken_back": True}],
            "30",
            ["TTL stays: changing it made things worse before"],
        ),
        (50, {}, [{**MADE, "taken_back": True}], "30", ["TTL stays: changing it made things worse before"]),
    ],
)
def test_a_variable_stays_where_there_is_nothing_to_gain(value, changes, made, current, notes):
    current = {} if current is None else {"TTL": current}
    plan = adjust.plan_adjustments(findings(value, **changes), made, current)
    assert plan == {"env": {}, "adjustments": [], "reversed": [], "notes": notes}


def test_a_row_without_adjust_is_left_to_a_person():
    found = decide({"hits": 40}, [{"metric": "hits", "target": {"above": 80}, "action": "adjust"}])["findings"]
    assert adjust.plan_adjustments(found, [], {"TTL": "30"})["adjustments"] == []


def test_a_variable_changes_once_an_observation():
    rows = [ROW, {**ROW, "due": "1h"}]
    found = decide({"hits": 40}, rows, age=3600)["findings"]
    plan = adjust.plan_adjustments(found, [], {"TTL": "30"})
    assert [each["row"] for each in plan["adjustments"]] == ["hits"]


def test_an_adjustment_is_reversed():
    assert adjust.reverse(MADE, 20) == adjustment("60", "30", 20, taken_back=True)


@pytest.mark.parametrize(
    "environ, expected",
    [
        ("A=1\0TTL=30\0", {"TTL": "30"}),
        ("TTL=a=b\0broken\0", {"TTL": "a=b"}),
        ("A=1\0", {}),
        ("", {}),
        ("TTL=1\0pm2_env=" + json.dumps({"TTL": 60, "env": {}}), {"TTL": "60"}),
        ("TTL=1\0pm2_env=[]", {"TTL": "1"}),
        ("TTL=1\0pm2_env={", {"TTL": "1"}),
    ],
)
def test_named_variables_of_a_process_are_read(environ, expected):
    encoded = base64.b64encode(environ.encode()).decode()
    assert adjust.read_environment(encoded, ["TTL"]) == expected


def test_what_is_no_environment_is_refused():
    with pytest.raises(adjust.AdjustError, match="cannot be read: it is not base64"):
        adjust.read_environment("%%", ["TTL"])
