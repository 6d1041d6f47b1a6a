# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import check as logs_check
from ansible_collections.greenlight.release.plugins.module_utils._logs import marks
from ansible_collections.greenlight.release.plugins.module_utils._logs import rules as logs_rules
from ansible_collections.greenlight.release.plugins.module_utils._logs import scan as logs_scan

NOW = 1771466400.0


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "shop-out.log"
    path.write_text("old FATAL\n")
    return path


def append(path, text):
    with path.open("a") as file:
        file.write(text)


class World:
    """A clock that only sleeping moves, and what happens while one sleeps."""

    def __init__(self, *events):
        self.now = 0.0
        self.events = list(events)
        self.time = logs_check.Time(lambda: NOW + self.now, lambda: self.now, self.sleep)

    def sleep(self, seconds):
        self.now += seconds
        if self.events:
            self.events.pop(0)()


def scan_of(**given):
    rules = {kind: logs_rules.parse_rules(kind, given.get(kind, [])) for kind in ("require", "forbid", "count")}
    return logs_scan.Scan(logs_rules.Rules(**rules), {})


def check(path, cursor=None, wait=0, allow_missing=False, world=None, tail_bytes=100, stream="out", **given):
    world = world or World()
    scan = scan_of(**given)
    begin = logs_check.begin([(str(path), stream)] if path else [], cursor, tail_bytes, NOW)
    reading = logs_check.read(scan, begin, wait, allow_missing, world.time)
    return logs_check.describe(scan, reading, cursor and cursor["at"], allow_missing, NOW + world.now)


def cursor_of(path):
    return marks.make_cursor([marks.mark_file(path, "out", NOW)], NOW)


FATAL = [{"name": "fatal", "pattern": "FATAL"}]
READY = [{"name": "ready", "pattern": "ready"}]


def test_without_a_cursor_the_end_of_a_log_is_judged(log):
    assert check(log, forbid=FATAL)["measurements"] == {"fatal": 1}
    assert check(log, forbid=FATAL, tail_bytes=0)["measurements"] == {"fatal": 0}


def test_what_is_not_ready_is_waited_for_and_every_line_counts_once(log):
    cursor = cursor_of(log)
    world = World(lambda: append(log, "FATAL rea"), lambda: append(log, "dy\n"))
    result = check(log, cursor, wait=5, world=world, require=READY, count=FATAL)
    assert (result["passed"], world.now, result["measurements"]) == (True, 1.0, {"fatal": 1})
    assert check(log, result["cursor"], count=FATAL)["measurements"] == {"fatal": 0}


def test_a_last_line_without_an_end_is_judged_as_it_is_and_again_when_it_is_whole(log):
    cursor = cursor_of(log)
    append(log, "FATAL")
    result = check(log, cursor, forbid=FATAL)
    assert result["measurements"] == {"fatal": 1}
    append(log, " error\n")
    assert check(log, result["cursor"], forbid=FATAL)["lines"]["fatal"]["last"] == "FATAL error"


def test_a_rotation_while_waiting_loses_no_line(log):
    cursor = cursor_of(log)
    world = World(lambda: append(log, "FATAL\n"), lambda: log.rename(f"{log}.1"), lambda: append(log, "ready\n"))
    result = check(log, cursor, wait=9, world=world, require=READY, forbid=FATAL)
    assert (result["complete"], result["measurements"]) == (True, {"fatal": 1})


def test_a_line_that_never_comes_is_waited_for_until_the_time_is_up(log):
    world = World()
    result = check(log, cursor_of(log), wait=1.2, world=world, require=READY)
    assert (result["passed"], round(world.now, 3)) == (False, 1.2)
    assert result["reason"] == "ready: 0 lines, at least 1 are required"


def test_a_log_that_does_not_exist_is_waited_for_and_reported(tmp_path):
    missing = tmp_path / "x.log"
    result = check(missing, cursor_of(missing), forbid=FATAL)
    assert (result["passed"], result["complete"], result["measurements"]) == (False, False, {})
    assert f"the log {missing} does not exist; correct its path, or set allow_missing" in result["reason"]
    world = World(lambda: append(missing, "FATAL\n"))
    result = check(missing, cursor_of(missing), wait=5, world=world, count=FATAL)
    assert (result["complete"], result["measurements"], world.now) == (True, {"fatal": 1}, 0.5)


def test_a_log_may_be_missing_where_that_is_allowed(tmp_path):
    world = World()
    result = check(tmp_path / "x.log", None, 5, True, world, forbid=FATAL)
    assert (result["passed"], result["measurements"], world.now) == (True, {"fatal": 0}, 0.0)


def test_no_log_at_all_is_never_called_clean():
    result = check(None, forbid=FATAL)
    assert (result["passed"], result["complete"], result["measurements"]) == (False, False, {})
    assert "there is no log to read" in result["reason"]


def test_a_log_that_the_cursor_does_not_know_is_read_from_its_beginning_and_reported(log, tmp_path):
    other = tmp_path / "other.log"
    other.write_text("FATAL\n")
    result = check(other, cursor_of(log), forbid=FATAL)
    assert (result["measurements"], result["notes"]) == (
        {"fatal": 1},
        [f"{other} was not marked, so all of it was read"],
    )
    assert len(result["cursor"]["files"]) == 2


def test_a_log_that_loses_lines_while_it_is_read_is_no_proof(log, monkeypatch):
    cursor = cursor_of(log)
    append(log, "fine\n")

    def lose(_piece):
        raise logs_check.LostLinesError("a log was truncated while it was read")

    monkeypatch.setattr(logs_check.logs_files, "read_chunks", lose)
    result = check(log, cursor, forbid=FATAL)
    assert (result["complete"], result["measurements"]) == (False, {})


def test_lines_behind_a_gap_are_judged_all_the_same(log):
    cursor = cursor_of(log)
    log.write_text("FATAL, and longer than all before\n")
    result = check(log, cursor, forbid=FATAL)
    assert (result["complete"], result["lines"]["fatal"]["count"]) == (False, 1)
    assert result["gap"].startswith(f"lines of {log} are missing, as it was emptied, moved elsewhere, deleted")
    again = check(log, result["cursor"], forbid=FATAL)
    assert (again["complete"], again["gap"], again["measurements"]) == (True, "", {"fatal": 0})


def test_a_log_that_is_gone_is_a_gap_and_no_log_at_all_too(log):
    cursor = cursor_of(log)
    log.unlink()
    assert check(log, cursor)["gap"].startswith(f"lines of {log} are missing")
    assert check(None)["gap"] == "there is no log to read"


def test_rates_per_hour_are_over_the_time_since_the_cursor(log):
    cursor = {**cursor_of(log), "at": NOW - 7200}
    append(log, "FATAL\n" * 6)
    result = check(log, cursor, count=[{**FATAL[0], "per": "hour"}])
    assert (result["span_seconds"], result["measurements"]) == (7200.0, {"fatal": 3.0})


def test_a_log_of_both_streams_is_judged_by_the_rules_of_each(log):
    rules = [{"name": stream, "pattern": "FATAL", "stream": stream} for stream in ("out", "err")]
    assert check(log, stream="both", count=rules)["measurements"] == {"out": 1, "err": 1}
    assert check(log, stream="out", count=rules)["measurements"] == {"out": 1, "err": 0}


@pytest.mark.parametrize("tail_bytes, known", [(1000, 3), (45, 2), (5, 1)])
def test_kinds_in_rotated_logs_are_known_too_as_far_as_one_reads_back(log, tail_bytes, known):
    for name, line in (("shop-out.log.2", "FATAL of last week\n"), ("shop-out.log.1", "FATAL of yesterday\n")):
        log.with_name(name).write_text(line)
        os.utime(log.with_name(name), (NOW - int(name[-1]), NOW - int(name[-1])))
    scan = scan_of(forbid=FATAL, count=[{"name": "n", "pattern": "FATAL"}])
    logs_check.learn(scan, [(str(log), "out"), ("/gone.log", "err")], tail_bytes)
    begin = logs_check.begin([(str(log), "out")], None, 100, NOW)
    logs_check.read(scan, begin, 0, False, World().time)
    assert len(scan.kinds_found()["fatal"]) == known
    assert (scan.tallies["fatal"].count, scan.tallies["n"].count) == (1, 1)
