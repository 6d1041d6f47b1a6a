# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.judgement import judge
from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import parse_measurement
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import MatrixError, parse_row
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import wilson_interval

LEVEL = {"metric": "m", "target": {"below": 10}, "action": "monitor", "rollback_if": {"above": 50}}
CHANGE = {**LEVEL, "relative": True}
BOOLEAN = {"metric": "m", "target": {"equals": True}, "action": "rollback"}
ERRORS = {"metric": "m", "relative": True, "target": {"below": 10}, "action": "monitor", "rollback_if": {"above": 50}}


def measured(value, low=None, high=None, samples=1000):
    return {
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "samples": samples,
    }


def shares(events, total):
    low, high = (100 * each for each in wilson_interval(events, total))
    return {"value": 100 * events / total, "low": low, "high": high, "samples": total}


def judged(row, now, base=None, age=0):
    """Return what a row, written as in the matrix, says of two measurements."""
    return judge(parse_row(0, row, None), parse_measurement("m", now), parse_measurement("m", base), age)


@pytest.mark.parametrize(
    "row, now, base, outcome, reason",
    [
        (LEVEL, 5, None, "pass", "5 is below 10"),
        (LEVEL, 20, None, "miss", "20 is not below 10"),
        (LEVEL, 60, None, "rollback", "60 is above 50"),
        (LEVEL, None, None, "not_measured", "m was not measured"),
        ({**LEVEL, "minimum_samples": 9}, 5, None, "inconclusive", "0 samples, 9 are needed"),
        (CHANGE, 105, 100, "pass", "+5.0 % (100 to 105) is below 10 %"),
        (CHANGE, 120, 100, "miss", "+20.0 % (100 to 120) is not below 10 %"),
        (CHANGE, 160, 100, "rollback", "+60.0 % (100 to 160) is above 50 %"),
        ({**CHANGE, "floor": 30}, 120, 100, "pass", "+20.0 % (100 to 120) differs by no more than the floor of 30"),
        (CHANGE, 120, None, "no_baseline", "the old revision's m was not measured"),
        (CHANGE, 2, 0, "zero_baseline", "the baseline is 0, so 2 is no percentage of it"),
        ({**CHANGE, "floor": 1}, 0.5, 0, "pass", "0 to 0.5 is no more than the floor of 1"),
        ({**CHANGE, "floor": 1}, 2, 0, "rollback", "0 to 2 is certainly more than the floor of 1"),
    ],
)
def test_a_verdict_says_what_was_compared_with_what(row, now, base, outcome, reason):
    verdict = judged(row, now, base)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize(
    "row, now, base",
    [
        ({"target": {"below": 10}}, measured(11, 10.1, 12), None),
        ({"target": {"below": 10}, "relative": True}, measured(120, 115, 125), measured(100, 98, 102)),
        ({"target": {"below": 10}, "relative": True, "floor": 1}, measured(3, 1.5, 5), measured(0, 0, 0)),
    ],
)
@pytest.mark.parametrize("action, outcome", [("monitor", "miss"), ("rollback", "inconclusive")])
def test_a_row_that_rolls_back_for_its_target_keeps_within_its_budget(row, now, base, action, outcome):
    parsed = parse_row(0, {"metric": "m", "action": action, **row}, None)
    assert judge(parsed, parse_measurement("m", now), parse_measurement("m", base), 0, 1e-9).outcome == outcome


@pytest.mark.parametrize("row", [CHANGE, {**CHANGE, "action": "rollback"}])
def test_a_baseline_of_another_hour_rolls_nothing_back_alone(row):
    base = {"value": 100, "low": 99, "high": 101, "samples": 1000}
    assert judged(row, 160, base={**base}).outcome == "rollback"
    verdict = judged({**row, "minimum_samples": 0}, measured(160), {**base, "stale": True})
    assert (verdict.outcome, "a baseline of another hour" in verdict.reason) == ("unconfirmed", True)
    assert judged(row, measured(101), {**base, "stale": True}).outcome == "pass"


@pytest.mark.parametrize(
    "age, reason",
    [
        (3599, "judged from 1h after the switch"),
        (3600, "60 is not below 10"),
        (7200, "60 is not below 10"),
        (7201, "judged only until 2h after the switch"),
    ],
)
def test_a_row_speaks_between_two_ages_only(age, reason):
    row = {"metric": "m", "target": {"below": 10}, "action": "monitor", "due": "1h", "until": "2h"}
    assert judged(row, 60, age=age).reason == reason


@pytest.mark.parametrize(
    "now, base, row, reported",
    [
        (shares(2, 100), shares(1, 100), {}, "+100.0 % (1 to 2) is not below 10 %, which may be chance; about "),
        (shares(1, 100), shares(1, 100), {}, "+0.0 % (1 to 1) is below 10 %; about "),
        (shares(0, 200), shares(0, 200), {"floor": 0.05}, "0 before and 0 now; about "),
        (shares(2, 40), shares(1, 40), {"minimum_samples": 100}, "the baseline has 40 samples, 100 are needed; about "),
        (
            shares(1, 100),
            shares(2, 100),
            {"target": {"above": -10}, "rollback_if": {"below": -50}},
            "not above -10 %, which may be chance; about",
        ),
        (
            shares(11, 100),
            shares(10, 100),
            {"rollback_if": {"above": 0}, "target": {"below": 0}},
            "show a change of +10 %",
        ),
    ],
)
def test_an_unclear_finding_says_how_many_samples_it_would_take(now, base, row, reported):
    verdict = judged({**ERRORS, **row}, now, base)
    assert reported in verdict.reason
    assert verdict.samples_needed > 400
    assert f"about {verdict.samples_needed:,} samples on each side" in verdict.reason


@pytest.mark.parametrize(
    "now, base, row",
    [
        (shares(200, 100000), shares(200, 100000), {}),
        (shares(100, 100000), shares(400, 100000), {"target": {"above": -80}, "rollback_if": {"below": -90}}),
        (shares(300, 100000), shares(100, 100000), {}),
        (measured(100), measured(100), {}),
        (100, 100, {}),
        (shares(1, 100), shares(1, 100), {"rollback_if": None}),
    ],
)
def test_a_clear_finding_asks_for_no_more_samples(now, base, row):
    verdict = judged({key: value for key, value in {**ERRORS, **row}.items() if value is not None}, now, base)
    assert (verdict.samples_needed, "about" in verdict.reason) == (None, False)


@pytest.mark.parametrize(
    "row, value, message",
    [
        (LEVEL, "12", "Measurement m must be a boolean or a number"),
        (LEVEL, measured(5, 6, 7), "Measurement m must be a boolean or a number within"),
        (LEVEL, float("nan"), "Measurement m must be a boolean or a number"),
        (LEVEL, measured(5, samples=1.5), "Measurement m must have a whole number of samples, not 1.5"),
        (LEVEL, True, "m was measured as True, which its target below 10 cannot judge"),
        (BOOLEAN, 1, "m was measured as 1, which its target equal to true cannot judge"),
    ],
)
def test_a_measurement_that_cannot_be_judged_is_an_error(row, value, message):
    with pytest.raises(MatrixError, match=message):
        judged(row, value)
