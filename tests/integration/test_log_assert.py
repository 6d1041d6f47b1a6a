# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "shop-out.log"
    path.write_text("TypeError of old\n")
    return path


def files(log):
    return [{"path": str(log), "stream": "out"}]


def mark(run_module, log):
    return run_module("log_assert", {"state": "mark", "files": files(log)})["cursor"]


def check(run_module, log, cursor, **arguments):
    return run_module("log_assert", {"files": files(log), "cursor": cursor, **arguments})


def append(log, text):
    with log.open("a") as file:
        file.write(text)


def test_only_new_lines_are_judged(run_module, log):
    cursor = mark(run_module, log)
    forbid = [{"name": "critical_errors", "pattern": "TypeError"}]
    clean = check(run_module, log, cursor, forbid=forbid)
    assert (clean["passed"], clean["measurements"]) == (True, {"critical_errors": 0})
    append(log, "TypeError token=hunter2\n")
    result = check(run_module, log, cursor, forbid=forbid)
    assert (result["failed"], "token=***" in result["msg"]) == (True, True)
    assert "hunter2" not in result["msg"]
    assert check(run_module, log, result["cursor"], forbid=forbid)["passed"] is True


def test_kinds_of_the_baseline_are_not_new(run_module, log):
    forbid = [{"name": "critical_errors", "pattern": "TypeError", "new_kinds_only": True}]
    baseline = run_module("log_assert", {"files": files(log), "forbid": forbid, "report_only": True})
    cursor = mark(run_module, log)
    append(log, "TypeError of old\nTypeError of new\n")
    result = check(run_module, log, cursor, forbid=forbid, known_kinds=baseline["kinds"], report_only=True)
    assert result["measurements"] == {"critical_errors": 1}


def test_a_rotation_between_mark_and_check_hides_nothing(run_module, log):
    cursor = mark(run_module, log)
    append(log, "FATAL\n")
    os.rename(log, f"{log}.1")
    log.write_text("fine\n")
    result = check(run_module, log, cursor, forbid=[{"pattern": "FATAL"}], report_only=True)
    assert (result["passed"], result["complete"]) == (False, True)


def test_a_flushed_log_is_never_called_clean(run_module, log):
    cursor = mark(run_module, log)
    log.write_text("")
    result = check(run_module, log, cursor, forbid=[{"name": "n", "pattern": "FATAL"}])
    assert (result["failed"], result["complete"], result["measurements"]) == (True, False, {})
    assert "nobody can say that it holds no errors" in result["msg"]


def test_a_required_line_is_waited_for_and_its_absence_told(run_module, log):
    cursor = mark(run_module, log)
    absent = check(run_module, log, cursor, require=[{"pattern": "[Pool] up"}], wait=0.2)
    assert "[Pool] up: 0 lines, at least 1 are required" in absent["msg"]
    append(log, "[Pool] up\n")
    assert check(run_module, log, cursor, require=[{"pattern": "[Pool] up"}], wait=20)["passed"] is True


def test_a_rate_carries_its_interval(run_module, log):
    cursor = mark(run_module, log)
    append(log, '{"statusCode":200}\n' * 99 + '{"statusCode":500}\n')
    rates = {"error_rate": {"count": '"statusCode":5', "of": '"statusCode":'}}
    rate = check(run_module, log, cursor, rates=rates)["measurements"]["error_rate"]
    assert (rate["value"], rate["samples"], rate["low"] < 1 < rate["high"]) == (1.0, 100, True)


def test_a_catastrophic_pattern_ends_at_the_timeout(run_module, log):
    cursor = mark(run_module, log)
    append(log, "a" * 5000 + "!\n")
    result = check(run_module, log, cursor, forbid=[{"pattern": "(a+)+$", "regex": True}], timeout=1)
    assert "Reading the logs took longer than timeout" in result["msg"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"forbid": [{"pattern": "(", "regex": True}]}, "bad regular expression '('"),
        ({"cursor": {"version": 7}}, "cursor is not one that log_assert returned"),
        ({"files": [{"path": "/x"}]}, "files needs mappings of path and stream"),
        ({"files": [{"path": "/dev/zero", "stream": "out"}]}, "is not a regular file"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(run_module, log, arguments, message):
    result = run_module("log_assert", {"files": files(log), **arguments})
    assert (result["failed"], message in result["msg"]) == (True, True)
