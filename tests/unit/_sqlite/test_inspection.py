# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import inspection as sqlite_inspection
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import restore_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import Host


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leave_wal(host):
    """Leave what a killed process leaves: the file, and a WAL that nobody folded."""
    app = sqlite3.connect(host.path, isolation_level=None)
    app.execute("INSERT INTO t VALUES (3)")
    left = files(host.path.parent)
    app.close()
    for name, content in left.items():
        (host.path.parent / name).write_bytes(content)


def test_a_database_that_a_process_has_open_is_refused_by_its_name(host, monkeypatch):
    seen = []
    monkeypatch.setattr(sqlite_inspection.proc, "holders", lambda files: seen.append(files) or {4711: "node"})
    with pytest.raises(SqliteError, match=r"is open in process 4711 \(node\); stop it before"):
        sqlite_inspection.refuse_open(host.path)
    status = host.path.stat()
    assert (status.st_dev, status.st_ino) in seen[0]


def test_a_database_that_nobody_has_open_is_free(host):
    sqlite_inspection.refuse_open(host.path)


def test_a_locked_database_is_not_taken_for_a_damaged_one(host):
    other = sqlite3.connect(host.path, isolation_level=None)
    other.executescript("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE")
    with pytest.raises(SqliteError, match="is locked by another process"):
        sqlite_inspection.inspect_live(host.path, 0.01)
    other.close()


def test_another_user_may_not_inspect_a_database(host, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(SqliteError, match="become that user"):
        sqlite_inspection.inspect(host.path, 5)


@pytest.mark.parametrize("prepare", [lambda _host: None, leave_wal])
def test_an_inspection_returns_what_is_there_and_leaves_it(host, prepare):
    prepare(host)
    before = files(host.path.parent)
    inspected = sqlite_inspection.inspect(host.path, 1)
    assert (inspected["sound"], inspected["reason"]) == (True, "")
    assert inspected["row_counts"] == {"t": 2 if len(before) == 1 else 3}
    after = files(host.path.parent)
    assert {name: content for name, content in after.items() if not name.endswith("-shm")} == {
        name: content for name, content in before.items() if not name.endswith("-shm")
    }


def test_a_damaged_database_is_not_sound(host):
    host.damage()
    inspected = sqlite_inspection.inspect(host.path, 1)
    assert (inspected["sound"], "row_counts" in inspected) == (False, False)


def test_a_lock_says_nothing_about_soundness(host):
    host.sql("PRAGMA journal_mode = DELETE")
    other = sqlite3.connect(host.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    Path(f"{host.path}-wal").write_bytes(b"x")
    with pytest.raises(SqliteError, match="is locked by another process"):
        sqlite_inspection.inspect(host.path, 0.01)
    other.close()


def test_a_transaction_that_was_left_unfinished_is_reported(host):
    Path(f"{host.path}-journal").write_bytes(b"hot")
    assert sqlite_inspection.inspect(host.path, 1)["reason"] == "a killed process left a transaction unfinished"


def test_a_journal_that_is_kept_after_its_transaction_is_no_unfinished_one(host):
    """https://www.sqlite.org/pragma.html#pragma_journal_mode, PERSIST: the header is overwritten with zeros."""
    with contextlib.closing(sqlite3.connect(host.path, isolation_level=None)) as opened:
        opened.execute("PRAGMA journal_mode = PERSIST").fetchone()
        opened.execute("INSERT INTO t VALUES (3)")
    assert Path(f"{host.path}-journal").stat().st_size > 0
    assert sqlite_inspection.inspect(host.path, 1)["sound"] is True
    assert restore_plan.leftovers_of(host.path) == []


def test_a_database_that_is_missing_is_not_sound(host):
    host.path.unlink()
    assert sqlite_inspection.inspect_still(host.path, 1).problem == "it does not exist"


@pytest.mark.parametrize(
    "mode, size, holders, waits",
    [
        ("DELETE", 1, {4711: "node"}, True),
        ("WAL", 1, {4711: "node"}, False),
        ("DELETE", 1, {}, False),
        ("DELETE", 1 << 30, {4711: "node"}, False),
    ],
)
def test_who_waits_for_a_backup_is_known(host, monkeypatch, mode, size, holders, waits):
    host.sql(f"PRAGMA journal_mode = {mode}")
    monkeypatch.setattr(sqlite_inspection, "_SOON_COPIED", size)
    monkeypatch.setattr(sqlite_inspection, "find_holders", lambda _real: holders)
    described = sqlite_inspection.describe_waiting(host.path)
    assert ("so what process 4711 (node) writes waits while it is copied" in described) is waits
