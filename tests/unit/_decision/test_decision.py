# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import wilson_interval

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
        (LEVEL, measured(60, 51, 80), None, "miss", "monitor"),
        (LEVEL, measured(60, 58, 80), None, "rollback", "rollback"),
        (LEVEL, measured(12, 9, 14), None, "inconclusive", "proceed"),
        (LEVEL, measured(60, 60, 60, samples=7), None, "miss", "monitor"),
        (LEVEL, measured(60, 60, 60, samples=8), None, "rollback", "rollback"),
        (LEVEL, None, None, "not_measured", "monitor"),
        (LEVEL, {"value": None}, None, "not_measured", "monitor"),
        ({**LEVEL, "action": "adjust"}, 20, None, "miss", "adjust"),
        ({**LEVEL, "action": "adjust"}, None, None, "not_measured", "monitor"),
        ({**LEVEL, "minimum_samples": 5}, measured(9, samples=4), None, "inconclusive", "proceed"),
        ({**LEVEL, "minimum_samples": 5}, 9, None, "inconclusive", "proceed"),
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
        (CHANGE, measured(200), measured(100, samples=99), "inconclusive", "proceed"),
        (CHANGE, measured(2), measured(0), "zero_baseline", "monitor"),
        (CHANGE, measured(2), measured(-1), "zero_baseline", "monitor"),
        ({**CHANGE, "minimum_samples": 0}, measured(200, samples=7), measured(100), "inconclusive", "proceed"),
        ({**CHANGE, "minimum_samples": 0}, measured(200), measured(100, samples=7), "inconclusive", "proceed"),
        ({**CHANGE, "minimum_samples": 0}, 200, 100, "rollback", "rollback"),
        (CHANGE, measured(0), measured(0), "pass", "proceed"),
        (CHANGE, measured(200), measured(100, 0, 300), "inconclusive", "proceed"),
        (FLOORED, measured(1), measured(0), "pass", "proceed"),
        (FLOORED, measured(3, 0.5, 5), measured(0, 0, 1), "inconclusive", "proceed"),
        (FLOORED, measured(3, 1.6, 5), measured(0, 0, 0.1), "miss", "monitor"),
        (FLOORED, measured(3, 2.8, 5), measured(0, 0, 1), "rollback", "rollback"),
        (FLOORED, measured(0.9), measured(0.1), "pass", "proceed"),
        (FLOORED, measured(3, 1, 5), measured(1), "inconclusive", "proceed"),
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


@pytest.mark.parametrize(
    "row, least, watched",
    [({}, 0, 0), ({}, 86400, 86400), ({"due": "48h"}, 86400, 172800), ({"due": "1h", "until": "2h"}, 0, 7200)],
)
def test_a_watch_lasts_as_long_as_asked_for_and_until_its_last_row_was_judged(row, least, watched):
    assert decide({"m": 1}, [{**LEVEL, **row}], watch_seconds=least)["watch_seconds"] == watched


@pytest.mark.parametrize("age, outcome", [(3599, "miss"), (3600, "miss"), (3601, "not_due")])
def test_a_row_is_judged_until_its_age(age, outcome):
    result = decide({"m": 60}, [{**LEVEL, "until": "1h", "rollback_if": {"above": 90}}], age=age)
    assert result["findings"][0]["outcome"] == outcome


def shares(events, total):
    low, high = (100 * each for each in wilson_interval(events, total))
    return {"value": 100 * events / total, "low": low, "high": high, "samples": total}


ERRORS = {"metric": "m", "relative": True, "target": {"below": 10}, "action": "monitor", "rollback_if": {"above": 50}}


def test_noise_rolls_back_no_release_and_a_doubled_error_rate_is_seen():
    generator = random.Random(6)
    rows = [{**ERRORS, "floor": 0.05, "minimum_samples": 100}]

    def rolled_back(total, before, after):
        draws = [shares(sum(generator.random() < each for _request in range(total)), total) for each in (before, after)]
        return decide({"m": draws[1]}, rows, {"m": draws[0]})["decision"] == "rollback"

    assert [total for total in (1, 10, 100) for _release in range(700) if rolled_back(total, 0.05, 0.05)] == []
    assert all(rolled_back(1600, 0.25, 0.5) for _release in range(50))


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
    assert finding["change"] == {"value": 100.0, "low": -50.85, "high": None}


def test_an_adjustment_travels_with_its_finding():
    adjust = {"env": "TTL", "multiply": 2}
    finding = decide({"m": 60}, [{**LEVEL, "action": "adjust", "adjust": adjust}])["findings"][0]
    assert finding["adjust"] == adjust


@pytest.mark.parametrize(
    "value, reason", [(True, "true is equal to true"), (False, "false is not equal to true (nothing listens)")]
)
def test_a_note_explains_a_bad_value(value, reason):
    finding = decide({"m": {"value": value, "note": "nothing listens"}}, [BOOLEAN])["findings"][0]
    assert finding["reason"] == reason


SCOPED = [{**LEVEL, "metric": "a"}, {**LEVEL, "metric": "b", "scope": "fleet"}]


@pytest.mark.parametrize(
    "scope, judged, decision",
    [("", ["a", "b"], "rollback"), ("host", ["a"], "proceed"), ("fleet", ["b"], "rollback")],
)
def test_only_the_rows_of_the_scope_are_judged(scope, judged, decision):
    found = decide({"a": 1, "b": 99}, SCOPED, scope=scope)
    assert ([finding["metric"] for finding in found["findings"]], found["decision"]) == (judged, decision)


def test_a_scope_without_rows_proceeds():
    assert decide({"a": 99}, [{**LEVEL, "metric": "a", "scope": "fleet"}], scope="host")["decision"] == "proceed"


TWICE = {"confirm": {"looks": 2}}


@pytest.mark.parametrize(
    "row, value, doubted, outcome, action",
    [
        (LEVEL, 60, [], "rollback", "rollback"),
        ({**LEVEL, **TWICE}, 60, [], "unconfirmed", "monitor"),
        ({**LEVEL, **TWICE}, 60, ["n"], "unconfirmed", "monitor"),
        ({**LEVEL, **TWICE}, 60, ["m"], "rollback", "rollback"),
        ({**LEVEL, **TWICE}, 20, [], "miss", "monitor"),
        ({**LEVEL, "confirm": {"looks": 1}}, 60, [], "rollback", "rollback"),
        ({**BOOLEAN, **TWICE}, False, [], "unconfirmed", "monitor"),
        ({**BOOLEAN, **TWICE}, False, ["m"], "miss", "rollback"),
        ({**BOOLEAN, **TWICE}, None, [], "unconfirmed", "monitor"),
    ],
)
def test_a_row_may_ask_for_a_second_look_before_it_rolls_back(row, value, doubted, outcome, action):
    finding = decide({"m": value}, [row], doubted=doubted)["findings"][0]
    assert (finding["outcome"], finding["action"]) == (outcome, action)
    assert ("which a second look must confirm" in finding["reason"]) is (outcome == "unconfirmed")


def test_failed_requests_are_confirmed_by_what_failed_afterwards():
    row = {**CHANGE, **TWICE, "metric": "error_rate"}
    base, bad = {"value": 1.0, "samples": 37_000}, {"value": 5.0, "samples": 1000, "events": 50}
    outcomes = [
        decide({"error_rate": {**bad, **fresh}}, [row], {"error_rate": base}, doubted=["error_rate"])["decision"]
        for fresh in ({}, {"fresh": {"events": 0, "samples": 90}}, {"fresh": {"events": 5, "samples": 90}})
    ]
    assert outcomes == ["monitor", "monitor", "rollback"]


def test_what_a_gap_in_the_log_hides_rolls_nothing_back():
    row = {"metric": "m", "target": {"equals": 0}, "action": "rollback"}
    hidden = {"m": {"value": None, "gap": "lines are missing"}}
    (finding,) = decide(hidden, [{**row, "confirm": {"looks": 2}}])["findings"]
    assert (finding["outcome"], finding["action"]) == ("not_measured", "monitor")
    assert finding["reason"] == "m was not measured: lines are missing"
    assert decide({"m": {"value": None}}, [row])["decision"] == "rollback"
    assert decide({"m": {"value": 3, "gap": "lines are missing"}}, [row])["decision"] == "rollback"
