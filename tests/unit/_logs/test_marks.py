# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import marks as logs_marks
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError

NOW = 1771466400.0


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "shop-out.log"
    path.write_text("old 1\nold 2\n")
    return path


def test_a_mark_is_at_the_end_of_a_log(log):
    mark = logs_marks.mark_file(log, "out", NOW)
    assert (mark["path"], mark["stream"], mark["at"], mark["offset"]) == (str(log), "out", NOW, 12)
    assert mark["inode"] == log.stat().st_ino


def test_a_log_that_does_not_exist_can_be_marked(tmp_path):
    mark = logs_marks.mark_file(tmp_path / "late.log", "err", NOW)
    assert (mark["inode"], mark["offset"], mark["stream"]) == (0, 0, "err")


def test_a_link_is_refused(tmp_path, log):
    (tmp_path / "link.log").symlink_to(log)
    with pytest.raises(LogError, match="link.log: .*; it must be a regular file"):
        logs_marks.mark_file(tmp_path / "link.log", "out", NOW)


def test_a_fifo_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.log")
    with pytest.raises(LogError, match="pipe.log is not a regular file"):
        logs_marks.mark_file(tmp_path / "pipe.log", "out", NOW)


@pytest.mark.parametrize("position", [0, 6000, 50_000, 99_990])
def test_a_fingerprint_covers_the_whole_of_a_log_in_spots(log, position):
    lines = b"GET /health 200\n" * 6250
    log.write_bytes(lines)
    before = logs_marks.mark_file(log, "out", NOW)
    log.write_bytes(lines[:position] + b"FATAL\n" + lines[position:])
    with logs_marks.open_log(log) as file:
        assert logs_marks.fingerprint(file, len(lines)) != before["fingerprint"]
        assert logs_marks.fingerprint(file, len(lines) + 7) == ""


@pytest.mark.parametrize("tail_bytes, offset", [(6, 6), (8, 6), (11, 6), (12, 0), (100, 0), (5, 12)])
def test_the_tail_of_a_log_begins_with_a_line(log, tail_bytes, offset):
    assert logs_marks.tail_file(log, "out", NOW, tail_bytes)["offset"] == offset


def test_the_tail_of_a_log_that_is_not_there_or_empty_begins_at_its_end(tmp_path):
    missing = tmp_path / "x.log"
    assert logs_marks.tail_file(missing, "out", NOW, 10) == logs_marks.mark_file(missing, "out", NOW)
    missing.write_text("")
    assert logs_marks.tail_file(missing, "out", NOW, 10) == logs_marks.mark_file(missing, "out", NOW)


def test_a_cursor_survives_being_made_and_checked(log):
    marks = [logs_marks.mark_file(log, "out", NOW)]
    assert logs_marks.check_cursor(logs_marks.make_cursor(marks, 1.5)) == marks


MARK = {"path": "/x", "stream": "out", "fingerprint": "", "device": 1, "inode": 1, "offset": 1, "at": 1.0}


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        {},
        {"version": 9, "at": 1, "files": []},
        {"version": 2, "files": []},
        {"version": 2, "at": "1", "files": []},
        {"version": 2, "at": 1, "files": [{"path": "x"}]},
        {"version": 2, "at": 1, "files": ["x"]},
        {"version": 2, "at": 1, "files": [{**MARK, "offset": "1"}]},
        {"version": 2, "at": 1, "files": [{**MARK, "offset": -1}]},
        {"version": 2, "at": 1, "files": [{**MARK, "offset": 1.5}]},
        {"version": 2, "at": 1, "files": [{**MARK, "path": 1}]},
        {"version": 2, "at": 1, "files": [{**MARK, "siblings": {"7": [-1, ""]}}]},
        {"version": 2, "at": 1, "files": [{**MARK, "siblings": {"7": 1}}]},
    ],
)
def test_a_cursor_of_somebody_else_is_refused(cursor):
    with pytest.raises(LogError, match="cursor is not one that log_assert returned"):
        logs_marks.check_cursor(cursor)


def test_a_cursor_between_two_others_knows_where_each_log_ended(log, tmp_path):
    late = tmp_path / "late.log"
    begin = logs_marks.make_cursor([logs_marks.mark_file(path, "out", NOW) for path in (log, late)], NOW)
    log.write_text("old 1\nold 2\nnew\n")
    end = logs_marks.make_cursor([logs_marks.mark_file(log, "out", NOW)], NOW)
    found = logs_marks.between(begin, end)
    status = log.stat()
    until = {"device": status.st_dev, "inode": status.st_ino, "offset": 16}
    assert found == {**begin, "files": [{**begin["files"][0], "until": until}, begin["files"][1]]}
    assert logs_marks.check_cursor(found) == found["files"]
    found["files"][0]["until"] = {**until, "offset": "16"}
    with pytest.raises(LogError):
        logs_marks.check_cursor(found)


@pytest.mark.parametrize("planted", ["a folder", "a second name"])
def test_root_reads_no_log_of_another_user_in_a_folder_of_the_app(tmp_path, owners, planted):
    for name, uid in (("shop", 12345), ("other", 23456)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.log").write_text(f"secret of {name}\n")
        owners.give(tmp_path / name / "app.log", uid)
        owners.give(tmp_path / name, uid)
    if planted == "a folder":
        (tmp_path / "shop" / "logs").symlink_to("../other")
        owners.give(tmp_path / "shop" / "logs", 12345)
        path, message = tmp_path / "shop" / "logs" / "app.log", "shop/logs is a link of uid 12345 to .*/other, which"
    else:
        path, message = tmp_path / "shop" / "app.log.1", "app.log.1 belongs to uid 23456, has 2 hard links, and lies in"
        path.hardlink_to(tmp_path / "other" / "app.log")
    with pytest.raises(logs_marks.NoLogError, match=f"The log .*{message}"):
        logs_marks.open_log(path)
    with logs_marks.open_log(tmp_path / "shop" / "app.log") as file:
        assert file.read() == b"secret of shop\n"
