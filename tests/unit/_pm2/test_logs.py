# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import logs
from ansible_collections.greenlight.release.plugins.module_utils._pm2.logs import LogMark

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*log-killed*")), ids=lambda path: path.stem)
def test_every_version_of_pm2_logs_whom_it_killed(recording):
    text = recording.read_text()
    assert logs.killed_pids(text) == {int(re.findall(r"pid=(\d+)", text)[0])}


@pytest.mark.parametrize(
    "before, after, since",
    [("one\n", "one\ntwo\n", "two\n"), ("one\n", "2\n", "2\n"), (None, "two\n", "two\n"), ("one\n", None, "")],
    ids=["grown", "started again", "new", "gone"],
)
def test_what_was_written_since_the_mark_is_read(tmp_path, before, after, since):
    log = tmp_path / "log"
    if before:
        log.write_text(before)
    mark = LogMark.of(log)
    if after:
        log.write_text(after)
    else:
        log.unlink()
    assert mark.since() == since


def test_of_a_long_log_only_the_end_is_read(tmp_path):
    log = tmp_path / "log"
    log.write_text("x" * 300_000 + "end")
    text = LogMark(log, 0).since()
    assert (len(text), text[-3:]) == (262_144, "end")


def test_the_last_lines_of_a_log_are_safe_to_print():
    text = "one\n\n    at frame (x.js:1)\n\x1b[31mtwo\x07\n" + "x" * 400 + "\n"
    assert logs.last_lines(text, count=2) == ["[31mtwo", "x" * 300]


@pytest.mark.parametrize(
    "line, shown", [("token=hunter2-long", "token=***"), ("x" * 292 + " token=hunter2-long", "x" * 292 + " token=*")]
)
def test_what_looks_like_a_secret_is_hidden_even_where_the_line_is_cut(line, shown):
    assert logs.last_lines(line) == [shown]


def test_a_pipe_that_was_planted_as_a_log_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "log")
    assert LogMark.of(tmp_path / "log").since() == ""


def test_the_logs_of_a_process_that_pm2_does_not_know_yet_are_marked_too(tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("shop-error.log", "notes.txt"):
        (tmp_path / "logs" / name).write_text("of an earlier start")
    marks = logs.LogMark.of_all(tmp_path, ["/elsewhere/shop.log"])
    marked = [(str(mark.path), mark.offset) for mark in marks]
    assert marked == [("/elsewhere/shop.log", 0), (str(tmp_path / "logs" / "shop-error.log"), 19)]
