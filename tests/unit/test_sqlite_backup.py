# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sqlite3
from collections import namedtuple
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _sqlite_backup
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import SqliteError

NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def live(tmp_path):
    (tmp_path / "data").mkdir()
    connection = sqlite3.connect(tmp_path / "data" / "app.db", isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);")
    yield connection
    connection.close()


def plan(tmp_path, verify="quick", token="abc", now=NOW):
    return _sqlite_backup.plan_backup(
        tmp_path / "data" / "app.db", tmp_path / "backups", verify, 5, "release 1", now, token
    )


@pytest.mark.parametrize("verify", ["quick", "full", "none"])
def test_a_backup_is_named_private_and_described(tmp_path, live, verify):
    manifest = _sqlite_backup.make_backup(plan(tmp_path, verify))
    backup = tmp_path / "backups" / "app.db.20260219T020000Z.abc.db"
    assert manifest["path"] == str(backup)
    assert (manifest["row_counts"], manifest["release_id"]) == ({"t": 2}, "release 1")
    assert (manifest["verified"], manifest["journal_mode"]) == (verify, "wal")
    assert sorted(os.listdir(tmp_path / "backups")) == [backup.name, f"{backup.name}.json"]
    assert {path.stat().st_mode & 0o777 for path in backup.parent.iterdir()} == {0o600}
    assert backup.parent.stat().st_mode & 0o777 == 0o700
    assert _sqlite_backup.verify_backup(_sqlite_backup.read_manifest(backup)) == ""
    live.execute("INSERT INTO t VALUES (3)")


def test_two_backups_of_one_second_both_survive(tmp_path, live):
    for token in ("a", "b"):
        _sqlite_backup.make_backup(plan(tmp_path, token=token))
    assert len(_sqlite_backup.list_backups(tmp_path / "backups")) == 2
    with pytest.raises(SqliteError, match="Cannot write a backup to .*: File exists"):
        _sqlite_backup.make_backup(plan(tmp_path, token="b"))
    assert live.execute("SELECT count(*) FROM t").fetchone() == (2,)


@pytest.mark.usefixtures("live")
def test_a_folder_that_others_can_write_is_refused(tmp_path):
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups").chmod(0o777)
    with pytest.raises(SqliteError, match="can be written by other users; chmod it to 0700"):
        plan(tmp_path)


@pytest.mark.usefixtures("live")
def test_a_destination_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "backups").write_text("")
    with pytest.raises(SqliteError, match="is not a folder"):
        plan(tmp_path)


@pytest.mark.usefixtures("live")
def test_the_databases_own_folder_is_refused(tmp_path):
    with pytest.raises(SqliteError, match="is the folder of the database itself"):
        _sqlite_backup.plan_backup(tmp_path / "data" / "app.db", tmp_path / "data", "quick", 5, "", NOW, "a")


@pytest.mark.usefixtures("live")
def test_too_little_space_is_told_with_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(_sqlite_backup.shutil, "disk_usage", lambda _path: Usage(1, 1, 7))
    with pytest.raises(SqliteError, match=r"No space for a backup in .*: \d+ bytes are needed, 7 are free"):
        plan(tmp_path)
    (tmp_path / "backups").mkdir(mode=0o700)
    with pytest.raises(SqliteError, match="No space"):
        plan(tmp_path)


def damage(live, tmp_path):
    live.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 200)
    live.execute("PRAGMA journal_mode = DELETE")
    live.close()
    with (tmp_path / "data" / "app.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40960)


def test_no_backup_is_made_of_a_damaged_database(tmp_path, live):
    damage(live, tmp_path)
    with pytest.raises(SqliteError, match="is damaged, so no backup was made of it"):
        _sqlite_backup.make_backup(plan(tmp_path))
    assert os.listdir(tmp_path / "backups") == []


@pytest.mark.usefixtures("live")
def test_a_schema_that_changed_under_the_copy_is_refused(tmp_path, monkeypatch):
    take = _sqlite_backup.take_snapshot

    def changed(*arguments):
        how, contents = take(*arguments)
        return how, _sqlite_backup.Contents(**{**vars(contents), "user_version": 9})

    monkeypatch.setattr(_sqlite_backup, "take_snapshot", changed)
    with pytest.raises(SqliteError, match="changed while it was copied; take the backup again"):
        _sqlite_backup.make_backup(plan(tmp_path))


def test_a_database_that_did_not_change_is_up_to_date(tmp_path, live):
    manifest = _sqlite_backup.make_backup(plan(tmp_path))
    real = (tmp_path / "data" / "app.db").resolve()
    assert _sqlite_backup.is_up_to_date(manifest, real) is True
    live.execute("INSERT INTO t VALUES (3)")
    assert _sqlite_backup.is_up_to_date(manifest, real) is False
    assert _sqlite_backup.is_up_to_date(manifest, real.with_name("other.db")) is False


def test_an_empty_wal_is_none(tmp_path, live):
    live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert list(_sqlite_backup.signature_of(tmp_path / "data" / "app.db")) == [""]


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "has no manifest"),
        ("{", "has no manifest"),
        ("[]", "has no manifest"),
        ('{"format": 9}', "another format"),
    ],
)
def test_a_backup_without_a_manifest_is_not_ours(tmp_path, text, message):
    if text is not None:
        (tmp_path / "x.db.json").write_text(text)
    with pytest.raises(SqliteError, match=message):
        _sqlite_backup.read_manifest(tmp_path / "x.db")
    assert _sqlite_backup.list_backups(tmp_path) == []


@pytest.mark.parametrize(
    "spoil, problem",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, its manifest says"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "its SHA-256 is not the one in its manifest"),
        (lambda path: path.unlink(), "it cannot be read: No such file"),
    ],
)
@pytest.mark.usefixtures("live")
def test_a_backup_that_is_not_what_its_manifest_says_is_recognised(tmp_path, spoil, problem):
    manifest = _sqlite_backup.make_backup(plan(tmp_path))
    spoil(tmp_path / "backups" / "app.db.20260219T020000Z.abc.db")
    assert problem in _sqlite_backup.verify_backup(manifest)


def manifests(days):
    """Return manifests of backups that many days ago, oldest first."""
    return [
        {"path": f"/b/{day}", "created": (NOW - timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
        for day in sorted(days, reverse=True)
    ]


@pytest.mark.parametrize(
    "days, keep, protect, removed",
    [
        ([0, 1, 2], {}, [], []),
        ([0, 1, 2], {"last": 2}, [], [2]),
        ([0, 1, 2], {"last": 1}, ["/b/2"], [1]),
        ([0, 0.05, 1, 2], {"daily": 2}, [], [2, 0.05]),
        ([0, 7, 14, 21], {"weekly": 2}, [], [21, 14]),
        ([0, 1, 7, 14], {"last": 1, "weekly": 3}, [], [1]),
    ],
)
def test_what_no_rule_keeps_is_removed(days, keep, protect, removed):
    chosen = _sqlite_backup.choose_to_remove(manifests(days), keep, protect)
    assert [manifest["path"] for manifest in chosen] == [f"/b/{day}" for day in removed]


def test_a_removed_backup_leaves_nothing(tmp_path):
    (tmp_path / "x.db.json").write_text(json.dumps({}))
    manifest = {"path": str(tmp_path / "x.db"), "manifest": str(tmp_path / "x.db.json")}
    _sqlite_backup.remove_backups([manifest])
    assert os.listdir(tmp_path) == []


def test_a_backup_that_cannot_be_removed_is_named(tmp_path):
    (tmp_path / "x.db").mkdir()
    with pytest.raises(SqliteError, match="Cannot remove the backup"):
        _sqlite_backup.remove_backups([{"path": str(tmp_path / "x.db"), "manifest": "-"}])


def test_rules_of_retention_are_numbers():
    assert _sqlite_backup.parse_keep({"last": "5", "daily": 7}) == {"last": 5, "daily": 7}


@pytest.mark.parametrize("keep, message", [({"hourly": 1}, "no rule 'hourly'"), ({"last": "x"}, "keep.last must be")])
def test_a_wrong_rule_of_retention_is_named(keep, message):
    with pytest.raises(SqliteError, match=message):
        _sqlite_backup.parse_keep(keep)


@pytest.mark.usefixtures("live")
def test_another_user_may_not_back_a_database_up(tmp_path, monkeypatch):
    monkeypatch.setattr(_sqlite_backup.os, "geteuid", lambda: 12345)
    with pytest.raises(SqliteError, match="become that user"):
        plan(tmp_path)
