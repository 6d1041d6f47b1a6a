# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import random

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import files, marks
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError

NOW = 1771466400.0


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "shop-out.log"
    path.write_text("old 1\nold 2\n")
    return path


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def mark_of(path, at=NOW):
    return files.mark_log(path, "out", at)


def read(mark, at=NOW, rest=False):
    """Return the lines since a mark, whether they are all, and the mark behind them."""
    with contextlib.ExitStack() as stack:
        since = files.open_since(stack, mark, at)
        pieces = [*since.pieces, since.rest] if rest and since.rest else since.pieces
        text = b"".join(chunk for piece in pieces for chunk in files.read_chunks(piece))
        return text.decode().splitlines(), since.complete, since.end


def lines_since(mark, **options):
    return read(mark, **options)[:2]


def test_only_what_was_written_since_is_read(log):
    mark = mark_of(log)
    append(log, "new 1\nnew 2\n")
    assert lines_since(mark) == (["new 1", "new 2"], True)


def test_reading_goes_on_where_it_ended(log):
    append(log, "new 1\n")
    _lines, _complete, end = read(mark_of(log))
    append(log, "new 2\n")
    assert lines_since(end) == (["new 2"], True)


def test_a_line_without_an_end_is_left_for_later(log):
    mark = mark_of(log)
    append(log, "whole\nnot yet")
    lines, _complete, end = read(mark)
    assert lines == ["whole"]
    assert lines_since(mark, rest=True) == (["whole", "not yet"], True)
    append(log, " whole\n")
    assert lines_since(end) == (["not yet whole"], True)


def test_a_mark_within_a_line_is_put_before_it(log):
    append(log, "FA")
    mark = mark_of(log)
    lines, _complete, end = read(mark)
    assert (lines, end["offset"]) == ([], mark["offset"])
    append(log, "TAL\n")
    assert lines_since(mark) == (["FATAL"], True)


def rename(log):
    os.rename(log, f"{log}.1")


def rename_with_date(log):
    os.rename(log, f"{log}-20260219")


def rename_for_pm2_logrotate(log):
    os.rename(log, log.with_name("shop-out__2026-02-19_02-00-00.log"))


def copy_and_truncate(log):
    log.with_name("shop-out.log.1").write_bytes(log.read_bytes())
    log.write_text("")


def compress(log):
    log.with_name("shop-out.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()


def compress_for_pm2_logrotate(log):
    log.with_name("shop-out__2026-02-19_02-00-00.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.write_text("")


ROTATIONS = [
    rename,
    rename_with_date,
    rename_for_pm2_logrotate,
    copy_and_truncate,
    compress,
    compress_for_pm2_logrotate,
]


@pytest.mark.parametrize("after", ["after\n", "after, and much longer than all that was there before\n" * 9])
@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_rotation_loses_no_line_also_when_the_new_log_grew_past_the_mark(log, rotate, after):
    mark = mark_of(log)
    append(log, "before\n")
    rotate(log)
    append(log, after)
    assert lines_since(mark) == (["before", *after.splitlines()], True)


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_rotation_of_a_log_that_was_empty_when_it_was_marked_loses_no_line(log, rotate):
    log.with_name("shop-out.log.7").write_text("long ago\n")
    os.utime(log.with_name("shop-out.log.7"), (1, 1))
    log.write_text("")
    mark = mark_of(log)
    append(log, "before\n")
    rotate(log)
    append(log, "after\n")
    assert lines_since(mark) == (["before", "after"], True)


def test_several_rotations_lose_no_line(log):
    mark = mark_of(log)
    for number in (1, 2, 3):
        append(log, f"line {number}\n")
        rotated = log.with_name(f"shop-out.log.{4 - number}")
        os.rename(log, rotated)
        os.utime(rotated, (number, number))
    assert lines_since(mark) == (["line 1", "line 2", "line 3"], True)


def test_a_renamed_log_that_still_grows_is_read_on_until_there_is_a_new_one(log):
    mark = mark_of(log)
    rename(log)
    append(log.with_name("shop-out.log.1"), "one\n")
    lines, complete, end = read(mark)
    assert (lines, complete) == (["one"], True)
    append(log.with_name("shop-out.log.1"), "two\n")
    log.write_text("three\n")
    assert lines_since(end) == (["two", "three"], True)


def test_a_compressed_log_is_not_read_twice_while_there_is_no_new_one(log):
    mark = mark_of(log)
    append(log, "one\n")
    compress(log)
    now = log.with_name("shop-out.log.1.gz").stat().st_mtime
    lines, complete, end = read(mark, at=now)
    assert (lines, complete) == (["one"], True)
    log.write_text("two\n")
    assert lines_since(end) == (["two"], True)


def test_a_compressed_file_next_to_the_plain_one_is_not_finished_and_not_read(log):
    mark = mark_of(log)
    append(log, "one\n")
    rename(log)
    log.with_name("shop-out.log.1.gz").write_bytes(gzip.compress(b"half of i")[:-6])
    assert lines_since(mark) == (["one"], True)


def test_a_damaged_compressed_log_is_a_gap(log):
    log.write_text("")
    mark = mark_of(log)
    log.unlink()
    log.with_name("shop-out.log.1.gz").write_bytes(gzip.compress(b"one\n" * 1000)[:-20])
    with pytest.raises(files.LostLinesError, match="damaged"):
        read(mark)


def test_a_log_that_shrinks_while_it_is_read_is_a_gap(log):
    with marks.open_log(log) as file:
        with pytest.raises(files.LostLinesError, match="truncated while it was read"):
            list(files.read_chunks(files.Piece(file, 0, 99)))


def test_a_flushed_log_that_grew_past_the_mark_is_known_to_have_a_gap(log):
    mark = mark_of(log)
    log.write_text("something else that is longer than before\n")
    assert lines_since(mark) == (["something else that is longer than before"], False)


def test_a_log_of_equal_lines_that_was_flushed_and_grew_is_known_to_have_a_gap(log):
    log.write_text("GET /health 200\n" * 9000)
    mark = mark_of(log)
    log.write_text("GET /health 200\n" * 3000 + "FATAL\n" + "GET /health 200\n" * 9000)
    lines, complete = lines_since(mark)
    assert ("FATAL" in lines, complete) == (True, False)


def test_a_log_that_was_empty_written_to_and_flushed_has_a_gap(log):
    log.write_text("")
    os.utime(log, (1, 1))
    mark = mark_of(log)
    assert lines_since(mark) == ([], True)
    append(log, "FATAL\n")
    log.write_text("")
    assert lines_since(mark) == ([], False)


def test_a_log_that_vanished_has_a_gap(log):
    mark = mark_of(log)
    log.unlink()
    lines, complete, end = read(mark)
    assert (lines, complete, end["inode"]) == ([], False, 0)


def test_an_empty_log_that_was_replaced_has_a_gap(log):
    log.write_text("")
    mark = mark_of(log)
    os.rename(log, log.with_name("elsewhere"))
    log.write_text("new\n")
    assert lines_since(mark) == (["new"], False)


def test_an_empty_log_that_was_renamed_has_none(log):
    log.write_text("")
    os.utime(log, (1, 1))
    mark = mark_of(log)
    rename(log)
    log.write_text("new\n")
    assert lines_since(mark) == (["new"], True)


def test_siblings_that_are_no_rotation_are_skipped(log):
    mark = mark_of(log)
    log.with_name("shop-out.log.2.gz").write_bytes(b"not gzip")
    log.with_name("shop-out.log.3").mkdir()
    log.with_name("shop-out.log.4").symlink_to("/dev/zero")
    os.mkfifo(log.with_name("shop-out.log.5"))
    log.write_text("")
    assert lines_since(mark) == ([], False)


def test_a_log_that_did_not_exist_yet_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "late.log"
    (tmp_path / "late.log.1").write_text("long ago\n")
    os.utime(tmp_path / "late.log.1", (1, 1))
    mark = mark_of(path)
    assert lines_since(mark) == ([], True)
    path.write_text("first\n")
    assert lines_since(mark) == (["first"], True)
    rename(path)
    path.write_text("second\n")
    assert lines_since(mark) == (["first", "second"], True)


def test_a_log_in_a_folder_that_does_not_exist_has_no_lines(tmp_path):
    assert lines_since(mark_of(tmp_path / "none" / "x.log")) == ([], True)


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch, log):
    mark = mark_of(log)
    log.unlink()

    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(LogError, match="Cannot search for rotated files in .*: Permission denied"):
        read(mark)


def test_chunks_are_whole_lines_and_a_line_longer_than_a_chunk_comes_in_parts(log):
    size = files.CHUNK
    short = b"x" * 99 + b"\n"
    text = short * (size // 50) + b"y" * (3 * size) + b"\nend"
    log.write_bytes(text)
    with marks.open_log(log) as file:
        chunks = list(files.read_chunks(files.Piece(file, 0, len(text))))
    assert b"".join(chunks) == text
    assert max(map(len, chunks)) <= 2 * size
    assert [chunk for chunk in chunks if b"x" in chunk and not chunk.endswith(b"\n")] == []


def test_the_end_of_the_last_line_is_not_searched_in_an_endless_one(log):
    log.write_bytes(b"a\n" + b"y" * (2 * files.CHUNK))
    mark = mark_of(log)
    assert read({**mark, "offset": 0})[2]["offset"] == mark["offset"]


EQUAL = "GET /health 200\n" * 100


def test_a_marked_log_of_equal_lines_that_was_renamed_twice_is_found_by_its_inode(log):
    log.write_text(EQUAL)
    mark = mark_of(log)
    append(log, "FATAL\n")
    os.rename(log, log.with_name("shop-out.log.2"))
    os.utime(log.with_name("shop-out.log.2"), (NOW + 1, NOW + 1))
    log.with_name("shop-out.log.1").write_text(EQUAL)
    log.write_text("after\n")
    assert lines_since(mark) == (["FATAL", *EQUAL.splitlines(), "after"], True)


def test_a_log_of_equal_lines_that_was_copied_and_grew_past_the_mark_loses_no_line(log):
    log.write_text(EQUAL)
    mark = mark_of(log)
    append(log, "FATAL\n")
    copy_and_truncate(log)
    append(log, EQUAL + "after\n")
    assert lines_since(mark) == (["FATAL", *EQUAL.splitlines(), "after"], True)


def until(mark, end):
    return {**mark, "until": {key: end[key] for key in ("device", "inode", "offset")}}


@pytest.mark.parametrize("rotate", [lambda _log: None, rename, rename_with_date, rename_for_pm2_logrotate])
def test_what_was_written_after_the_end_is_not_read_also_after_a_rotation(log, rotate):
    mark = mark_of(log)
    append(log, "between\n")
    end = mark_of(log)
    append(log, "later\n")
    rotate(log)
    append(log, "much later\nand not whole")
    assert read(until(mark, end), rest=True)[:2] == (["between"], True)
    assert read(until(mark, mark), rest=True)[0] == []


def test_a_log_that_did_not_exist_at_the_end_has_nothing_before_it(tmp_path):
    mark = mark_of(tmp_path / "late.log")
    append(tmp_path / "late.log", "later\n")
    assert read(until(mark, mark))[0] == []


def test_a_log_whose_end_is_in_no_file_any_more_is_read_whole(log):
    mark = mark_of(log)
    append(log, "between\n")
    end = {**mark_of(log), "inode": 1}
    assert read(until(mark, end))[0] == ["between"]


def test_a_compressed_log_is_read_to_the_end_of_what_was_marked(log):
    mark = mark_of(log)
    append(log, "between\n")
    with gzip.open(f"{log}.1.gz", "wb") as file:
        file.write(log.read_bytes())
    log.unlink()
    inode = os.stat(f"{log}.1.gz").st_ino
    assert read(until(mark, {**mark_of(log), "inode": inode, "device": mark["device"], "offset": 20}))[0] == ["between"]


@pytest.mark.parametrize("current", ["", "other\n"])
def test_an_app_that_still_writes_to_a_renamed_log_is_heard_from_the_mark_on(log, current):
    rename(log)
    log.write_text(current)
    mark = mark_of(log)
    assert lines_since(mark) == ([], True)
    append(log.with_name("shop-out.log.1"), "late 1\n")
    lines, complete, end = read(mark)
    assert (lines, complete) == (["late 1"], True)
    append(log.with_name("shop-out.log.1"), "late 2\n")
    append(log, "new\n")
    assert lines_since(end) == (["late 2", "new"], True)


def test_late_lines_of_older_logs_are_read_when_the_marked_one_was_renamed_too(log):
    os.rename(log, log.with_name("shop-out.log.2"))
    log.write_text("old 3\n")
    mark = mark_of(log)
    append(log.with_name("shop-out.log.2"), "late\n")
    append(log, "new\n")
    os.utime(log.with_name("shop-out.log.2"), (NOW + 1, NOW + 1))
    rename(log)
    assert lines_since(mark) == (["late", "new"], True)


def test_another_file_that_got_the_inode_of_a_rotated_one_is_read_whole(log):
    rename(log)
    log.write_text("")
    mark = mark_of(log)
    log.with_name("shop-out.log.1").write_text("one\ntwo\nthree\n")
    assert lines_since(mark) == (["one", "two", "three"], True)


@pytest.mark.parametrize("changed, complete", [(NOW - 9, True), (NOW + 9, False)])
def test_a_rotated_log_that_cannot_be_read_is_a_gap_when_it_changed_since(log, monkeypatch, changed, complete):
    mark = mark_of(log)
    append(log, "new\n")
    sibling = log.with_name("shop-out.log.1")
    sibling.write_text("FATAL\n")
    os.utime(sibling, (changed, changed))
    open_file = os.open

    def refuse(path, *arguments, **settings):
        if path == sibling.name:
            raise PermissionError(13, "Permission denied")
        return open_file(path, *arguments, **settings)

    monkeypatch.setattr(os, "open", refuse)
    assert lines_since(mark) == (["new"], complete)


@pytest.mark.parametrize("suffix", ["bz2", "lz4"])
@pytest.mark.parametrize("changed, complete", [(NOW - 9, True), (NOW + 9, False)])
def test_a_log_that_was_compressed_in_another_format_is_a_gap_when_it_changed_since(log, suffix, changed, complete):
    mark = mark_of(log)
    sibling = log.with_name(f"shop-out.log.1.{suffix}")
    sibling.write_bytes(b"\xfd7zXZ\0\n")
    os.utime(sibling, (changed, changed))
    assert lines_since(mark) == ([], complete)


def test_a_rotated_log_that_is_gone_when_it_is_read_was_not_changed_since(log, monkeypatch):
    mark = mark_of(log)
    monkeypatch.setattr(os, "listdir", lambda _path: ["shop-out.log.1.lz4"])
    assert lines_since(mark) == ([], True)


def test_a_log_that_shrank_while_its_mark_was_taken_is_not_found_by_an_empty_fingerprint(log):
    mark = {**mark_of(log), "offset": 10_000, "fingerprint": ""}
    rename(log)
    log.write_text("new\n")
    assert lines_since(mark) == (["new"], False)


@pytest.mark.parametrize("name", ["shop-out.log.1.xz", "shop-out-20260219.log.xz", "shop-out-20260219.log"])
def test_a_log_that_was_compressed_by_xz_or_has_its_date_before_the_suffix_is_read(log, name):
    mark = mark_of(log)
    append(log, "new 1\n")
    content = log.read_bytes()
    log.with_name(name).write_bytes(lzma.compress(content) if name.endswith("xz") else content)
    log.unlink()
    log.write_text("new 2\n")
    assert lines_since(mark) == (["new 1", "new 2"], True)


def test_the_log_of_another_instance_is_not_a_rotated_one(log):
    mark = mark_of(log)
    log.with_name("shop-out-1.log").write_text("old 1\nold 2\nof another one\n")
    append(log, "new\n")
    assert lines_since(mark) == (["new"], True)


class Rotated:
    """A log that an app writes numbered lines to while it is rotated, with a clock of its own."""

    def __init__(self, path):
        self.path, self.now, self.written, self.rotations = path, 1_000_000.0, [], 0
        self.path.write_text("")
        self.touch(self.path)

    def touch(self, path):
        self.now += 1
        os.utime(path, (self.now, self.now))

    def write(self, count):
        lines = [f"line {len(self.written) + number}" for number in range(count)]
        append(self.path, "".join(f"{line}\n" for line in lines))
        self.written += lines
        self.touch(self.path)

    def rotated(self):
        self.rotations += 1
        return self.path.with_name(f"{self.path.name}.{self.rotations}")

    def rename(self):
        os.rename(self.path, self.rotated())
        self.path.write_text("")
        self.touch(self.path)

    def copy_and_truncate(self):
        copy = self.rotated()
        copy.write_bytes(self.path.read_bytes())
        self.touch(copy)
        self.path.write_text("")
        self.touch(self.path)

    def compress(self):
        plain = [each for each in self.path.parent.iterdir() if each.suffix != ".gz" and each != self.path]
        if plain:
            oldest = min(plain, key=lambda each: each.stat().st_mtime)
            changed = oldest.stat().st_mtime
            compressed = oldest.with_name(f"{oldest.name}.gz")
            compressed.write_bytes(gzip.compress(oldest.read_bytes()))
            os.utime(compressed, (changed, changed))
            oldest.unlink()

    def flush(self):
        self.path.write_text("")
        self.touch(self.path)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_to_a_log_every_line_is_read_once_or_a_gap_is_reported(tmp_path, seed):
    source = random.Random(seed)
    log = Rotated(tmp_path / "x.log")
    end, lines, complete, rotations = mark_of(log.path, log.now), [], True, 0
    for _step in range(40):
        action = source.choices(
            ("write", "rename", "copy", "compress", "read", "flush"), (8, 2, 2, 2, 4, seed % 3 == 0)
        )
        if action == ["write"]:
            log.write(source.choice((1, 3, 400)))
        elif action == ["rename"]:
            log.rename()
        elif action == ["copy"]:
            log.copy_and_truncate()
        elif action == ["compress"]:
            log.compress()
        elif action == ["flush"]:
            # What a file held that was empty when it was marked, or came later, nobody can know once it is emptied.
            if end["offset"] and log.rotations == rotations:
                log.flush()
        else:
            log.now += 1
            rotations = log.rotations
            found, whole, end = read(end, log.now)
            lines, complete = lines + found, complete and whole
    found, whole, _end = read(end, log.now + 1)
    lines, complete = lines + found, complete and whole
    assert len(lines) == len(set(lines))
    assert lines == log.written or not complete


def test_a_cursor_marks_several_logs(tmp_path):
    (tmp_path / "out.log").write_text("line\n")
    cursor = files.take_cursor([(str(tmp_path / "out.log"), "out"), (str(tmp_path / "gone.log"), "err")], 5.0)
    assert [(mark["stream"], mark["offset"]) for mark in cursor["files"]] == [("out", 5), ("err", 0)]
    assert cursor["at"] == 5.0
