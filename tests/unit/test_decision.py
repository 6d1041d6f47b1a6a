# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision import decide, render_table
from ansible_collections.greenlight.release.plugins.module_utils._matrix import MatrixError

LEVEL = {"metric": "m", "target": {"below": 10}, "action": "monitor", "rollback_if": {"above": 50}}
CHANGE = {**LEVEL, "relative": True, "minimum_samples": 100}
FLOORED = {**CHANGE, "floor": 1}
BOOLEAN = {"metric": "m", "target": {"equals": True}, "action": "rollback"}


def measured(value, low=None, high=None, samples=1000):
    return {
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "samples": samples,
    }


@pytest.mark.parametrize(
    "row, now, base, outcome, action",
    [
        (LEVEL, 9.9, None, "pass", "proceed"),
        (LEVEL, 10, None, "miss", "monitor"),
        (LEVEL, 50, None, "miss", "monitor"),
        (LEVEL, 50.1, None, "rollback", "rollback"),
        (LEVEL, measured(60, 40, 80), None, "miss", "monitor"),
        (LEVEL, measured(60, 51, 80), None, "rollback", "rollback"),
        (LEVEL, None, None, "not_measured", "monitor"),
        (LEVEL, {"value": None}, None, "not_measured", "monitor"),
        ({**LEVEL, "action": "adjust"}, 20, None, "miss", "adjust"),
        ({**LEVEL, "action": "adjust"}, None, None, "not_measured", "monitor"),
        ({**LEVEL, "minimum_samples": 5}, measured(9, samples=4), None, "too_few_samples", "monitor"),
        ({**LEVEL, "minimum_samples": 5}, 9, None, "too_few_samples", "monitor"),
        (BOOLEAN, True, None, "pass", "proceed"),
        (BOOLEAN, False, None, "miss", "rollback"),
        (BOOLEAN, None, None, "not_measured", "rollback"),
        (CHANGE, measured(109.9), measured(100), "pass", "proceed"),
        (CHANGE, measured(110.1), measured(100), "miss", "monitor"),
        (CHANGE, measured(150), measured(100), "miss", "monitor"),
        (CHANGE, measured(150.1), measured(100), "rollback", "rollback"),
        (CHANGE, measured(200, 140, 260), measured(100), "miss", "monitor"),
        (CHANGE, measured(200, 160, 260), measured(100, 90, 120), "miss", "monitor"),
        (CHANGE, measured(200, 190, 260), measured(100, 90, 110), "rollback", "rollback"),
        (CHANGE, measured(200), None, "no_baseline", "monitor"),
        (CHANGE, measured(200), measured(100, samples=99), "too_few_samples", "monitor"),
        (CHANGE, measured(2), measured(0), "zero_baseline", "monitor"),
        (CHANGE, measured(0), measured(0), "pass", "proceed"),
        (CHANGE, measured(200), measured(100, 0, 300), "miss", "monitor"),
        (FLOORED, measured(1), measured(0), "pass", "proceed"),
        (FLOORED, measured(3, 0.5, 5), measured(0, 0, 1), "miss", "monitor"),
        (FLOORED, measured(3, 2.5, 5), measured(0, 0, 1), "rollback", "rollback"),
        (FLOORED, measured(0.9), measured(0.1), "pass", "proceed"),
        (FLOORED, measured(3, 1, 5), measured(1), "miss", "monitor"),
        (FLOORED, measured(5, 3, 6), measured(1), "rollback", "rollback"),
        (
            {**FLOORED, "rollback_if": {"below": -50}, "target": {"above": -10}},
            measured(3, 2.5, 5),
            measured(0, 0, 1),
            "miss",
            "monitor",
        ),
    ],
)
def test_each_outcome_leads_to_its_action(row, now, base, outcome, action):
    result = decide({"m": now} if now is not None else {}, [row], {"m": base} if base is not None else {})
    assert (result["findings"][0]["outcome"], result["decision"]) == (outcome, action)


@pytest.mark.parametrize("age, outcome", [(3599, "not_due"), (3600, "miss")])
def test_a_row_is_judged_from_its_age_on(age, outcome):
    result = decide({"m": 60}, [{**LEVEL, "due": "1h", "rollback_if": {"above": 90}}], age=age)
    assert result["findings"][0]["outcome"] == outcome
    assert result["watch_seconds"] == 3600


def test_the_decision_is_the_worst_action_and_gives_its_reasons():
    rows = [
        {**BOOLEAN, "metric": "starts"},
        {**LEVEL, "metric": "rate", "remedy": "Look."},
        {**LEVEL, "metric": "hits", "action": "adjust"},
    ]
    result = decide({"starts": True, "rate": 20, "hits": 30}, rows, age=5)
    assert result["decision"] == "monitor"
    assert result["reason"] == "rate: 20 is not below 10"
    assert [finding["remedy"] for finding in result["findings"]] == ["", "Look.", ""]
    assert result["age"] == 5


def test_everything_passing_proceeds():
    assert decide({"m": 1}, [LEVEL])["reason"] == "every row that is due passes"


def test_a_change_is_reported_in_percent_and_without_infinity():
    finding = decide({"m": measured(200)}, [CHANGE], {"m": measured(100, 0, 300)})["findings"][0]
    assert finding["change"] == {"value": 100.0, "low": -33.33, "high": None}


def test_an_adjustment_travels_with_its_finding():
    adjust = {"env": "TTL", "multiply": 2}
    finding = decide({"m": 60}, [{**LEVEL, "action": "adjust", "adjust": adjust}])["findings"][0]
    assert finding["adjust"] == adjust


@pytest.mark.parametrize(
    "row, value, message",
    [
        (LEVEL, "12", "Measurement m must be a boolean or a number"),
        (LEVEL, measured(5, 6, 7), "Measurement m must be a boolean or a number within"),
        (LEVEL, float("nan"), "Measurement m must be a boolean or a number"),
        (LEVEL, True, "m was measured as True, which its target below 10 cannot judge"),
        (BOOLEAN, 1, "m was measured as 1, which its target equal to true cannot judge"),
    ],
)
def test_a_measurement_that_cannot_be_judged_is_an_error(row, value, message):
    with pytest.raises(MatrixError, match=message):
        decide({"m": value}, [row])


def test_the_table_tells_every_finding_and_the_decision():
    rows = [{**BOOLEAN, "metric": "starts"}, {**LEVEL, "metric": "hits", "due": "1h"}]
    lines = render_table(decide({"starts": False}, rows))
    assert lines[0].split() == ["metric", "baseline", "value", "target", "outcome", "action", "reason"]
    assert lines[2].split()[:4] == ["starts", "-", "false", "equal"]
    assert lines[3].startswith("hits (1h)")
    assert lines[-1] == "decision: rollback (starts: false is not equal to true)"


@pytest.mark.parametrize(
    "value, reason", [(True, "true is equal to true"), (False, "false is not equal to true (nothing listens)")]
)
def test_a_note_explains_a_bad_value(value, reason):
    finding = decide({"m": {"value": value, "note": "nothing listens"}}, [BOOLEAN])["findings"][0]
    assert finding["reason"] == reason
