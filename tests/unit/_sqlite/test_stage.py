# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import sqlite3
from datetime import datetime, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup, backup_plan, stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import update as sqlite_update
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError

NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)


def make(path, script=""):
    app = sqlite3.connect(path, isolation_level=None)
    app.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);" + script)
    app.close()
    return path


def back_up(path, token="a", **settings):
    plan = backup_plan.plan_backup(path, str(path.parent.parent / "backups"), NOW, token, **settings)
    return backup.make_backup(plan)


@pytest.fixture
def database(tmp_path):
    (tmp_path / "data").mkdir()
    return make(tmp_path / "data" / "app.db")


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_every_kind_of_backup_becomes_a_plain_file(tmp_path, database, compression):
    manifest = back_up(database, compression=compression)
    stage.stage(tmp_path / "staged", manifest, 5)
    assert stage.same_content(tmp_path / "staged", database) is True
    assert stage.is_plain(manifest) is (compression == "none")
    assert (tmp_path / "staged").stat().st_mode & 0o777 == 0o600


def test_content_that_is_not_that_of_the_manifest_is_refused(tmp_path, database):
    manifest = {**back_up(database, compression="gzip"), "content_sha256": "0" * 64}
    with pytest.raises(SqliteError, match="What is in .* is not what its manifest says; choose another backup"):
        stage.stage(tmp_path / "staged", manifest, 5)


@pytest.mark.parametrize(
    "change, message", [({"schema_sha256": "0"}, "its schema is another one"), ({}, "is not sound: (?!its schema)")]
)
def test_an_update_is_checked_as_a_whole_before_it_is_used(tmp_path, database, monkeypatch, change, message):
    base = back_up(database)
    app = sqlite3.connect(database, isolation_level=None)
    app.execute("INSERT INTO t VALUES (3)")
    app.close()
    plan = backup_plan.plan_backup(database, str(tmp_path / "backups"), NOW, "b")
    update = sqlite_update.update_backup(backup_plan.plan_update(plan, str(tmp_path / "backups")), base)
    if not change:
        monkeypatch.setattr(stage, "check", lambda *_a, **_k: backup.Checked("row missing"))
    with pytest.raises(SqliteError, match=message):
        stage.stage(tmp_path / "staged", {**update, **change}, 5)


def test_the_new_file_is_like_the_old_one(tmp_path, database):
    database.chmod(0o640)
    os.utime(database, (1, 1))
    (tmp_path / "staged").write_bytes(b"")
    stage.make_like(tmp_path / "staged", database)
    assert (tmp_path / "staged").stat().st_mode & 0o777 == 0o640
    # Its time is its own: by the old one nobody could see that the content is another.
    assert (tmp_path / "staged").stat().st_mtime > 1


def test_a_link_in_place_of_the_staged_file_is_not_followed(tmp_path, database):
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "victim").chmod(0o600)
    (tmp_path / "staged").symlink_to(tmp_path / "victim")
    database.chmod(0o666)
    with pytest.raises(OSError, match="symbolic links"):
        stage.make_like(tmp_path / "staged", database)
    assert (tmp_path / "victim").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number, raised", [(errno.ENOTSUP, False), (errno.EPERM, False), (errno.EIO, True)])
def test_attributes_are_copied_as_far_as_that_is_possible(tmp_path, database, monkeypatch, number, raised):
    def refuse(_descriptor, name, _value):
        raise OSError(number, os.strerror(number), name)

    copied = []
    monkeypatch.setattr(stage.os, "listxattr", lambda _path: ["system.posix_acl_access"])
    monkeypatch.setattr(stage.os, "getxattr", lambda _path, _name: b"acl")
    (tmp_path / "staged").write_bytes(b"")
    monkeypatch.setattr(stage.os, "setxattr", lambda _descriptor, *attribute: copied.append(attribute))
    stage.make_like(tmp_path / "staged", database)
    assert copied == [("system.posix_acl_access", b"acl")]
    monkeypatch.setattr(stage.os, "setxattr", refuse)
    if raised:
        with pytest.raises(OSError, match="Input/output error"):
            stage.make_like(tmp_path / "staged", database)
    else:
        stage.make_like(tmp_path / "staged", database)


@pytest.mark.parametrize("uid, given", [(12345, 0), (0, 1)])
def test_only_root_gives_a_file_to_another_user(tmp_path, database, monkeypatch, uid, given):
    calls = []
    monkeypatch.setattr(stage.os, "fchown", lambda *arguments: calls.append(arguments[1:]))
    monkeypatch.setattr(stage.os, "geteuid", lambda: uid)
    (tmp_path / "staged").write_bytes(b"")
    for real in (database, database.with_name("missing.db")):
        calls.clear()
        stage.make_like(tmp_path / "staged", real)
        like = (real if real.exists() else real.parent).stat()
        assert calls == [(like.st_uid, like.st_gid)] * given


def test_a_backup_that_was_not_verified_is_checked_as_a_whole(tmp_path, database, monkeypatch):
    manifest = back_up(database, verify="none")
    stage.stage(tmp_path / "staged", manifest, 5)
    monkeypatch.setattr(stage, "check", lambda *_a, **_k: backup.Checked("row missing"))
    with pytest.raises(SqliteError, match="is not sound: row missing"):
        stage.stage(tmp_path / "other", manifest, 5)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_the_journal_mode_comes_back(tmp_path, database, mode):
    stage.set_journal_mode(database, mode, 5)
    app = sqlite3.connect(database)
    assert app.execute("PRAGMA journal_mode").fetchone() == (mode,)
    app.close()


@pytest.mark.parametrize(
    "spoil, same",
    [
        (lambda content: content, True),
        (lambda content: content[:18] + b"\2\2" + content[20:24] + b"1234" + content[28:], True),
        (lambda content: content[:40] + b"1234" + content[44:], True),
        (lambda content: content[:92] + b"versions" + content[100:], True),
        (lambda content: content[:60] + b"\1" + content[61:], False),
        (lambda content: content[:-1] + b"\1", False),
        (lambda content: content + b"\0", False),
    ],
)
def test_two_files_hold_the_same_but_for_what_may_differ(tmp_path, database, spoil, same):
    (tmp_path / "other.db").write_bytes(spoil(database.read_bytes()))
    assert stage.same_content(database, tmp_path / "other.db") is same


def test_a_copy_that_somebody_reads_is_not_used_without_its_wal(database):
    reader, writer = (sqlite3.connect(database, isolation_level=None) for _each in range(2))
    writer.execute("PRAGMA journal_mode = WAL")
    reader.executescript("BEGIN; SELECT * FROM t;")
    writer.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(SqliteError, match="Cannot fold the write-ahead log into .*, which another process uses"):
        stage.fold(database, 0.01)
    reader.close()
    stage.fold(database, 0.01)
    writer.close()
