# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._measure.answers import Since
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import MeasureError

from _measure.conftest import well

CURSOR = {"at": 7}


def test_a_first_measurement_has_no_earlier_one(app):
    assert app({})[1].since == Since()
    assert app({"since": "baseline", "record": {"record": None, "watch": None}})[1].since == Since()


def test_a_measurement_may_say_itself_since_when(app):
    since = {"cursor": CURSOR, "known_kinds": {"new_warnings": ["k"]}, "counters": {"jobs": 1}, "required": ["Ready"]}
    assert app({"since": since})[1].since == Since(True, CURSOR, {"new_warnings": ["k"]}, {"jobs": 1}, ["Ready"])


def test_a_baseline_on_the_day_of_a_rollback_begins_at_the_rollback(app):
    results = well(since="baseline")
    results["record"]["watch"]["baseline_since"] = {"cursor": CURSOR, "known_kinds": {"new_warnings": ["k"]}}
    since = app(results)[1].since
    assert since == Since(True, CURSOR, {"new_warnings": ["k"]})
    assert not since.judges_release


@pytest.mark.parametrize(
    "occasion, observations, required, counters",
    [
        ("switch", [], ["Listening"], {}),
        ("switch", [{"counters": {"jobs": 1}}, {"counters": {"jobs": 4}}], [], {"jobs": 4}),
        ("switch", [{}], [], {}),
        ("watch over", [], [], {}),
        ("watch over", [{"counters": {"jobs": 4}}], [], {"jobs": 4}),
    ],
)
def test_lines_are_required_at_the_first_observation_and_counters_grow_since_the_last(
    app, occasion, observations, required, counters
):
    results = well(since=occasion)
    results["record"]["record"]["observations"] = observations
    since = app(results, required_log_lines=["Listening"])[1].since
    assert since == Since(True, CURSOR, {"critical_errors": ["k1"]}, counters, required)
    assert since.judges_release


@pytest.mark.parametrize(
    "since, record, problem",
    [
        ("yesterday", {}, "since must be baseline, switch, watch over or a mapping, not 'yesterday'"),
        ("switch", {"record": None, "watch": None}, "no release is on record"),
    ],
)
def test_a_measurement_that_cannot_begin_says_why(app, since, record, problem):
    with pytest.raises(MeasureError, match=problem):
        app({"since": since, "record": record})


def test_what_no_record_says_is_empty(app):
    answers = app({"record": {"record": None, "watch": None}})[1]
    assert (answers.watch, answers.facts) == ({}, {})
