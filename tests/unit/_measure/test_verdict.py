# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import MeasureError
from ansible_collections.greenlight.release.plugins.module_utils._measure.verdict import judge_release, judge_together

from _measure.conftest import make_settings, well

RATE = {"metric": "error_rate", "relative": True, "target": {"below": 10}, "action": "rollback", "name": "rate"}
ROWS = {"decision_matrix": [RATE], "first_hour_rows": [], "watch_rows": []}


@pytest.mark.parametrize(
    "same_hour_baseline, same_hour, expected",
    [
        (True, {"at": "2026-02-18T02:30:00Z", "measurements": {"error_rate": 2.0}}, (2.0, "2026-02-18T02:30:00Z")),
        (True, {"at": "2026-02-18T02:30:00Z", "measurements": {"pool": 2.0}}, (1.0, "2026-02-18T02:30:00Z")),
        (True, None, (1.0, "2026-02-19T02:00:00Z")),
        (False, {"at": "2026-02-18T02:30:00Z", "measurements": {"error_rate": 2.0}}, (1.0, "2026-02-19T02:00:00Z")),
    ],
)
def test_a_release_is_compared_with_the_same_hour_where_that_is_asked_for_and_was_observed(
    app, same_hour_baseline, same_hour, expected
):
    results = well()
    results["record"]["watch"]["same_hour"] = same_hour
    decision = judge_release(*app(results, same_hour_baseline=same_hour_baseline, **ROWS))
    assert (decision["findings"][0]["baseline"], decision["baseline_at"]) == expected


@pytest.mark.parametrize(
    "age, same_hour, base, outcome",
    [
        (3600, None, {"value": 40, "samples": 50}, "rollback"),
        (3601, None, {"value": 40, "samples": 50}, "unconfirmed"),
        (7200, None, 40, "unconfirmed"),
        # What the old revision did at this hour of another day tells.
        (7200, {"value": 40, "samples": 50}, {"value": 20, "samples": 50}, "rollback"),
    ],
)
def test_after_an_hour_no_moment_before_the_release_rolls_it_back_because_it_is_slow(
    app, age, same_hour, base, outcome
):
    results = well()
    results["record"]["age"] = age
    results["record"]["record"]["facts"]["baseline"]["response_time"] = base
    measured = {"response_time": same_hour} if same_hour else {}
    results["record"]["watch"]["same_hour"] = {"at": "2026-02-18T02:30:00Z", "measurements": measured}
    results["health"]["measurements"]["response_time"] = {"value": 80, "samples": 50}
    row = {**RATE, "metric": "response_time", "action": "monitor", "rollback_if": {"above": 20}}
    decision = judge_release(*app(results, same_hour_baseline=True, **{**ROWS, "decision_matrix": [row]}))
    assert decision["findings"][0]["outcome"] == outcome


def test_a_decision_has_what_it_was_made_from(app):
    results = well()
    results["process"].update(ready=False, reason="it is stopped")
    decision = judge_release(*app(results, watch_seconds="60"))
    assert (decision["decision"], decision["problems"]) == ("rollback", "it is stopped")
    assert (decision["cursor"], decision["counters"], decision["age"]) == ({"at": 9}, {"jobs": 9}, 3600)
    assert decision["measurements"]["server_starts"] == {"value": False, "note": "it is stopped"}
    assert decision["watch_seconds"] == 86400, "the last row is due a day after the switch"


@pytest.mark.parametrize("watch_seconds, expected", [(0, 0), ("90", 90)])
def test_a_watch_lasts_as_long_as_it_is_asked_to(app, watch_seconds, expected):
    assert judge_release(*app(watch_seconds=watch_seconds, **ROWS))["watch_seconds"] == expected


def test_a_release_that_was_not_switched_to_has_no_age(app):
    results = well()
    results["record"]["age"] = None
    assert judge_release(*app(results))["age"] == 0


@pytest.mark.parametrize("scope, expected", [("", ["rate", "all"]), ("host", ["rate"]), ("fleet", ["all"])])
def test_only_rows_of_the_scope_are_judged(app, scope, expected):
    rows = {**ROWS, "watch_rows": [{**RATE, "name": "all", "scope": "fleet"}]}
    assert [finding["name"] for finding in judge_release(*app(**rows), scope)["findings"]] == expected


def test_what_was_not_released_is_not_judged(app):
    with pytest.raises(MeasureError, match="no release is on record"):
        judge_release(*app(well(since={}, record={"record": None, "watch": None, "age": None})))


def test_hosts_are_judged_together_as_old_as_the_youngest_against_those_on_the_old_revision():
    settings = make_settings(
        **{**ROWS, "decision_matrix": [{**RATE, "scope": "fleet", "due": "1m"}, {**RATE, "name": "one"}]}
    )
    decisions = [{"age": "70", "measurements": {"error_rate": 4.0}}, {"age": 65, "measurements": {"error_rate": 2.0}}]
    decision = judge_together(settings, decisions, [{"error_rate": 1.0}, {"error_rate": 2.0}])
    finding = decision["findings"][0]
    assert (len(decision["findings"]), decision["age"], decision["decision"]) == (1, 65, "rollback")
    assert (finding["value"], finding["baseline"]) == (3.0, 1.5)


@pytest.mark.parametrize("observed, decision", [([], "rollback"), ([{"at": "2026-02-19T02:01:00Z"}], "monitor")])
def test_a_gap_in_the_log_rolls_back_at_the_first_look_alone(app, observed, decision):
    results = well()
    results["record"]["record"]["observations"] = observed
    results["log"]["measurements"], results["log"]["gap"] = {}, "lines are missing"
    rows = [{"metric": "critical_errors", "target": {"equals": 0}, "action": "rollback"}]
    verdict = judge_release(*app(results, decision_matrix=rows, first_hour_rows=[], watch_rows=[]))
    assert (verdict["decision"], verdict["gap"]) == (decision, "lines are missing")


def test_an_error_that_was_found_beside_a_gap_rolls_back(app):
    results = well()
    results["record"]["record"]["observations"] = [{"at": "2026-02-19T02:01:00Z"}]
    results["log"]["measurements"], results["log"]["gap"] = {"critical_errors": 1}, "lines are missing"
    rows = [{"metric": "critical_errors", "target": {"equals": 0}, "action": "rollback"}]
    verdict = judge_release(*app(results, decision_matrix=rows, first_hour_rows=[], watch_rows=[]))
    assert verdict["decision"] == "rollback"


def test_an_app_that_writes_no_log_is_not_judged_by_it(app):
    results = well()
    results["process"]["log_files"] = []
    results["log"]["measurements"] = {}
    rows = {
        **ROWS,
        "decision_matrix": [RATE, {"metric": "server_starts", "target": {"equals": True}, "action": "monitor"}],
    }
    findings = judge_release(*app(results, **rows))["findings"]
    assert [finding["metric"] for finding in findings] == ["server_starts"]
