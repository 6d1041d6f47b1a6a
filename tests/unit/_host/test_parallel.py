# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import parallel


def test_an_action_in_time_gives_its_result_and_no_alarm_follows():
    assert parallel.within(60, lambda: 7) == 7
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_action_that_hangs_is_interrupted():
    with pytest.raises(parallel.TooSlowError):
        parallel.within(0.01, lambda: time.sleep(60))


def test_an_action_that_swallows_the_first_interruption_is_interrupted_again(monkeypatch):
    monkeypatch.setattr(parallel, "_AGAIN", 0.01)

    def swallow():
        try:
            time.sleep(60)
        except parallel.TooSlowError:
            time.sleep(60)

    with pytest.raises(parallel.TooSlowError):
        parallel.within(0.01, swallow)


def test_an_alarm_that_comes_when_all_is_done_harms_nobody(monkeypatch):
    handlers = []
    monkeypatch.setattr(signal, "signal", lambda _number, handler: handlers.append(handler))
    assert parallel.within(60, lambda: 7) == 7
    assert handlers[0](signal.SIGALRM, None) is None


def test_jobs_run_at_the_same_time():
    one, other = os.pipe(), os.pipe()

    def first():
        os.write(one[1], b"1")
        return os.read(other[0], 1).decode()

    def second():
        os.write(other[1], b"2")
        return os.read(one[0], 1).decode()

    # Each waits for the other, so one after the other they would never end.
    assert parallel.run_all([first, second], 60) == ["2", "1"]
    for descriptor in (*one, *other):
        os.close(descriptor)


def test_a_result_may_be_large():
    assert parallel.run_all([lambda: "x" * 1_000_000], 60) == ["x" * 1_000_000]


@pytest.mark.parametrize(
    "job, seconds",
    [(lambda: os._exit(3), 60), (lambda: time.sleep(600), 3), (lambda: os.kill(os.getpid(), 9), 60)],
    ids=["dies", "hangs", "is killed"],
)
def test_a_job_that_dies_or_hangs_has_no_result_and_holds_up_no_other(job, seconds):
    assert parallel.run_all([job, lambda: 2], seconds) == [None, 2]
