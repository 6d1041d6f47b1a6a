# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import wait as health_wait
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import (
    Answer,
    Measurement,
    Probe,
)
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection

PROBE = Probe(name="health", url="http://127.0.0.1/health")
GOOD, BAD = Answer(200, 2.0, {}, "{}"), Answer(503, 1.0)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


def patience(time, deadline=10, consecutive=3):
    return health_wait.Patience(deadline, consecutive, 1.0, lambda: time.now, time.sleep)


def world_of(fetch, explain_owner=lambda _connection, _pids: "", **more):
    """A world that answers as `fetch` does, and runs jobs one after the other."""
    return health_wait.World(
        lambda: contextlib.nullcontext(fetch), explain_owner, lambda jobs, _seconds: [job() for job in jobs], **more
    )


def play(answers):
    """Return a fetch that gives these answers, the last one for ever."""
    queue = list(answers)
    return lambda _probe: queue.pop(0) if len(queue) > 1 else queue[0]


def check(answers, probe=PROBE, ends=10, time=None, **how):
    return health_wait.check_probe(probe, world_of(play(answers)), patience(time or Time(), **how), ends)


@pytest.mark.parametrize(
    "answers, healthy, attempts, reason",
    [
        ([GOOD], True, 3, ""),
        ([BAD, BAD, GOOD], True, 5, ""),
        ([GOOD, GOOD, BAD, GOOD], True, 6, ""),
        ([BAD], False, 6, "status 503 instead of 200"),
        ([GOOD, BAD] * 9, False, 10, "status 503 instead of 200"),
    ],
)
def test_an_app_is_healthy_after_good_answers_in_a_row(answers, healthy, attempts, reason):
    result = check(answers)
    assert (result["healthy"], result["attempts"], result["reason"]) == (healthy, attempts, reason)


def test_a_run_of_good_answers_is_not_cut_off_by_the_deadline():
    result = check([BAD, GOOD], ends=4, consecutive=9)
    assert (result["healthy"], result["attempts"], result["retries"]) == (True, 10, 1)
    assert result["retry_reasons"] == ["status 503 instead of 200"]


def test_failures_are_asked_about_ever_more_slowly():
    time = Time()
    check([BAD], ends=40, time=time)
    assert time.pauses[:5] == [1.0, 1.5, 2.25, 3.375, 5.0]


def test_the_last_question_is_asked_at_the_deadline():
    time = Time()
    result = check([BAD, BAD, BAD, BAD, GOOD], ends=7, time=time, consecutive=1)
    assert (result["healthy"], time.now, time.pauses) == (True, 7.0, [1.0, 1.5, 2.25, 2.25])


def test_a_long_interval_does_not_become_shorter():
    time = Time()
    how = replace(patience(time), interval=9.0)
    health_wait.check_probe(PROBE, world_of(play([BAD])), how, 30)
    assert time.pauses == [9.0, 9.0, 9.0, 3.0]


def test_every_question_is_asked_over_a_connection_of_its_own():
    opened = []

    @contextlib.contextmanager
    def connect():
        opened.append(1)
        yield play([GOOD])

    world = replace(world_of(None), connect=connect)
    health_wait.check_all([replace(PROBE, samples=9, warmup=9)], world, patience(Time()))
    assert len(opened) == 3 + 1


def test_an_answer_that_takes_for_ever_is_not_waited_for():
    hanging = replace(PROBE, timeout=0.01)
    answer, reason = health_wait.ask(hanging, lambda _probe: time.sleep(60))
    assert (answer.status, reason) == (0, "no answer within 0.01 seconds")


def test_a_pattern_that_takes_for_ever_is_reported():
    expect = ({"path": "v", "matches": "(a+)+$"},)
    slow = Answer(200, 1.0, {}, '{"v": "%s!"}' % ("a" * 60))
    _answer, reason = health_wait.ask(replace(PROBE, timeout=0.05, expect_json=expect), lambda _probe: slow)
    assert reason == "the answer came, but judging it took longer than 0.05 seconds"


CONNECTION = Connection(("127.0.0.1", 50000), ("127.0.0.1", 3000))


@pytest.mark.parametrize(
    "url, connection, seen",
    [
        ("http://h:3000/", CONNECTION, CONNECTION),
        ("http://h:3000/", None, Connection(("", 0), ("h", 3000))),
        ("http://h/", None, Connection(("", 0), ("h", 80))),
        ("https://h/", None, Connection(("", 0), ("h", 443))),
    ],
)
def test_an_old_process_that_still_answers_is_not_the_app(url, connection, seen):
    asked = []

    def explain_owner(connection, pids):
        asked.append((connection, pids))
        return "port 3000 is answered by process 1" if len(asked) < 3 else ""

    probe = replace(PROBE, url=url, pids=(7,))
    world = world_of(play([replace(GOOD, connection=connection)]), explain_owner)
    result = health_wait.check_probe(probe, world, patience(Time()), 10)
    assert (result["healthy"], result["retries"]) == (True, 2)
    assert result["retry_reasons"] == ["port 3000 is answered by process 1"]
    assert asked[0] == (seen, (7,))
    assert result["peer"] == ("127.0.0.1:3000" if connection else "")


def test_the_address_that_was_reached_is_reported():
    over_ipv6 = replace(GOOD, connection=Connection(("::1", 5), ("::1", 3000)))
    assert check([over_ipv6])["peer"] == "[::1]:3000"


def sample(answers, run_all=None, time=None, deadline=10, **given):
    """Check one probe that takes samples, all of it, and return its result."""
    probe = Probe(name="x", url="http://h/", **given)
    world = world_of(answers if callable(answers) else play(answers))
    world = replace(world, run_all=run_all or world.run_all)
    return health_wait.check_all([probe], world, patience(time or Time(), deadline, 1))["probes"][0]


def test_samples_are_taken_after_the_warm_up():
    answers = [GOOD, Answer(200, 99.0), Answer(200, 99.0), BAD, GOOD]
    result = sample(answers, samples=4, warmup=2, response_time=True)
    assert result["latency"]["failed_share"] == 0.25
    assert result["measurements"]["response_time"] == {"value": 2.0, "low": 2.0, "high": 2.0, "samples": 3}


def test_samples_are_shared_out_among_the_connections():
    counts = []

    def run_all(jobs, _seconds):
        parts = [job() for job in jobs]
        counts.append([len(part) for part in parts])
        return parts

    result = sample([GOOD], run_all, samples=5, concurrency=3)
    assert (counts[1], result["latency"]["count"]) == ([2, 2, 1], 5)


def test_samples_of_a_connection_that_died_are_left_out():
    def run_all(jobs, _seconds):
        return [job() for job in jobs[:-1]] + [None] if len(jobs) > 1 else [jobs[0]()]

    assert sample([GOOD], run_all, samples=5, concurrency=3)["latency"]["count"] == 4


def test_no_more_connections_are_opened_than_there_are_samples():
    assert sample([GOOD], samples=1, concurrency=3)["latency"]["count"] == 1


def test_samples_that_are_not_taken_in_time_are_left_out():
    clock = Time()

    def fetch(_probe):
        clock.now += 1
        return GOOD

    assert sample(fetch, time=clock, deadline=8, samples=50)["latency"]["count"] == 8


def test_an_app_that_is_not_healthy_is_not_sampled():
    assert sample([BAD], samples=5, response_time=True)["latency"] == {}


@pytest.mark.parametrize(
    "response_time, answers, deadline, reasons",
    [
        (False, [GOOD], 9, []),
        (True, [GOOD, BAD], 9, ["x: response_time was not measured, status 503 instead of 200"]),
        (True, [GOOD], 0, ["x: response_time was not measured, no sample could be taken in time"]),
    ],
)
def test_a_response_time_needs_to_be_asked_for_and_answered(response_time, answers, deadline, reasons):
    result = sample(answers, deadline=deadline, samples=2, response_time=response_time)
    assert (result["measurements"], result["unmeasured"]) == ({}, reasons)


def check_all(answer_of, *probes, run_all=None, **more):
    world = world_of(answer_of, **more)
    return health_wait.check_all(probes, replace(world, run_all=run_all or world.run_all), patience(Time()))


def test_all_probes_must_be_healthy():
    other = Probe(name="other", url="http://h/x?token=y", measurements={"m": Measurement("v")})
    answers = {"health": BAD, "other": Answer(200, 1.0, {}, '{"v": 4}')}
    result = check_all(lambda probe: answers[probe.name], PROBE, other)
    assert (result["healthy"], result["reason"]) == (False, "health: status 503 instead of 200")
    assert [probe["url"] for probe in result["probes"]] == ["http://127.0.0.1/health", "http://h/x"]


def test_nobody_waits_for_a_probe_that_is_not_required_and_it_makes_no_app_ill():
    """It is asked when the others are good, once, and its own place in the result stays."""
    cache = Probe(name="cache", url="http://h/x", measurements={"m": Measurement("v")}, required=False)
    asked = []

    def fetch(probe):
        asked.append(probe.name)
        return BAD if probe.name == "cache" else GOOD

    result = check_all(fetch, cache, PROBE)
    assert asked == ["health"] * 3 + ["cache"]
    assert [(probe["name"], probe["attempts"]) for probe in result["probes"]] == [("cache", 1), ("health", 3)]
    assert (result["healthy"], [probe["healthy"] for probe in result["probes"]]) == (True, [False, True])
    assert [probe["required"] for probe in result["probes"]] == [False, True]


def test_measurements_of_all_probes_are_put_together():
    other = Probe(name="other", url="http://h/x", measurements={"m": Measurement("v"), "n": Measurement("w")})
    result = check_all(lambda _probe: Answer(200, 1.0, {}, '{"v": 4}'), other)
    assert (result["healthy"], result["measurements"]) == (True, {"m": 4.0})
    assert result["unmeasured"] == ["other: n was not measured, the JSON has no w"]


def test_counters_are_returned_and_those_that_could_not_be_read_are_kept():
    counted = Probe(name="c", url="http://h/x", measurements={"m": Measurement("v", counter=True)})
    earlier = {name: {"at": 1.0, "values": {"v": 1.0}, "epoch": ""} for name in ("m", "other")}
    result = check_all(lambda _probe: Answer(200, 1.0, {}, '{"v": 4}'), counted, counters=earlier, at=9.0)
    assert result["measurements"] == {"m": 3.0}
    assert result["counters"] == {"m": {"at": 9.0, "values": {"v": 4.0}, "epoch": ""}, "other": earlier["other"]}
    assert "counters" not in result["probes"][0]


def test_a_probe_that_does_not_come_to_an_end_is_reported():
    result = check_all(play([GOOD]), PROBE, run_all=lambda _jobs, _seconds: [None])
    assert result["reason"] == "health: the probe did not come to an end in 67 seconds"
    assert set(result["probes"][0]) >= {"status", "peer", "latency", "retry_reasons"}


def test_an_app_that_is_over_is_not_waited_for():
    """The process is asked for only after a bad answer, and a good one counts whatever is said of it."""
    said = ["", "PM2 has no process shop"]
    world = world_of(play([GOOD, BAD]), why_over=lambda: said.pop(0))
    found = health_wait.check_probe(PROBE, world, patience(Time()), 10)
    assert (found["attempts"], said) == (3, [])
    assert found["reason"] == "status 503 instead of 200; PM2 has no process shop"


def test_a_rule_is_inferred_from_the_good_answers_alone_or_kept_as_it_was_given():
    answers = [Answer(200, 1.0, {}, '{"status": "down"}'), Answer(200, 1.0, {}, '{"status": "up"}')]
    found = check(answers, replace(PROBE, rule={}))
    assert (found["healthy"], found["retry_reasons"]) == (True, ["status is 'down'"])
    assert found["rule"] == {"status": [200], "kind": "json", "values": {"status": ["up"]}}
    assert found["judged_by"] == "status 200 and JSON in which status is 'up'"
    assert check(answers, replace(PROBE, rule=found["rule"]))["rule"] == found["rule"]
    assert (check([GOOD])["rule"], check([BAD], replace(PROBE, rule={}))["rule"]) == ({}, {})


def test_the_socket_that_answered_is_reported():
    over_socket = replace(PROBE, socket="/run/shop.sock")
    assert [check([answer], over_socket)["peer"] for answer in (GOOD, Answer(0, 1.0))] == ["/run/shop.sock", ""]


def test_no_probes_are_no_problem():
    world = health_wait.World(None, None, lambda jobs, _bound: [])
    result = health_wait.check_all([], world, health_wait.Patience(0, 1, 0, lambda: 0.0, None))
    assert (result["healthy"], result["probes"], result["counters"]) == (True, [], {})
