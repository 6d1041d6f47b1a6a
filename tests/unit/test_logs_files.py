# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _logs_files
from ansible_collections.greenlight.release.plugins.module_utils._logs import LogError


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "shop-out.log"
    path.write_text("old 1\nold 2\n")
    return path


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def lines_since(mark, path):
    pieces, complete = _logs_files.pieces_since(mark, _logs_files.mark_file(path, "out"))
    return [line.decode() for piece in pieces for line in _logs_files.read_lines(piece)], complete


def test_only_what_was_written_since_is_read(log):
    mark = _logs_files.mark_file(log, "out")
    append(log, "new 1\nnew 2\n")
    assert lines_since(mark, log) == (["new 1", "new 2"], True)


def test_what_is_written_after_the_second_mark_is_left_for_the_next_reading(log):
    first = _logs_files.mark_file(log, "out")
    append(log, "new 1\n")
    second = _logs_files.mark_file(log, "out")
    append(log, "new 2\n")
    pieces, _complete = _logs_files.pieces_since(first, second)
    assert [list(_logs_files.read_lines(piece)) for piece in pieces] == [[b"new 1"]]


def rename(log):
    os.rename(log, f"{log}.1")


def rename_for_pm2_logrotate(log):
    os.rename(log, log.with_name("shop-out__2026-02-19_02-00-00.log"))


def copy_and_truncate(log):
    log.with_name("shop-out.log.1").write_bytes(log.read_bytes())
    log.write_text("")


def compress(log):
    log.with_name("shop-out.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()


@pytest.mark.parametrize("rotate", [rename, rename_for_pm2_logrotate, copy_and_truncate, compress])
def test_a_rotation_loses_no_line(log, rotate):
    mark = _logs_files.mark_file(log, "out")
    append(log, "before\n")
    rotate(log)
    append(log, "after\n")
    assert lines_since(mark, log) == (["before", "after"], True)


def test_several_rotations_lose_no_line(log):
    mark = _logs_files.mark_file(log, "out")
    for number in (1, 2, 3):
        append(log, f"line {number}\n")
        rotated = log.with_name(f"shop-out.log.{4 - number}")
        os.rename(log, rotated)
        os.utime(rotated, (number, number))
    assert lines_since(mark, log) == (["line 1", "line 2", "line 3"], True)


def test_a_flushed_log_that_grew_past_the_mark_is_known_to_have_a_gap(log):
    mark = _logs_files.mark_file(log, "out")
    log.write_text("something else that is longer than before\n")
    assert lines_since(mark, log) == (["something else that is longer than before"], False)


def test_a_log_that_vanished_has_a_gap(log):
    mark = _logs_files.mark_file(log, "out")
    log.unlink()
    assert lines_since(mark, log) == ([], False)


def test_siblings_that_are_no_rotation_are_passed_over(log):
    mark = _logs_files.mark_file(log, "out")
    log.with_name("shop-out.log.2.gz").write_bytes(b"not gzip")
    log.with_name("shop-out.log.3").mkdir()
    log.write_text("")
    assert lines_since(mark, log) == ([], False)


def test_a_log_that_did_not_exist_yet_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "late.log"
    mark = _logs_files.mark_file(path, "err")
    assert (mark["inode"], mark["stream"]) == (0, "err")
    assert lines_since(mark, path) == ([], True)
    path.write_text("first\n")
    assert lines_since(mark, path) == (["first"], True)


def test_a_log_in_a_folder_that_does_not_exist_has_no_lines(tmp_path):
    path = tmp_path / "none" / "x.log"
    assert lines_since(_logs_files.mark_file(path, "out"), path) == ([], True)


def test_a_link_is_refused(tmp_path, log):
    (tmp_path / "link.log").symlink_to(log)
    with pytest.raises(LogError, match="link.log: .*; it must be a regular file"):
        _logs_files.mark_file(tmp_path / "link.log", "out")


def test_a_fifo_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.log")
    with pytest.raises(LogError, match="pipe.log is not a regular file"):
        _logs_files.mark_file(tmp_path / "pipe.log", "out")


def test_an_endless_line_is_cut(log):
    log.write_bytes(b"x" * 200_000 + b"\nend")
    lines = list(_logs_files.read_lines(_logs_files.Piece(log, 0)))
    assert [len(line) for line in lines] == [65536, 3]


def test_a_file_that_vanished_has_no_lines(tmp_path):
    assert list(_logs_files.read_lines(_logs_files.Piece(tmp_path / "x", 0))) == []


@pytest.mark.parametrize("tail_bytes, expected", [(6, ["old 2"]), (100, ["old 1", "old 2"])])
def test_the_tail_of_a_log_begins_so_many_bytes_before_its_end(log, tail_bytes, expected):
    end = _logs_files.mark_file(log, "out")
    assert lines_since(_logs_files.tail_mark(end, tail_bytes), log) == (expected, True)


def test_the_tail_of_a_log_that_does_not_exist_is_empty(tmp_path):
    mark = _logs_files.tail_mark(_logs_files.mark_file(tmp_path / "x.log", "out"), 10)
    assert lines_since(mark, tmp_path / "x.log") == ([], True)


def test_a_cursor_survives_being_made_and_checked(log):
    marks = [_logs_files.mark_file(log, "out")]
    assert _logs_files.check_cursor(_logs_files.make_cursor(marks, 1.5)) == marks


@pytest.mark.parametrize("cursor", [None, {}, {"version": 9, "files": []}, {"version": 1, "files": [{"path": "x"}]}])
def test_a_cursor_of_somebody_else_is_refused(cursor):
    with pytest.raises(LogError, match="cursor is not one that log_assert returned"):
        _logs_files.check_cursor(cursor)
