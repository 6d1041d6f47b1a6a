# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._measure.baseline import baseline, known_kinds
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import METRICS

from _measure.conftest import LOG_FILES, probe, well


@pytest.mark.parametrize(
    "written, before, rejected, expected",
    [
        (["a", "b"], [], [], ["a", "b"]),
        (["a"], ["b", "a"], [], ["a", "b"]),
        (["a", "bad"], [], ["bad"], ["a"]),
        (["a"], ["bad", "b"], ["bad"], ["a", "b"]),
        ([], [], ["bad"], []),
    ],
)
def test_what_a_rejected_release_wrote_is_no_known_kind(app, written, before, rejected, expected):
    results = well(since="baseline")
    results["log"]["kinds"]["critical_errors"] = written
    results["record"]["watch"]["baseline_since"] = {"cursor": {}, "known_kinds": {"critical_errors": before}}
    results["record"]["watch"]["rejected_kinds"] = {"critical_errors": rejected}
    answers = app(results)[1]
    assert (known_kinds(answers, "critical_errors"), known_kinds(answers, "new_warnings")) == (expected, [])


def test_the_first_release_knows_the_kinds_in_the_log(app):
    results = well(since="baseline", record={"record": None, "watch": None})
    results["log"]["kinds"] = {"critical_errors": ["a"], "new_warnings": ["w"]}
    facts = baseline(*app(results))["facts"]
    assert facts["known_kinds"] == {"critical_errors": ["a"], "new_errors": [], "new_warnings": ["w"]}


def test_the_record_keeps_what_the_running_revision_was_measured_as(app):
    given = baseline(*app(well(since="baseline"), required_log_lines=["Ready 2", "Listening", "Ready 2"]))
    facts = given["facts"]
    assert (facts["baseline"]["cache_hit_rate"], facts["log_files"], facts["unmeasured"]) == (
        55.5,
        LOG_FILES,
        [],
    )
    assert (facts["written_lines"], facts["vacuous"]) == (["Listening"], given["vacuous"])


def test_that_no_log_is_read_is_named_before_a_release(app):
    results = well(since="baseline")
    results["process"]["log_files"] = []
    named = baseline(*app(results))["vacuous"][0]
    assert named.startswith("critical_errors, error_rate, ") and named.endswith("greenlight_log_files")


def test_what_the_log_does_not_have_is_searched_for_in_the_sources_with_any_number(app):
    given = baseline(*app(well(since="baseline"), required_log_lines=["Ready (2)", "Listening", "Ready (2)"]))
    assert given["unwritten"] == [("Ready (2)", r"Ready\ \(.*\)"), ("[Pp]ool exhausted", "[Pp]ool exhausted")]


def test_a_pool_that_was_exhausted_before_need_not_be_searched_for(app):
    results = well(since="baseline")
    results["log"]["lines"]["pool_exhausted"]["count"] = 2
    assert baseline(*app(results))["unwritten"] == []


def test_checks_that_cannot_fail_are_named(app):
    searched = [{"rc": 0, "item": ["a", "a"]}, {"rc": 1, "item": ["b", "b"]}, {"rc": 2, "item": ["c", "c"]}]
    results = well(since="baseline", searched={"results": searched})
    results["health"]["unmeasured"] = ["queue: no such path"]
    results["health"]["measurements"] = {"queue": 4}
    results["record"]["watch"]["readings"] = {"queue": [4, 4]}
    probes = [{"name": "jobs", "measurements": {"queue": {}}}]
    vacuous = baseline(*app(results, required_log_lines=["Listening"], probes=probes))["vacuous"]
    assert vacuous == [
        "queue: no such path",
        "required line 'Listening': the log of the running revision has it already",
        "pattern 'b': neither the logs nor the sources of the app have it",
        "pattern 'c': grep cannot search for it in the sources",
        "queue: it was 4 in the last 3 readings, so it may never vary",
    ]


def break_probes(results, _metric):
    results["health"]["probes"] = [probe("health", healthy=False, reason="status 503")]
    return "probe health: status 503"


def write_no_requests(results, metric):
    del results["log"]["measurements"][metric.name]
    return f"{metric.name}: no line of the log tells of a request"


def keep_at_zero(results, metric):
    results["health"]["measurements"][metric.name] = 0
    return f"{metric.name}: it is 0"


def write_no_line(results, metric):
    results["log"]["lines"][metric.name]["count"] = 0
    pattern = "no such line"
    results["searched"] = {"results": [{"rc": 1, "item": [pattern, pattern]}]}
    return f"pattern {pattern!r}: neither the logs nor the sources"


BREAKS = {
    "probe answers": break_probes,
    "requests are counted": write_no_requests,
    "value varies": keep_at_zero,
    "line is known": write_no_line,
}
CHECKED = [metric for metric in METRICS if metric.vacuous != "none"]


@pytest.mark.parametrize("metric", CHECKED, ids=[metric.name for metric in CHECKED])
def test_a_metric_that_says_nothing_is_found_out_as_the_registry_says(app, metric):
    results = well(since="baseline")
    assert baseline(*app(results))["vacuous"] == []
    sentence = BREAKS[metric.vacuous](results, metric)
    options = {metric.name: "no such line"} if metric.vacuous == "line is known" else {}
    found = baseline(*app(results, **options))
    assert [each[: len(sentence)] for each in found["vacuous"]] == [sentence]
    assert not options or ("no such line", "no such line") in found["unwritten"]


def test_the_styles_of_the_log_are_kept_and_said(app):
    results = well(since="baseline")
    assert baseline(*app(results))["written_in"] == ""
    results["log"]["styles"] = ["winston", "morgan"]
    given = baseline(*app(results))
    assert given["facts"]["log_styles"] == ["winston", "morgan"]
    assert given["written_in"].startswith("The log is read in these styles: winston, morgan")


def test_the_rule_for_the_health_is_kept_and_said(app):
    results = well(since="baseline")
    rule = {"status": [204], "kind": "empty"}
    results["health"]["probes"][0].update(rule=rule, judged_by="status 204 and no body")
    given = baseline(*app(results))
    assert given["facts"]["health_rule"] == rule
    assert given["judged_by"] == "The health is good with status 204 and no body, as the running revision answers"
    nothing = baseline(*app(well(since="baseline")))
    assert ("health_rule" in nothing["facts"], nothing["judged_by"]) == (False, "")
