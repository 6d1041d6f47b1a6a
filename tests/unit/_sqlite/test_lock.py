# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import lock as sqlite_lock
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import Host


@pytest.fixture(params=["WAL", "DELETE"])
def host(tmp_path, request):
    return Host(tmp_path, mode=request.param)


def write(host, row):
    app = sqlite3.connect(host.path, isolation_level=None, timeout=0)
    try:
        app.execute(f"INSERT INTO t VALUES ({row})")
    finally:
        app.close()


def test_nobody_can_use_a_database_that_they_are_locked_out_of(host):
    with sqlite_lock.locked_out(host.path, 1):
        for _once_more in range(2):
            # Another descriptor of this process that is closed does not drop the lock.
            host.path.read_bytes()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                write(host, 3)
    write(host, 3)
    assert host.read("SELECT count(*) FROM t") == 3


def test_who_stays_in_is_waited_for_and_then_reported(host):
    app = sqlite3.connect(host.path, isolation_level=None)
    app.executescript("BEGIN; SELECT * FROM t;")
    ticks = iter((0, 1, 2, 3, 4))
    slept = []
    with pytest.raises(SqliteError, match="is locked by another process for more than 3 seconds"):
        with sqlite_lock.locked_out(host.path, 3, lambda: next(ticks), slept.append):
            pass
    assert len(slept) == 2
    app.close()


def test_who_leaves_meanwhile_is_no_obstacle(host):
    app = sqlite3.connect(host.path, isolation_level=None)
    app.executescript("BEGIN; SELECT * FROM t;")
    with sqlite_lock.locked_out(host.path, 30, sleep=lambda _seconds: app.close()):
        pass


def test_another_error_than_a_lock_is_not_hidden(host, monkeypatch):
    def refuse(*_arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sqlite_lock.fcntl, "fcntl", refuse)
    with pytest.raises(OSError, match="Input/output error"), sqlite_lock.locked_out(host.path, 1):
        pass


@pytest.mark.parametrize("has_read", [False, True])
def test_a_file_that_was_made_unusable_is_no_database_and_is_not_freed_yet(host, has_read):
    if has_read:
        # With a WAL its lock would stay.
        host.sql("PRAGMA journal_mode = delete")
    size = host.path.stat().st_size
    late = sqlite3.connect(host.path, isolation_level=None, timeout=5)
    if has_read:
        late.execute("SELECT * FROM t").fetchall()
    with sqlite_lock.locked_out(host.path, 1) as descriptor:
        os.unlink(host.path)
        sqlite_lock.make_unusable(descriptor)
        assert os.fstat(descriptor).st_size == size
    with pytest.raises(sqlite3.DatabaseError, match="not a database|disk I/O error"):
        late.execute("CREATE TABLE lost (x)")
    late.close()
