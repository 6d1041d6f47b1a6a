# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._measure.questions import ask, own_requests

from _measure.conftest import LOG_FILES, URL, make_settings, probe, well

TASKS = Path(__file__).resolve().parent.parent.parent.parent / "roles" / "verify" / "tasks"


@pytest.mark.parametrize(
    "since, age, warm_up, stable, expected",
    [
        ("switch", 3, 10, 5, 7),
        ("switch", 3, "10", "8.5", 8.5),
        ("switch", 60, 10, 5, 5),
        ("switch", None, 10, 5, 5),
        ("baseline", 3, 10, 5, 5),
        ({"cursor": {}, "required": []}, 3, 10, 5, 7),
    ],
)
def test_a_new_revision_warms_up_before_it_is_measured_and_an_old_one_does_not(
    app, since, age, warm_up, stable, expected
):
    results = well(since=since)
    results["record"]["age"] = age
    assert ask(*app(results, warm_up_seconds=warm_up, stable_seconds=stable))["stable_for"] == expected


@pytest.mark.parametrize(
    "since, deadline, expected",
    [({}, 60, (10, 0)), ({}, 4, (4, 0)), ("baseline", 60, (10, 0)), ("switch", 60, (60, 30))],
)
def test_an_app_that_is_measured_for_the_first_time_must_serve_at_once(app, since, deadline, expected):
    asked = ask(*app(well(since=since), health_deadline=deadline))
    assert (asked["app"]["deadline"], asked["log"]["wait"]) == expected


@pytest.mark.parametrize(
    "since, patches, decides",
    [
        ("switch", {}, True),
        ("switch", {"critical_errors": {"action": "monitor"}}, False),
        ("switch", {"critical_errors": {"target": {"at_most": 3}}}, False),
        ("switch", {"critical_errors": None}, False),
        ("baseline", {}, False),
        ({"required": []}, {}, False),
    ],
)
def test_new_critical_errors_end_the_questions_where_they_roll_back(app, since, patches, decides):
    over = ask(*app(well(since=since), decision_matrix_patches=patches, ignored_errors=["known"]))["over"]
    assert bool(over) == decides
    if decides:
        assert (over["files"], over["cursor"], over["known_kinds"]) == (
            LOG_FILES,
            {"at": 7},
            {"critical_errors": ["k1"]},
        )
        assert [rule["name"] for rule in over["forbid"]] == ["critical_errors"]
        assert over["ignore"][0]["pattern"] == "(?:known)"


def test_the_log_files_of_the_app_itself_are_read_as_those_of_pm2_are(app):
    own, nothing = {"path": "/srv/shop/app.log", "stream": "both"}, {"path": "/dev/null", "stream": "err"}
    results = well()
    results["process"]["log_files"].append(nothing)
    asked = ask(*app(results, log_files=[own]))
    assert asked["log"]["files"] == asked["over"]["files"] == [*LOG_FILES, own]


NOWHERE = [{"path": "/dev/null", "stream": "out"}]


def test_an_app_that_writes_no_log_is_judged_by_all_else(app):
    """Its lines cannot be measured, so that no release of it would ever pass."""
    results = well()
    results["process"]["log_files"] = NOWHERE
    judged = {row["metric"] for row in ask(*app(results))["matrix"]}
    assert "server_starts" in judged and "response_time" in judged
    assert judged.isdisjoint({"critical_errors", "error_rate", "pool_exhausted", "new_errors", "new_warnings"})
    own = [{"path": "/srv/shop/app.log", "stream": "both"}]
    assert "critical_errors" in {row["metric"] for row in ask(*app(results, log_files=own))["matrix"]}


@pytest.mark.parametrize("before, is_judged", [(LOG_FILES, True), ([], False)])
def test_a_release_that_writes_no_log_any_more_is_judged_by_it(app, before, is_judged):
    results = well()
    results["process"]["log_files"] = NOWHERE
    results["record"]["record"]["facts"]["log_files"] = before
    assert ("critical_errors" in {row["metric"] for row in ask(*app(results))["matrix"]}) == is_judged


ILL = probe(healthy=False, reason="no answer")
CACHE = probe("cache statistics", healthy=False)


@pytest.mark.parametrize(
    "since, probes, patches, wait",
    [
        ("switch", [ILL], {}, 0),
        ("switch", [probe(), CACHE], {}, 30),
        ("switch", [], {}, 30),
        ("switch", [ILL], {"server_starts": {"action": "monitor"}}, 30),
        ("switch", [ILL], {"server_starts": {"due": "1d"}}, 30),
        ("switch", [ILL], {"server_starts": None}, 30),
        ({"cursor": {}, "required": []}, [ILL], {}, 0),
        ({"cursor": {}}, [ILL], {}, 30),
    ],
)
def test_no_line_is_waited_for_once_the_release_is_rolled_back_in_any_case(app, since, probes, patches, wait):
    results = well(since=since)
    results["health"]["probes"] = probes
    assert ask(*app(results, decision_matrix_patches=patches))["log"]["wait"] == wait


def test_the_cache_is_asked_where_the_app_has_one_and_the_probes_of_the_user_come_last(app):
    mine = {"name": "mine", "url": URL}
    assert [each["name"] for each in ask(*app(probes=[mine]))["app"]["probes"]] == ["health", "response time", "mine"]
    probes = ask(*app(cache_stats_url="http://cache", cache_hit_rate_path="hits"))["app"]["probes"]
    measured = {"cache_hit_rate": {"path": "hits", "type": "percent"}}
    assert probes[-1] == {"name": "cache statistics", "url": "http://cache", "measurements": measured}


def test_what_has_no_url_is_asked_nothing_but_the_probes_of_the_user(app):
    unserved = {"health_url": "", "response_time_url": ""}
    assert ask(*app(**unserved))["app"]["probes"] == []
    assert [each["name"] for each in ask(*app(**unserved, probes=[{"name": "mine", "url": URL}]))["app"]["probes"]] == [
        "mine"
    ]


RULE = {"status": [204], "kind": "empty"}


@pytest.mark.parametrize(
    "since, options, health",
    [
        ("baseline", {}, {"rule": {}}),
        ("switch", {}, {"rule": RULE}),
        ({"required": []}, {}, {"rule": RULE}),
        ({}, {}, {"rule": {}}),
        ("switch", {"health_expect": [{"path": "a", "equals": 1}]}, {"expect_json": [{"path": "a", "equals": 1}]}),
        ("switch", {"health_probe": {"status": [200]}}, {"expect_json": [], "status": [200]}),
        ("switch", {"health_probe": {"expect_text": ["OK"]}}, {"expect_json": [], "expect_text": ["OK"]}),
        ("switch", {"health_probe": {"user": "bob"}}, {"rule": RULE, "user": "bob"}),
    ],
)
def test_a_good_answer_is_what_the_old_revision_answered_unless_somebody_says_what_it_is(app, since, options, health):
    results = well(since=since)
    results["record"]["record"]["facts"]["health_rule"] = RULE
    assert ask(*app(results, **options))["app"]["probes"][0] == {"name": "health", "url": URL, **health}


def test_a_revision_after_one_that_gave_no_good_answer_must_use_a_word_that_is_known(app):
    assert ask(*app())["app"]["probes"][0]["rule"] == {"kind": "", "strange": True}


def test_what_is_asked_at_the_same_place_is_asked_alike_and_other_hosts_get_no_password(app):
    access = {"user": "bob", "password": "x", "socket": "/run/s"}
    given = {"health_probe": {**access, "method": "HEAD", "expect_text": ["a"]}, "cache_stats_url": f"{URL}/cache"}
    health, time, cache = ask(*app(**given))["app"]["probes"]
    assert (health["expect_text"], health["user"]) == (["a"], "bob")
    assert {key: time[key] for key in time if key in (*access, "method", "expect_text", "rule")} == {
        **access,
        "method": "HEAD",
    }
    assert (cache["user"], "method" in cache) == ("bob", False)
    assert ask(*app())["app"]["probes"][1]["rule"] == {"kind": "", "strange": True}
    elsewhere = {**given, "cache_stats_url": "http://other/", "response_time_url": "http://127.0.0.1:3001/"}
    assert [set(access) & set(each) for each in ask(*app(**elsewhere))["app"]["probes"][1:]] == [set(), set()]


def test_what_is_counted_since_the_last_observation_is_asked_for(app):
    asked = ask(*app())
    assert (asked["app"]["counters"], asked["log"]["cursor"]) == ({"jobs": 4}, {"at": 7})
    assert asked["log"]["known_kinds"] == {"critical_errors": ["k1"]}


@pytest.mark.parametrize(
    "probes, health, expected",
    [
        ([], {}, {"/health": 55}),
        ([], {"probes": [probe(attempts=3), probe("response time", attempts=4)]}, {"/health": 62}),
        ([], {"probes": [probe("cache statistics", url="http://127.0.0.1:3000")]}, {"/": 3, "/health": 55}),
        (
            [{"name": "a", "url": "http://h/a?x=1", "samples": "20", "warmup": 2}, {"name": "b", "samples": 7}],
            {},
            {"/health": 55, "/a": 22, "/": 7},
        ),
    ],
)
def test_every_attempt_sample_and_warm_up_is_a_request_of_our_own(probes, health, expected):
    assert own_requests(make_settings(probes=probes), health) == expected


BASE = {"value": 1.0, "samples": 900, "events": 9}
LOOK = {"events": 9, "samples": 900, "line": 50, "floor": 0.05, "within": 120}


@pytest.mark.parametrize(
    "since, base, row, probes, expected",
    [
        ("switch", BASE, {}, [probe()], {"error_rate": LOOK}),
        ("switch", BASE, {"confirm": {"looks": 2, "within": "5m"}}, [probe()], {"error_rate": {**LOOK, "within": 300}}),
        ("switch", BASE, {"confirm": None}, [probe()], {}),
        ("switch", BASE, {"rollback_if": None}, [probe()], {}),
        ("switch", BASE, {"target": {"above": 0}, "rollback_if": {"below": -50}}, [probe()], {}),
        ("switch", BASE, {"relative": None, "floor": None}, [probe()], {}),
        ("switch", 1.0, {}, [probe()], {}),
        ("baseline", BASE, {}, [probe()], {}),
        ("switch", BASE, {}, [ILL], {}),
    ],
)
def test_failed_requests_are_looked_at_twice_where_a_row_says_so(app, since, base, row, probes, expected):
    results = well(since=since)
    results["record"]["record"]["facts"]["baseline"]["error_rate"] = base
    results["health"]["probes"] = probes
    assert ask(*app(results, decision_matrix_patches={"error_rate": row}))["log"]["confirm"] == expected


@pytest.mark.parametrize(
    "patches, expected",
    [
        ({}, 100 + 58),
        ({"error_rate": {"minimum_samples": None}}, 58),
        ({"error_rate": {"minimum_samples": 7}, "response_time": {"minimum_samples": 400}}, 7 + 58),
    ],
)
def test_the_log_is_read_until_it_has_the_requests_that_the_matrix_asks_for_without_our_own(app, patches, expected):
    rate = ask(*app(decision_matrix_patches=patches))["log"]["rates"]["error_rate"]
    assert rate == {"requests": "failed", "minimum": expected}


@pytest.mark.parametrize(
    "changes, styles, rate, level",
    [
        ({}, ["auto"], {"requests": "failed"}, {"level": "fatal"}),
        ({"log_style": ["nest", "morgan"]}, ["nest", "morgan"], {"requests": "failed"}, {"level": "fatal"}),
        ({"error_rate": {"count": "a", "of": "b"}}, ["auto"], {"count": "a", "of": "b"}, {"level": "fatal"}),
        ({"log_style": "custom"}, ["custom"], {"count": '"statusCode":5', "of": '"statusCode":'}, {}),
    ],
)
def test_the_log_is_read_by_its_style_unless_it_is_the_users_own(app, changes, styles, rate, level):
    log = ask(*app(**changes))["log"]
    assert log["styles"] == styles
    assert log["rates"]["error_rate"] == {**rate, "minimum": 158}
    assert {key: value for key, value in log["forbid"][0].items() if key == "level"} == level


OWN = ["own requests to /health"]


@pytest.mark.parametrize(
    "since, required, counted",
    [
        ({}, [], ["pool_exhausted", "Listening", "Ready", *OWN]),
        ("baseline", [], ["pool_exhausted", "Listening", "Ready", *OWN]),
        ({"required": ["Ready"]}, ["Ready"], ["pool_exhausted", *OWN]),
        ("switch", [], ["pool_exhausted", *OWN]),
    ],
)
def test_lines_are_required_of_a_release_and_otherwise_counted(app, since, required, counted):
    log = ask(*app(well(since=since), required_log_lines=["Listening", "Ready", "Listening"]))["log"]
    assert ([rule["name"] for rule in log["require"]], [rule["name"] for rule in log["count"]]) == (required, counted)
    assert all(rule["pattern"] == rule["name"] for rule in [*log["require"], *log["count"][1:-1]])
    assert log["count"][-1]["pattern"] == "/health"


@pytest.mark.parametrize("ignored, expected", [([], []), (["a|b", "c"], [{"pattern": "(?:a|b)|(?:c)", "regex": True}])])
def test_patterns_of_a_list_are_one_regular_expression(app, ignored, expected):
    log = ask(*app(ignored_errors=ignored, critical_errors=["x", "y|z"], warnings=["w"]))["log"]
    assert log["ignore"] == expected
    assert log["forbid"] == [
        {
            "name": "critical_errors",
            "pattern": "(?:x)|(?:y|z)",
            "regex": True,
            "new_kinds_only": True,
            "level": "fatal",
        },
        {"name": "new_errors", "level": "error", "per": "hour", "new_kinds_only": True},
        {"name": "new_warnings", "pattern": "(?:w)", "regex": True, "new_kinds_only": True},
    ]


def test_no_pattern_matches_no_line(app):
    log = ask(*app(critical_errors=[], warnings=[]))["log"]
    assert [re.search(rule["pattern"], "GET / 200") for rule in log["forbid"] if "pattern" in rule] == [None, None]


def test_a_row_about_what_nothing_measures_is_refused_before_anything_is_asked(app):
    row = {"metric": "queue", "target": {"below": 5}, "action": "monitor"}
    with pytest.raises(MatrixError, match="queue"):
        ask(*app(watch_rows=[row]))
    probes = [{"name": "jobs", "url": URL, "measurements": {"queue": {"path": "waiting"}}}]
    asked = ask(*app(watch_rows=[row], probes=probes))
    assert (asked["matrix"][-1], asked["known_metrics"][-1]) == (row, "queue")


def task_of(file, module):
    tasks = yaml.safe_load((TASKS / file).read_text(encoding="utf-8"))
    return next(task[module] for task in tasks if module in task)


def test_the_tasks_ask_every_question(app):
    asked = ask(*app())
    stable_for = task_of("measure.yml", "greenlight.release.pm2_process_info")["stable_for"]
    assert stable_for == "{{ __greenlight_questions.stable_for }}"
    for part, module in (("app", "health_check"), ("log", "log_assert")):
        arguments = task_of("ask.yml", f"greenlight.release.{module}")
        for name in asked[part]:
            omitted = " | default(omit, true)" if name == "cursor" else ""
            assert arguments[name] == f"{{{{ __greenlight_questions.{part}.{name}{omitted} }}}}"


@pytest.mark.parametrize(
    "file, occasion",
    [("baseline", "baseline"), ("decide", "switch"), ("decide_switched", "switch"), ("observe", "watch over")],
)
def test_a_task_file_that_measures_says_since_when(file, occasion):
    tasks = yaml.safe_load((TASKS / f"{file}.yml").read_text(encoding="utf-8"))
    assert [each["vars"]["__greenlight_since"] for each in tasks if "__greenlight_since" in each.get("vars", {})] == [
        occasion
    ]
