# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import watchdog


class Broken(Exception):
    """What the work may raise."""


def fail():
    raise Broken("it is broken")


def hang():
    signal.pause()


def run(work, **settings):
    return watchdog.run_watched(work, settings.pop("timeout", 30), Broken, **settings)


def test_what_the_work_returns_comes_back():
    assert run(lambda: {"rows": 3, "big": "x" * 300000}) == {"rows": 3, "big": "x" * 300000}


def test_what_the_work_raises_comes_back():
    with pytest.raises(Broken, match="it is broken"):
        run(fail)


def test_work_that_does_not_move_is_killed():
    seen = []

    def used(pid):
        seen.append(pid)
        return 1.0

    ticks = iter(range(0, 10000, 20))
    with pytest.raises(watchdog.GivenUp, match="nothing has moved for 30 seconds, as when the storage does not answer"):
        run(hang, used=used, clock=lambda: next(ticks))
    assert os.waitpid(seen[0], 0)[1] == signal.SIGKILL


def test_work_that_moves_slowly_is_waited_for():
    moments = iter(range(1000))

    def used(_pid):
        return float(next(moments))

    def work():
        # As long as two checks by the waiting process.
        time.sleep(2.2 * watchdog._POLL_SECONDS)
        return "done"

    assert run(work, timeout=0.1, used=used) == "done"


def test_a_process_that_is_gone_when_it_is_read_is_no_error():
    def used(_pid):
        raise ProcessLookupError

    def work():
        time.sleep(1.2 * watchdog._POLL_SECONDS)
        return "done"

    assert run(work, used=used) == "done"


def test_work_that_dies_is_reported():
    with pytest.raises(watchdog.GivenUp, match="it was killed, perhaps by the system"):
        run(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_bug_in_the_work_is_no_result(capfd):
    with pytest.raises(
        watchdog.GivenUp, match="it met an error that it does not know, ZeroDivisionError: division by zero; please"
    ):
        run(lambda: 1 / 0)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_the_processor_time_of_another_process_is_known():
    used = []

    def work():
        return sum(range(300000))

    def look(pid):
        used.append(watchdog.processor_time(pid))
        return used[-1]

    assert run(lambda: (work(), time.sleep(1.2 * watchdog._POLL_SECONDS))[0], used=look) == sum(range(300000))
    assert used[0] > 0
