# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._measure.reading import own_restarts, read

from _measure.conftest import probe, well

ILL = probe(healthy=False, reason="status 503")
CACHE = probe("cache statistics", healthy=False, reason="status 404")


@pytest.mark.parametrize(
    "process, probes, required, problems",
    [
        ({}, [probe()], [], ""),
        ({}, [probe()], ["Listening"], ""),
        ({"ready": False, "reason": "it is stopped"}, [probe()], [], "it is stopped"),
        ({}, [probe(), ILL], [], "health: status 503"),
        ({}, [CACHE], [], ""),
        ({}, [ILL, CACHE], [], "health: status 503"),
        # A dead exporter of queue lengths is the matter of its own row.
        ({}, [probe("queue", healthy=False, required=False, reason="no answer")], [], ""),
        ({}, [probe("items", healthy=False, required=True, reason="no answer")], [], "items: no answer"),
        ({}, [probe()], ["Listening", "Ready", "Go", "Ready"], "missing in the log: Ready, Go"),
        ({}, [probe()], ["pool_exhausted"], "missing in the log: pool_exhausted"),
        (
            {"ready": False, "reason": "it is stopped"},
            [ILL, probe("items", healthy=False, reason="no answer")],
            ["Ready"],
            "it is stopped; health: status 503; items: no answer; missing in the log: Ready",
        ),
    ],
)
def test_an_app_serves_when_its_process_its_probes_and_its_log_say_so_whatever_its_cache_says(
    app, process, probes, required, problems
):
    results = well(since={"required": required})
    results["process"].update(process)
    results["health"]["probes"] = probes
    seen = read(*app(results))
    assert (seen.serves, seen.problems) == (problems == "", problems)
    assert seen.measurements["server_starts"] == {"value": problems == "", "note": problems}


def test_required_lines_of_a_running_revision_are_not_missing(app):
    assert read(*app(well(since="baseline"), required_log_lines=["Ready"])).serves


OWN = "own requests to /health"


def rate_of(app, results):
    return read(*app(results)).measurements["error_rate"]


@pytest.mark.parametrize(
    "events, samples, lines, expected",
    [
        (2, 158, None, (2, 100, 2.0)),
        (2, 158, 400, (2, 100, 2.0)),
        # The app writes no line for its health, so none of ours is in the log.
        (2, 158, 0, (2, 158, 200 / 158)),
        (2, 158, 8, (2, 150, 200 / 150)),
        (0, 58, None, (0, 0, 0.0)),
        (3, 20, None, (0, 0, 0.0)),
    ],
)
def test_our_own_requests_are_in_no_rate(app, events, samples, lines, expected):
    results = well()
    results["log"]["measurements"]["error_rate"] = {"value": 9, "events": events, "samples": samples}
    if lines is not None:
        results["log"]["lines"][OWN] = {"count": lines}
        results["log"]["measurements"][OWN] = lines
    rate = rate_of(app, results)
    assert (rate["events"], rate["samples"], rate["value"]) == expected
    assert OWN not in read(*app(results)).measurements


def test_our_own_requests_that_failed_are_no_failures_of_users(app):
    results = well()
    results["health"]["probes"] = [probe(attempts=5, retries=2, retry_reasons=["status 503"]), probe("b", retries=1)]
    results["log"]["measurements"]["error_rate"] = {"value": 9, "events": 4, "samples": 163}
    rate = rate_of(app, results)
    assert (rate["events"], rate["samples"], rate["own"]) == (2, 100, [2, 63])


def test_what_was_counted_before_is_added_and_requests_of_earlier_looks_are_taken_out(app):
    results = well()
    results["record"]["watch"]["since"].update(
        counted={"error_rate": {"events": 7, "samples": 900, "blocks": [[7, 900]]}}, own={"error_rate": [1, 42]}
    )
    results["log"]["measurements"]["error_rate"] = {"value": 9, "events": 4, "samples": 200, "blocks": [[4, 200]]}
    rate = rate_of(app, results)
    assert (rate["events"], rate["samples"], rate["own"]) == (3, 100, [0, 58])
    assert rate["since_switch"] == {"events": 10, "samples": 1000, "blocks": [[7, 900], [3, 100]]}


@pytest.mark.parametrize(
    "before, in_log, expected",
    [
        (None, None, None),
        (None, {"events": 2, "samples": 9}, {"events": 2, "samples": 9}),
        ({"events": 1, "samples": 70}, {"events": 2, "samples": 9}, {"events": 3, "samples": 30}),
        ({"events": 9, "samples": 400}, None, {"events": 0, "samples": 0}),
    ],
)
def test_what_came_after_a_look_that_was_doubtful_is_counted_by_itself(app, before, in_log, expected):
    results = well()
    results["record"]["watch"]["doubted"] = {"rows": [], "counted": {"error_rate": before} if before else {}}
    rate = {"value": 9, "events": 4, "samples": 158, **({"fresh": in_log} if in_log else {})}
    results["log"]["measurements"]["error_rate"] = rate
    assert rate_of(app, results).get("fresh") == expected


def test_a_running_revision_was_not_switched_to(app):
    assert "since_switch" not in rate_of(app, well(since="baseline"))


def test_what_the_log_could_not_measure_is_no_measurement(app):
    results = well()
    results["log"]["measurements"] = {}
    assert "error_rate" not in read(*app(results)).measurements


@pytest.mark.parametrize(
    "since, first, now, expected",
    [
        ("switch", 40.0, 55.5, 15.5),
        ("switch", 40.0, 30.0, -10.0),
        ("switch", 0, 0.0, 0.0),
        ("switch", {"value": 50.0, "samples": 9}, {"value": 55.5, "samples": 8}, 5.5),
        ("watch over", 40.0, 55.5, 15.5),
        ("baseline", 40.0, 55.5, None),
        ("switch", None, 55.5, None),
        ("switch", 40.0, None, None),
    ],
)
def test_the_trend_of_the_cache_is_measured_of_a_release_since_its_first_observation(app, since, first, now, expected):
    results = well(since=since)
    results["record"]["watch"]["first_measurements"] = {} if first is None else {"cache_hit_rate": first}
    results["health"]["measurements"] = {} if now is None else {"cache_hit_rate": now}
    assert read(*app(results)).measurements.get("cache_hit_rate_trend") == expected


@pytest.mark.parametrize(
    "before, counters, own, expected",
    [
        (None, [3], 0, (3, 0)),
        ({"total": 1, "last": 3}, [3], 0, (3, 1)),
        ({"total": 1, "last": 3}, [4, 2], 0, (6, 4)),
        ({"total": 1, "last": 3}, [1], 0, (1, 2)),
        ({"total": 1, "last": 3}, [5], 2, (3, 1)),
        ({"total": 0, "last": 0}, [0], 0, (0, 0)),
    ],
    ids=["first", "none since", "two instances", "counter set back", "our own", "never"],
)
def test_restarts_that_nobody_asked_for_are_counted_since_the_switch(app, before, counters, own, expected):
    results = well()
    results["record"]["watch"]["restarts"] = before
    results["record"]["record"]["facts"]["own_restarts"] = own
    results["process"]["processes"] = [{"restarts": count} for count in counters]
    seen = read(*app(results)).measurements
    assert (seen["restart_count"], seen["restarts"]) == expected


def test_restarts_of_a_running_revision_are_none_of_a_release(app):
    assert {"restarts", "restart_count"} & set(read(*app(well(since="baseline"))).measurements) == set()


@pytest.mark.parametrize(
    "facts, noted, expected",
    [
        ({}, {}, 0),
        ({"own_restarts": 2}, {}, 2),
        ({}, {"record": {"id": "r2", "facts": {"own_restarts": 1}}}, 1),
        ({"own_restarts": 4}, {"record": {"id": "r2", "facts": {"own_restarts": 2}}}, 4),
        ({"own_restarts": 1}, {"record": {"id": "r1", "facts": {"own_restarts": 7}}}, 1),
    ],
)
def test_an_adjustment_of_this_run_counts_and_one_of_another_release_does_not(app, facts, noted, expected):
    results = well(noted=noted)
    results["record"]["record"]["facts"] = facts
    assert own_restarts(app(results)[1]) == expected


def test_a_running_revision_without_a_release_has_no_restarts_of_our_own(app):
    assert own_restarts(app({"noted": {"record": {"id": "r1", "facts": {"own_restarts": 7}}}})[1]) == 0


@pytest.mark.parametrize(
    "expect, status, hint",
    [([], 200, True), ([], 0, False), ([{"path": "a", "equals": 1}], 200, False)],
)
def test_who_refuses_an_answer_by_an_inferred_rule_says_where_another_can_be_set(app, expect, status, hint):
    results = well()
    results["health"]["probes"] = [probe(healthy=False, reason="the body is 'x'", status=status)]
    problems = read(*app(results, health_expect=expect)).problems
    assert ("greenlight_health_expect" in problems) == hint
