# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import snapshot
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.stage import same_content


def create(path, mode):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode = {mode}; CREATE TABLE t (x);")
    connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(50)])
    return connection


def rows(path):
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:
        return connection.execute("SELECT count(*) FROM t").fetchone()[0]


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
@pytest.mark.parametrize("kernel", [True, False])
def test_a_snapshot_has_every_committed_row_and_is_one_file(tmp_path, monkeypatch, mode, kernel):
    def refuse(*_arguments):
        raise OSError(errno.EINVAL, "Invalid argument")

    if not kernel:
        monkeypatch.setattr(snapshot.files, "copy_in_kernel", refuse)
    live = create(tmp_path / "a.db", mode)
    taken = snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5, with_rows=True)
    assert (rows(tmp_path / "copy"), taken.method in ("clone", "copy")) == (50, kernel)
    # With a rollback journal a commit waits for the read transaction, so nothing is counted in it.
    assert (taken.row_counts, taken.contents.row_counts) == ({"t": 50} if mode == "WAL" else None, {})
    assert (taken.wal_salt is not None) == (mode == "WAL")
    assert [name for name in os.listdir(tmp_path) if name.startswith("copy")] == ["copy"]
    live.execute("INSERT INTO t VALUES (1)")
    live.close()


def test_the_kernel_and_sqlite_copy_the_same_content(tmp_path, monkeypatch):
    live = create(tmp_path / "a.db", "WAL")
    snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "one", 5)
    monkeypatch.setattr(snapshot, "_copy", lambda *_arguments: "backup_api")
    snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "other", 5)
    assert same_content(tmp_path / "one", tmp_path / "other") is True
    live.close()


def test_another_error_of_the_kernel_is_not_hidden(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    create(tmp_path / "a.db", "WAL").close()
    monkeypatch.setattr(snapshot.files, "copy_in_kernel", full)
    with pytest.raises(OSError, match="No space left"):
        snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)


@pytest.mark.parametrize("moment", [0, 1])
def test_what_is_committed_after_the_mark_is_not_in_the_snapshot(tmp_path, monkeypatch, moment):
    """Whether the writer appends to the WAL or restarts it: the WAL is emptied, so no reader holds it back."""
    live = create(tmp_path / "a.db", "WAL")
    live.execute("PRAGMA wal_checkpoint(RESTART)")
    copied, copy_in_kernel = [], files.copy_in_kernel

    def copy(source, target, size):
        if len(copied) == moment:
            live.execute("INSERT INTO t VALUES (1)")
        copied.append(copy_in_kernel(source, target, size))
        return copied[-1]

    monkeypatch.setattr(snapshot.files, "copy_in_kernel", copy)
    taken = snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5, with_rows=True)
    assert (taken.row_counts, rows(tmp_path / "copy")) == ({"t": 50}, 50)
    live.close()


def test_a_mark_that_cannot_be_known_leaves_it_to_sqlite(tmp_path, monkeypatch):
    live = create(tmp_path / "a.db", "WAL")
    monkeypatch.setattr(snapshot.wal, "read_mark", lambda _index: None)
    taken = snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    assert (taken.method, taken.wal_salt, rows(tmp_path / "copy")) == ("backup_api", None, 50)
    live.close()


def test_rows_that_cannot_be_counted_are_an_error(tmp_path, monkeypatch):
    def fail(_opened):
        raise sqlite3.DatabaseError("malformed")

    create(tmp_path / "a.db", "WAL").close()
    monkeypatch.setattr(snapshot, "count_rows", fail)
    with pytest.raises(SqliteError, match="malformed"):
        snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5, with_rows=True)


def read_only(monkeypatch):
    monkeypatch.setattr(snapshot, "is_read_only", lambda _real: True)


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_database_on_a_read_only_filesystem_is_copied(tmp_path, monkeypatch, mode, kernel):
    create(tmp_path / "a.db", mode).close()
    read_only(monkeypatch)
    if not kernel:
        monkeypatch.setattr(snapshot, "_copy", lambda *_arguments: "backup_api")
    taken = snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5, with_rows=kernel)
    assert (taken.row_counts, rows(tmp_path / "copy")) == ({"t": 50} if kernel else None, 50)


def test_changes_that_cannot_be_read_on_a_read_only_filesystem_are_not_left_out(tmp_path, monkeypatch):
    live = create(tmp_path / "a.db", "WAL")
    read_only(monkeypatch)
    with pytest.raises(SqliteError, match="its -wal holds changes, which cannot be read there; back it up where"):
        snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    live.close()


def test_a_database_that_changes_on_a_read_only_mount_is_refused(tmp_path, monkeypatch):
    create(tmp_path / "a.db", "DELETE").close()
    read_only(monkeypatch)
    copy = snapshot._copy

    def copy_and_change(*arguments):
        with sqlite3.connect(tmp_path / "a.db") as other:
            other.execute("INSERT INTO t VALUES (zeroblob(9999))")
        return copy(*arguments)

    monkeypatch.setattr(snapshot, "_copy", copy_and_change)
    with pytest.raises(SqliteError, match="was changed while it was copied; back it up where it can be written"):
        snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)


def test_a_copy_that_cannot_be_folded_is_an_error(tmp_path, monkeypatch):
    create(tmp_path / "a.db", "WAL").close()
    reader = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    with pytest.raises(SqliteError, match=r"is locked|it stays in mode"):
        snapshot._fold(tmp_path / "a.db", 0.01, 0)
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
            return ("wal", 0, 0)

    monkeypatch.setattr(snapshot, "connection", lambda *_arguments: Stubborn())
    with pytest.raises(SqliteError, match="Cannot fold the write-ahead log into .*: it stays in mode wal"):
        snapshot._fold(tmp_path / "a.db", 1, 0)


def test_a_copy_that_lacks_a_part_of_the_wal_is_an_error(tmp_path):
    create(tmp_path / "a.db", "WAL").close()
    with pytest.raises(SqliteError, match="The copy holds 0 frames of the WAL and not 7; take the backup again"):
        snapshot._fold(tmp_path / "a.db", 1, 7)


def test_nothing_can_overwrite_the_file_between_its_copy_and_that_of_the_wal(tmp_path, monkeypatch):
    live = create(tmp_path / "a.db", "WAL")
    copied, copy_in_kernel = [], files.copy_in_kernel

    def copy(source, target, size):
        how = copy_in_kernel(source, target, size)
        if not copied:
            # Without a read transaction this would empty the WAL that holds every row.
            copied.append(live.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        return how

    live.execute("PRAGMA busy_timeout = 0")
    monkeypatch.setattr(snapshot.files, "copy_in_kernel", copy)
    snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    assert (copied, rows(tmp_path / "copy")) == ([1], 50)
    live.close()


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_snapshot_leaves_no_descriptor_open(tmp_path, mode):
    create(tmp_path / "a.db", mode).close()
    snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5)
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert [path for path in opened if path.startswith(str(tmp_path.resolve()))] == []


def test_of_a_starved_wal_the_last_pages_are_copied_and_not_the_wal(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot.wal, "_LONG", 10 * 4096)
    live, reader = create(tmp_path / "a.db", "WAL"), sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    reader.executescript("BEGIN; SELECT * FROM t;")
    for number in range(50):
        live.execute("UPDATE t SET x = ?", (number,))
    taken = snapshot.take_snapshot(tmp_path / "a.db", tmp_path / "copy", 5, with_rows=True)
    with sqlite3.connect(f"file:{tmp_path}/copy?mode=ro&immutable=1", uri=True) as copy:
        assert copy.execute("SELECT DISTINCT x FROM t").fetchall() == [(49,)]
    assert (taken.method, taken.row_counts, taken.wal_salt is None) == ("backup_api", {"t": 50}, False)
    for each in (reader, live):
        each.close()
