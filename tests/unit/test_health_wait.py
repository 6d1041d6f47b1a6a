# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _health_wait
from ansible_collections.greenlight.release.plugins.module_utils._health import Answer, Probe

PROBE = Probe(name="health", url="http://127.0.0.1/health")
GOOD, BAD = Answer(200, 2.0, "", "{}"), Answer(503, 1.0)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


def patience(time, deadline=10, consecutive=3):
    return _health_wait.Patience(deadline, consecutive, 1.0, lambda: time.now, time.sleep)


def play(answers):
    """Return a fetch that gives these answers, the last one for ever."""
    queue = list(answers)
    return lambda _probe: queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.mark.parametrize(
    "answers, healthy, attempts, reason",
    [
        ([GOOD], True, 3, ""),
        ([BAD, BAD, GOOD], True, 5, ""),
        ([GOOD, GOOD, BAD, GOOD], True, 6, ""),
        ([BAD], False, 5, "status 503 instead of 200"),
        ([GOOD, BAD] * 9, False, 10, "status 503 instead of 200"),
    ],
)
def test_an_app_is_healthy_after_good_answers_in_a_row(answers, healthy, attempts, reason):
    result = _health_wait.check_probe(PROBE, play(answers), patience(Time()), ends=10)
    assert (result["healthy"], result["attempts"], result["reason"]) == (healthy, attempts, reason)


def test_a_run_of_good_answers_is_not_cut_off_by_the_deadline():
    result = _health_wait.check_probe(PROBE, play([BAD, GOOD]), patience(Time(), consecutive=9), ends=4)
    assert (result["healthy"], result["attempts"], result["retries"]) == (True, 10, 1)
    assert result["retry_reasons"] == ["status 503 instead of 200"]


def test_failures_are_asked_about_ever_more_slowly():
    time = Time()
    _health_wait.check_probe(PROBE, play([BAD]), patience(time), ends=40)
    assert time.pauses[:5] == [1.0, 1.5, 2.25, 3.375, 5.0]


def test_samples_are_taken_after_the_warm_up():
    probe = Probe(name="x", url="http://h/", samples=4, warmup=2, response_time=True)
    answers = [GOOD, GOOD, GOOD, Answer(200, 99.0), Answer(200, 99.0), BAD, GOOD]
    result = _health_wait.check_probe(probe, play(answers), patience(Time()), ends=10)
    assert result["latency"]["failed_share"] == 0.25
    assert result["measurements"]["response_time"] == {"value": 2.0, "low": 2.0, "high": 2.0, "samples": 3}


@pytest.mark.parametrize("response_time, answers", [(False, [GOOD]), (True, [GOOD, GOOD, GOOD, BAD])])
def test_a_response_time_needs_to_be_asked_for_and_answered(response_time, answers):
    probe = Probe(name="x", url="http://h/", samples=2, response_time=response_time)
    result = _health_wait.check_probe(probe, play(answers), patience(Time()), ends=10)
    assert result["measurements"] == {}


def test_all_probes_must_be_healthy():
    other = Probe(name="other", url="http://u:p@h/x", measurements={"m": {"path": "v"}})
    answers = {"health": BAD, "other": Answer(200, 1.0, "", '{"v": 4}')}
    result = _health_wait.check_all([PROBE, other], lambda probe: answers[probe.name], patience(Time()))
    assert (result["healthy"], result["reason"]) == (False, "health: status 503 instead of 200")
    assert [probe["url"] for probe in result["probes"]] == ["http://127.0.0.1/health", "http://h/x"]


def test_measurements_of_all_probes_are_put_together():
    other = Probe(name="other", url="http://h/x", measurements={"m": {"path": "v"}, "n": {"path": "w"}})
    result = _health_wait.check_all([other], lambda _probe: Answer(200, 1.0, "", '{"v": 4}'), patience(Time()))
    assert (result["healthy"], result["measurements"]) == (True, {"m": 4.0})
    assert result["unmeasured"] == ["other: n was not measured, the JSON has no w"]
