# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._measure.baseline import baseline, known_kinds

from _measure.conftest import well


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
    assert facts["known_kinds"] == {"critical_errors": ["a"], "new_warnings": ["w"]}


def test_the_record_keeps_what_the_running_revision_was_measured_as(app):
    given = baseline(*app(well(since="baseline"), required_log_lines=["Ready 2", "Listening", "Ready 2"]))
    facts = given["facts"]
    assert (facts["baseline"]["cache_hit_rate"], facts["log_files"], facts["unmeasured"]) == (55.5, ["out"], [])
    assert (facts["written_lines"], facts["vacuous"]) == (["Listening"], given["vacuous"])


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
