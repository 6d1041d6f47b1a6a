# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import json
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
    result.pop("invocation")
    assert "hunter2" not in json.dumps(result)
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


def test_a_required_line_is_waited_for_and_its_absence_reported(run_module, log):
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


def test_a_rate_that_is_worse_gets_a_second_look(run_module, log):
    cursor = mark(run_module, log)
    append(log, '{"statusCode":200}\n' * 50 + '{"statusCode":500}\n' * 50)
    rates = {"error_rate": {"count": '"statusCode":5', "of": '"statusCode":'}}
    confirm = {"error_rate": {"events": 4, "samples": 4000, "line": 50, "floor": 0.05, "within": 0.2}}
    rate = check(run_module, log, cursor, rates=rates, confirm=confirm)["measurements"]["error_rate"]
    assert (rate["events"], rate["samples"], rate["fresh"]) == (50, 100, {"events": 0, "samples": 0})
    wrong = check(run_module, log, cursor, rates=rates, confirm={"error_rate": {"within": 1}})
    assert "confirm error_rate needs events, samples, line, floor, within" in wrong["msg"]


def test_a_catastrophic_pattern_ends_at_the_timeout(run_module, log):
    cursor = mark(run_module, log)
    append(log, "a" * 5000 + "!\n")
    result = check(run_module, log, cursor, forbid=[{"pattern": "(a+)+$", "regex": True}], timeout=1)
    assert "Reading the logs took longer than timeout while searching for '(a+)+$'" in result["msg"]


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe FATAL \xc3\n",
        b"\x1b[31mFA\x1b[0mTAL\x1b[2J\n",
        b"FA\x00TAL\n",
        b"FATAL\n" + b"fine\n" * 5000,
        b"FATAL without an end",
        b"y" * 3_000_000 + b"FATAL\n",
    ],
    ids=["invalid UTF-8", "colours", "NUL", "thousands of lines ago", "unfinished", "endless line"],
)
def test_nothing_hides_a_forbidden_line(run_module, log, text):
    cursor = mark(run_module, log)
    with log.open("ab") as file:
        file.write(text)
    result = check(run_module, log, cursor, forbid=[{"name": "n", "pattern": "FATAL"}], report_only=True)
    assert result["measurements"] == {"n": 1}
    shown = result["lines"]["n"]["last"]
    assert (shown.isprintable(), len(shown) <= 303) == (True, True)


def test_a_line_of_before_the_mark_is_no_success(run_module, log):
    cursor = mark(run_module, log)
    assert check(run_module, log, cursor, require=[{"pattern": "TypeError of old"}])["failed"] is True


def test_a_compressed_rotation_hides_nothing(run_module, log):
    cursor = mark(run_module, log)
    append(log, "FATAL\n")
    log.with_name("shop-out__2026-02-19_02-00-00.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.write_text("much more than what was there when it was marked\n")
    result = check(run_module, log, cursor, forbid=[{"name": "n", "pattern": "FATAL"}], report_only=True)
    assert (result["complete"], result["measurements"]) == (True, {"n": 1})


def test_a_log_that_does_not_exist_is_reported(run_module, tmp_path):
    missing = tmp_path / "no.log"
    result = run_module("log_assert", {"files": files(missing), "forbid": [{"pattern": "FATAL"}]})
    assert (result["failed"], f"the log {missing} does not exist" in result["msg"]) == (True, True)


def test_a_log_of_a_first_start_is_read_from_its_beginning(run_module, tmp_path):
    late = tmp_path / "late.log"
    cursor = mark(run_module, late)
    late.write_text("FATAL\n")
    result = run_module("log_assert", {"cursor": cursor, "count": [{"name": "n", "pattern": "FATAL"}]})
    assert (result["passed"], result["measurements"]) == (True, {"n": 1})


def test_lines_of_json_are_judged_by_a_field(run_module, log):
    cursor = mark(run_module, log)
    append(log, '{"level":30,"msg":"level 50 is not meant"}\n{"level":50,"msg":"broke"}\n')
    forbid = [{"name": "errors", "field": "level", "at_least": 50}]
    result = check(run_module, log, cursor, forbid=forbid, report_only=True)
    assert result["measurements"] == {"errors": 1}
    assert result["lines"]["errors"]["last"] == '{"level":50,"msg":"broke"}'
    ignore = [{"field": "msg", "equals": "broke"}]
    assert check(run_module, log, cursor, forbid=forbid, ignore=ignore)["passed"] is True


def test_a_link_that_leads_elsewhere_is_refused(run_module, log, tmp_path):
    (tmp_path / "planted.log").symlink_to("/etc/shadow")
    result = check(run_module, tmp_path / "planted.log", None, count=[{"pattern": "root"}])
    assert (result["failed"], "it must be a regular file" in result["msg"]) == (True, True)


def test_check_mode_reads_as_well(run_module, log):
    arguments = {"files": files(log), "forbid": [{"pattern": "TypeError"}]}
    assert run_module("log_assert", arguments, check=True)["failed"] is True


def of_process(run_module, pm2, **arguments):
    return run_module("log_assert", {"process": "sample-app", "pm2_home": str(pm2.home), **arguments})


def test_all_logs_of_a_process_are_read_by_its_name(run_module, pm2, running):
    cursor = of_process(run_module, pm2, state="mark")["cursor"]
    assert sorted(mark["stream"] for mark in cursor["files"]) == ["err", "out"]
    running.get("/api/items")
    count = [{"name": name, "pattern": '"/api/items"', "stream": name} for name in ("out", "err")]
    require = [{"field": "url", "equals": "/api/items"}]
    result = of_process(run_module, pm2, cursor=cursor, count=count, require=require, wait=20)
    assert (result["passed"], result["measurements"]) == (True, {"out": 1, "err": 0})


def test_every_instance_of_a_process_is_read(run_module, pm2, tmp_path):
    script = tmp_path / "talk.js"
    script.write_text("setInterval(() => console.error(`FATAL ${process.env.NODE_APP_INSTANCE}.`), 50);\n")
    pm2("start", script, "--name", "sample-app", "--instances", "2")
    require = [{"pattern": f"FATAL {number}.", "stream": "err"} for number in (0, 1)]
    result = of_process(run_module, pm2, require=require, wait=20)
    assert (result["passed"], len(result["cursor"]["files"])) == (True, 4)


def test_a_process_that_is_not_known_is_reported_but_a_cursor_is_enough(run_module, pm2, log):
    pm2("ping")
    result = of_process(run_module, pm2, state="mark")
    assert "PM2 knows no process called 'sample-app'" in result["msg"]
    result = of_process(run_module, pm2, cursor=mark(run_module, log), forbid=[{"pattern": "FATAL"}])
    assert (result["passed"], len(result["notes"])) == (True, 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"forbid": [{"pattern": "(", "regex": True}]}, "bad regular expression '('"),
        ({"cursor": {"version": 7}}, "cursor is not one that log_assert returned"),
        ({"files": [{"path": "/x"}]}, "missing required arguments: stream found in files"),
        ({"files": [{"path": "x", "stream": "out"}]}, "files needs mappings of an absolute path"),
        ({"forbid": [{"field": "level", "at_least": 50, "above": 40}]}, "field needs a path, no pattern, and one of"),
        ({"forbid": [{"pattern": "x"}], "count": [{"pattern": "x"}]}, "two rules are called 'x'"),
        ({"state": "mark", "files": None}, "There is no log to read; give files or process"),
        ({"files": [{"path": "/dev/zero", "stream": "out"}]}, "is not a regular file"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(run_module, log, arguments, message):
    result = run_module("log_assert", {"files": files(log), **arguments})
    assert (result["failed"], message in result["msg"]) == (True, True)
