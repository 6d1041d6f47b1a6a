# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _files, _sqlite_snapshot
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import SqliteError


def create(path, mode):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode = {mode}; CREATE TABLE t (x);")
    connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(50)])
    return connection


def rows(path):
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:
        return connection.execute("SELECT count(*) FROM t").fetchone()[0]


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_a_snapshot_has_every_committed_row_and_is_one_file(tmp_path, mode):
    live = create(tmp_path / "a.db", mode)
    how, contents = _sqlite_snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    assert (rows(tmp_path / "copy"), how in ("clone", "copy")) == (50, True)
    assert contents.row_counts == {}
    assert [name for name in os.listdir(tmp_path) if name.startswith("copy")] == ["copy"]
    live.execute("INSERT INTO t VALUES (1)")
    live.close()


def test_a_wal_that_was_restarted_while_it_was_copied_is_copied_again(tmp_path, monkeypatch):
    live = create(tmp_path / "a.db", "WAL")
    live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copied, copy_in_kernel = [], _files.copy_in_kernel

    def copy(source, target, size):
        how = copy_in_kernel(source, target, size)
        if len(copied) == 1:
            # The WAL is empty, so this reader holds none of it back, and a writer may begin it anew.
            live.execute("INSERT INTO t VALUES (1)")
        copied.append(how)
        return how

    monkeypatch.setattr(_sqlite_snapshot._files, "copy_in_kernel", copy)
    _sqlite_snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    assert (len(copied), rows(tmp_path / "copy")) == (3, 51)
    live.close()


def test_a_wal_that_vanished_holds_nothing(tmp_path):
    with _sqlite_snapshot.ExitStack() as descriptors:
        _sqlite_snapshot._copy_wal(tmp_path / "none-wal", tmp_path / "copy-wal", descriptors)
    assert os.listdir(tmp_path) == []


def test_a_copy_that_cannot_be_folded_is_an_error(tmp_path, monkeypatch):
    create(tmp_path / "a.db", "WAL").close()
    reader = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    with pytest.raises(SqliteError, match=r"is locked|it stays in mode"):
        _sqlite_snapshot._fold(tmp_path / "a.db", 0.01)
    reader.close()

    class Stubborn:
        """SQLite answers a change of mode that it cannot make with the old mode."""

        def __enter__(self):
            return self

        def __exit__(self, *_details):
            return False

        def execute(self, _statement):
            return self

        def fetchone(self):
            return ("wal",)

    monkeypatch.setattr(_sqlite_snapshot, "connection", lambda *_arguments: Stubborn())
    with pytest.raises(SqliteError, match="Cannot fold the write-ahead log into .*: it stays in mode wal"):
        _sqlite_snapshot._fold(tmp_path / "a.db", 1)


def test_nothing_can_overwrite_the_file_between_its_copy_and_that_of_the_wal(tmp_path, monkeypatch):
    live = create(tmp_path / "a.db", "WAL")
    copied, copy_in_kernel = [], _files.copy_in_kernel

    def copy(source, target, size):
        how = copy_in_kernel(source, target, size)
        if not copied:
            # Without a read transaction this would empty the WAL that holds every row.
            copied.append(live.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        return how

    live.execute("PRAGMA busy_timeout = 0")
    monkeypatch.setattr(_sqlite_snapshot._files, "copy_in_kernel", copy)
    _sqlite_snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    assert (copied, rows(tmp_path / "copy")) == ([1], 50)
    live.close()


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_snapshot_leaves_no_descriptor_open(tmp_path, mode):
    create(tmp_path / "a.db", mode).close()
    _sqlite_snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert [path for path in opened if path.startswith(str(tmp_path.resolve()))] == []


def test_a_second_copy_of_a_wal_keeps_nothing_of_the_first(tmp_path, monkeypatch):
    (tmp_path / "a-wal").write_bytes(b"A" * 100)
    copied, copy_in_kernel = [], _files.copy_in_kernel

    def copy(source, target, size):
        how = copy_in_kernel(source, target, size)
        if not copied:
            (tmp_path / "a-wal").write_bytes(b"B" * 40)
        copied.append(how)
        return how

    monkeypatch.setattr(_sqlite_snapshot._files, "copy_in_kernel", copy)
    with _sqlite_snapshot.ExitStack() as descriptors:
        _sqlite_snapshot._copy_wal(tmp_path / "a-wal", tmp_path / "copy-wal", descriptors)
    assert (len(copied), (tmp_path / "copy-wal").read_bytes()) == (2, b"B" * 40)
