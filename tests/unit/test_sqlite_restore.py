# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _sqlite_backup, _sqlite_restore
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import SqliteError

NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)


class Host:
    """A live database with two rows, and a backup of it."""

    def __init__(self, folder, mode="WAL"):
        (folder / "data").mkdir()
        self.path = folder / "data" / "app.db"
        self.aside = folder / "aside"
        self.sql(f"PRAGMA journal_mode = {mode}; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);")
        plan = _sqlite_backup.plan_backup(self.path, folder / "backups", "quick", 5, "", NOW, "abc")
        self.manifest = _sqlite_backup.make_backup(plan)

    def sql(self, script):
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.executescript(script)
        connection.close()

    def read(self, statement):
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(statement).fetchone()[0]
        finally:
            connection.close()

    def restore(self):
        live = _sqlite_restore.look_at(self.path, 5)
        return _sqlite_restore.restore(live, self.manifest, self.aside, 5, NOW, "xyz")


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_sound_backup_of_this_database_is_accepted(host):
    _sqlite_restore.check_backup(host.manifest, host.path.resolve(), force=False)


def test_a_damaged_backup_is_refused(host):
    with Path(host.manifest["path"]).open("ab") as file:
        file.write(b"x")
    with pytest.raises(SqliteError, match="is not sound: it has"):
        _sqlite_restore.check_backup(host.manifest, host.path, force=True)


def test_a_backup_of_another_database_needs_force(host, tmp_path):
    other = tmp_path / "other.db"
    with pytest.raises(SqliteError, match="is one of .*, not of .*; set force to restore it here"):
        _sqlite_restore.check_backup(host.manifest, other, force=False)
    _sqlite_restore.check_backup(host.manifest, other, force=True)


def test_a_database_that_a_process_has_open_is_refused_by_its_name(host, monkeypatch):
    seen = []

    def holders(files):
        seen.append(files)
        return {4711: "node"}

    monkeypatch.setattr(_sqlite_restore._proc, "holders", holders)
    with pytest.raises(SqliteError, match=r"is open in process 4711 \(node\); stop it before"):
        _sqlite_restore.refuse_open(host.path)
    status = host.path.stat()
    assert (status.st_dev, status.st_ino) in seen[0]


def test_hard_links_are_refused(host, tmp_path):
    os.link(host.path, tmp_path / "link.db")
    with pytest.raises(SqliteError, match="has 2 hard links"):
        _sqlite_restore.refuse_open(host.path)


def test_a_database_that_nobody_has_open_is_free(host):
    _sqlite_restore.refuse_open(host.path)


@pytest.mark.parametrize(
    "script, only_if_changed, needed, reason",
    [
        ("", True, False, "the live database is sound and its schema is that of the backup"),
        ("", False, True, "a restore was asked for"),
        ("INSERT INTO t VALUES (3)", True, False, "the live database is sound and its schema is that of the backup"),
        ("ALTER TABLE t ADD COLUMN y", True, True, "the schema changed since the backup"),
        ("PRAGMA user_version = 5", True, True, "the schema changed since the backup"),
    ],
)
def test_a_restore_is_needed_when_the_schema_changed_or_it_is_asked_for(host, script, only_if_changed, needed, reason):
    host.sql(script)
    wanted = _sqlite_restore.compare(_sqlite_restore.look_at(host.path, 5), host.manifest, only_if_changed)
    assert (wanted.needed, wanted.reason) == (needed, reason)


def test_rows_that_differ_are_counted_per_table(host):
    host.sql("INSERT INTO t VALUES (3); CREATE TABLE u (x); INSERT INTO u VALUES (1);")
    wanted = _sqlite_restore.compare(_sqlite_restore.look_at(host.path, 5), host.manifest, False)
    assert wanted.differences == {"t": {"live": 3, "backup": 2}, "u": {"live": 1, "backup": 0}}


def test_a_restore_brings_the_backup_back_and_sets_the_old_one_aside(host):
    host.path.chmod(0o640)
    host.sql("INSERT INTO t VALUES (3)")
    done = host.restore()
    kept = host.aside / "app.db.20260219T020000Z.xyz.replaced"
    assert done == {"changed": True, "set_aside": str(kept)}
    assert os.listdir(host.path.parent) == ["app.db"]
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA journal_mode")) == (2, "wal")
    assert host.path.stat().st_mode & 0o777 == 0o640
    assert sqlite3.connect(kept / "app.db").execute("SELECT count(*) FROM t").fetchone() == (3,)
    assert (kept / "app.db").stat().st_mode & 0o777 == 0o600


def test_restoring_what_is_there_changes_nothing(host):
    host.sql("INSERT INTO t VALUES (3)")
    host.restore()
    before = host.path.stat().st_ino
    assert host.restore() == {"changed": False, "set_aside": None}
    assert host.path.stat().st_ino == before


def test_the_journal_mode_of_the_database_comes_back(tmp_path):
    host = Host(tmp_path, mode="DELETE")
    host.sql("INSERT INTO t VALUES (3)")
    host.restore()
    assert host.read("PRAGMA journal_mode") == "delete"


def test_the_wal_of_a_killed_app_is_never_replayed_onto_the_backup(host):
    """A process that is killed leaves its WAL behind; a plain cp over the file would replay it."""
    app = sqlite3.connect(host.path, isolation_level=None)
    app.execute("INSERT INTO t VALUES (3)")
    left = {suffix: Path(f"{host.path}{suffix}").read_bytes() for suffix in ("-wal", "-shm")}
    main = host.path.read_bytes()
    app.close()
    host.path.write_bytes(main)
    for suffix, content in left.items():
        host.path.with_name(f"app.db{suffix}").write_bytes(content)
    assert host.restore()["changed"] is True
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA integrity_check")) == (2, "ok")


def test_a_missing_database_is_restored_private(host):
    host.path.unlink()
    live = _sqlite_restore.look_at(host.path, 5)
    assert _sqlite_restore.compare(live, host.manifest, True).needed is True
    assert _sqlite_restore.restore(live, host.manifest, host.aside, 5, NOW, "x") == {"changed": True, "set_aside": None}
    assert (host.path.stat().st_mode & 0o777, host.read("SELECT count(*) FROM t")) == (0o600, 2)


@pytest.mark.parametrize("content", [b"garbage" * 999, None])
def test_a_damaged_database_is_replaced_and_kept_as_it_is(host, content):
    if content is None:
        host.sql("PRAGMA journal_mode = DELETE;" + "INSERT INTO t VALUES (randomblob(3000));" * 20)
        whole = bytearray(host.path.read_bytes())
        whole[4096:40960] = b"\xff" * 36864
        content = bytes(whole)
    host.path.write_bytes(content)
    live = _sqlite_restore.look_at(host.path, 5)
    assert live.contents is None
    wanted = _sqlite_restore.compare(live, host.manifest, True)
    assert (wanted.needed, "not sound" in wanted.reason) == (True, True)
    kept = _sqlite_restore.restore(live, host.manifest, host.aside, 5, NOW, "x")["set_aside"]
    assert Path(f"{kept}/app.db").read_bytes() == content
    assert host.read("SELECT count(*) FROM t") == 2


def test_a_locked_database_is_not_taken_for_a_damaged_one(host):
    other = sqlite3.connect(host.path, isolation_level=None)
    other.executescript("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE")
    with pytest.raises(SqliteError, match="is locked by another process"):
        _sqlite_restore.look_at(host.path, 0.01)
    other.close()


def test_a_full_disk_leaves_the_old_database_as_it_was(host, monkeypatch):
    host.sql("INSERT INTO t VALUES (3)")

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_sqlite_restore._files, "copy_in_kernel", full)
    with pytest.raises(SqliteError, match="Cannot restore .*: No space left on device; it was left as it was"):
        host.restore()
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.path.parent)) == (3, ["app.db"])


def test_only_root_gives_a_file_to_another_user(host, monkeypatch):
    given = []
    monkeypatch.setattr(_sqlite_restore.os, "fchown", lambda *arguments: given.append(arguments[1:]))
    monkeypatch.setattr(_sqlite_restore, "refuse_other_user", lambda _real: None)
    for uid in (12345, 0):
        monkeypatch.setattr(_sqlite_restore.os, "geteuid", lambda uid=uid: uid)
        host.sql("INSERT INTO t VALUES (3)")
        live = _sqlite_restore.look_at(host.path, 5)
        _sqlite_restore.restore(live, host.manifest, host.aside, 5, NOW, f"{uid}")
    status = host.path.stat()
    assert given == [(status.st_uid, status.st_gid)]


def test_a_process_that_opens_the_database_meanwhile_stops_the_restore(host, monkeypatch):
    host.sql("INSERT INTO t VALUES (3)")
    monkeypatch.setattr(_sqlite_restore._proc, "holders", lambda _files: {4711: "node"})
    with pytest.raises(SqliteError, match=r"is open in process 4711 \(node\)"):
        host.restore()
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.path.parent)) == (3, ["app.db"])


def test_sidecars_of_a_damaged_database_are_set_aside_and_do_not_stay(host):
    host.path.write_bytes(b"garbage" * 999)
    for suffix in ("-wal", "-shm", "-journal"):
        host.path.with_name(f"app.db{suffix}").write_bytes(suffix.encode())
    live = _sqlite_restore.Live(host.path, None, "damaged")
    kept = _sqlite_restore.restore(live, host.manifest, host.aside, 5, NOW, "x")["set_aside"]
    assert os.listdir(host.path.parent) == ["app.db"]
    assert Path(f"{kept}/app.db-journal").read_bytes() == b"-journal"
    assert sorted(os.listdir(kept)) == ["app.db", "app.db-journal", "app.db-shm", "app.db-wal"]


def test_everything_is_on_disk_before_the_old_database_gives_way(host, monkeypatch):
    steps, replace = [], os.replace

    def name(descriptor):
        return os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))

    def rename(source, target):
        steps.append("rename")
        replace(source, target)

    host.sql("INSERT INTO t VALUES (3)")
    monkeypatch.setattr(_sqlite_restore.os, "fsync", lambda descriptor: steps.append(name(descriptor)))
    monkeypatch.setattr(_sqlite_restore.os, "replace", rename)
    host.restore()
    aside = "app.db.20260219T020000Z.xyz.replaced"
    assert steps == [".app.db.restore.xyz", "app.db", aside, "data", "rename", "data"]


def test_the_old_wal_is_folded_into_the_file_that_is_set_aside(host):
    app = sqlite3.connect(host.path, isolation_level=None)
    app.execute("INSERT INTO t VALUES (3)")
    _sqlite_restore._fold_live(host.path, 5)
    assert host.path.with_name("app.db-wal").stat().st_size == 0
    app.close()


def test_another_user_may_not_look_at_a_database(host, monkeypatch):
    monkeypatch.setattr(_sqlite_restore.os, "geteuid", lambda: 12345)
    with pytest.raises(SqliteError, match="become that user"):
        _sqlite_restore.look_at(host.path, 5)
