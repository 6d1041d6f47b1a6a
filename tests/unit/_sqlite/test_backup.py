# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup as sqlite_backup
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import manifest as sqlite_manifest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.backup_plan import Access
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import NOW, plan

NAME = "app.db.20260219T020000Z.abc.db"


def visible(folder):
    return sorted(name for name in os.listdir(folder) if name != ".lock")


@pytest.mark.parametrize("verify", ["quick", "full", "none"])
def test_a_backup_is_named_private_and_described(tmp_path, live, verify):
    manifest = sqlite_backup.make_backup(plan(tmp_path, verify=verify, release_id="release 1"))
    backup = tmp_path / "backups" / NAME
    assert manifest["path"] == str(backup)
    assert (manifest["row_counts"], manifest["release_id"]) == (None if verify == "none" else {"t": 2}, "release 1")
    assert (manifest["verified"], manifest["journal_mode"], manifest["unknown"]) == (verify, "wal", [])
    assert (manifest["content_size"], manifest["content_sha256"]) == (manifest["size"], manifest["sha256"])
    assert visible(backup.parent) == [NAME, f"{NAME}.json"]
    assert {path.stat().st_mode & 0o777 for path in backup.parent.iterdir()} == {0o600}
    assert backup.parent.stat().st_mode & 0o777 == 0o700
    assert sqlite_manifest.verify_backup(sqlite_manifest.read_manifest(backup)) == ""
    live.execute("INSERT INTO t VALUES (3)")


@pytest.mark.parametrize("compression, ending", [("gzip", ".gz"), ("zstd", ".zst")])
@pytest.mark.usefixtures("live")
def test_a_compressed_backup_knows_what_is_in_it(tmp_path, compression, ending):
    manifest = sqlite_backup.make_backup(plan(tmp_path, compression=compression))
    assert visible(tmp_path / "backups") == [NAME + ending, f"{NAME}{ending}.json"]
    assert (manifest["content_size"], manifest["size"] < 8192) == (8192, True)
    assert sqlite_manifest.verify_backup(manifest) == ""


@pytest.mark.usefixtures("live")
def test_a_compression_that_does_not_restore_what_was_put_in_is_no_backup(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_backup.compress, "sha256_of_content", lambda *_arguments: "0" * 64)
    with pytest.raises(SqliteError, match="The gzip file of .* does not hold what was put in; check the disk"):
        sqlite_backup.make_backup(plan(tmp_path, compression="gzip"))
    assert visible(tmp_path / "backups") == []


@pytest.mark.usefixtures("live")
def test_the_group_can_be_let_in(tmp_path):
    manifest = sqlite_backup.make_backup(plan(tmp_path, access=Access(os.geteuid(), os.getegid(), 0o640)))
    for path in (manifest["path"], manifest["manifest"]):
        assert os.stat(path).st_mode & 0o777 == 0o640
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o750


def test_two_backups_of_one_second_both_survive(tmp_path, live):
    plans = [plan(tmp_path, token=token) for token in ("a", "b", "b")]
    for each in plans[:2]:
        sqlite_backup.make_backup(each)
    with pytest.raises(SqliteError, match="Cannot write a backup to .*: File exists"):
        sqlite_backup.make_backup(plans[2])
    assert len(sqlite_manifest.list_backups(tmp_path / "backups")) == 2
    assert live.execute("SELECT count(*) FROM t").fetchone() == (2,)


@pytest.mark.usefixtures("live")
def test_a_manifest_does_not_outlive_a_backup_that_gets_no_name(tmp_path):
    planned = plan(tmp_path, "backups/one.db")
    (tmp_path / "backups").mkdir(mode=0o700)
    (tmp_path / "backups" / "one.db").write_text("somebody's")
    with pytest.raises(SqliteError, match="File exists"):
        sqlite_backup.make_backup(planned)
    assert visible(tmp_path / "backups") == ["one.db"]


def damage(live, tmp_path):
    live.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 200)
    live.execute("PRAGMA journal_mode = DELETE")
    live.close()
    with (tmp_path / "data" / "app.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40960)


def test_no_backup_is_made_of_a_damaged_database(tmp_path, live):
    damage(live, tmp_path)
    with pytest.raises(SqliteError, match="is damaged, so no backup was made of it: "):
        sqlite_backup.make_backup(plan(tmp_path))
    assert visible(tmp_path / "backups") == []


@pytest.mark.usefixtures("live")
def test_an_error_in_reading_the_copy_names_the_database(tmp_path, monkeypatch):
    def fail(_copy, with_rows):
        raise sqlite3.DatabaseError("database disk image is malformed" if with_rows else "")

    monkeypatch.setattr(sqlite_backup, "read_contents", fail)
    with pytest.raises(SqliteError, match="data/app.db is damaged: .* malformed; restore a backup"):
        sqlite_backup.make_backup(plan(tmp_path))


def test_an_unverified_backup_of_a_damaged_database_is_known_when_it_is_needed(tmp_path, live):
    damage(live, tmp_path)
    manifest = sqlite_backup.make_backup(plan(tmp_path, verify="none"))
    assert sqlite_manifest.verify_backup(manifest) != ""


@pytest.mark.usefixtures("live")
def test_no_backup_is_made_of_a_database_whose_check_finds_something(tmp_path, monkeypatch):
    found = sqlite_backup.Checked("row 7 missing from index i")
    monkeypatch.setattr(sqlite_backup, "check", lambda _copy, thoroughly: found if thoroughly else None)
    with pytest.raises(SqliteError, match="is damaged, so no backup was made of it: row 7 missing from index i"):
        sqlite_backup.make_backup(plan(tmp_path, verify="full"))
    assert visible(tmp_path / "backups") == []


@pytest.mark.parametrize(
    "change, message",
    [
        ({"contents": {"user_version": 9}}, "The schema of .* changed while it was copied; take the backup again"),
        ({"row_counts": {"t": 3}}, "does not hold the rows that it held; take the backup again"),
    ],
)
@pytest.mark.usefixtures("live")
def test_a_copy_that_is_not_what_the_transaction_saw_is_refused(tmp_path, monkeypatch, change, message):
    take = sqlite_backup.take_snapshot

    def changed(*arguments):
        taken = take(*arguments)
        contents = sqlite_backup.Contents(**{**vars(taken.contents), **change.get("contents", {})})
        return sqlite_backup.Snapshot(**{**vars(taken), **change, "contents": contents})

    monkeypatch.setattr(sqlite_backup, "take_snapshot", changed)
    with pytest.raises(SqliteError, match=message):
        sqlite_backup.make_backup(plan(tmp_path))
    assert visible(tmp_path / "backups") == []


def test_a_database_that_did_not_change_is_up_to_date(tmp_path, live):
    manifest = sqlite_backup.make_backup(plan(tmp_path))
    real = (tmp_path / "data" / "app.db").resolve()
    manifest["created"] = "2100-01-01T00:00:00.000000Z"
    assert sqlite_backup.is_up_to_date(manifest, real) is True
    # The clock of file times is coarse: another change could bear the same time as the last one before the backup.
    changed = max(time for _size, time in manifest["signature"].values()) / 1e9
    created = datetime.fromtimestamp(changed + 0.01, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert sqlite_backup.is_up_to_date({**manifest, "created": created}, real) is False
    live.execute("INSERT INTO t VALUES (3)")
    assert sqlite_backup.is_up_to_date(manifest, real) is False
    assert sqlite_backup.is_up_to_date(manifest, real.with_name("other.db")) is False


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("age, expected", [(1, False), (2, False), (3, True)])
def test_where_file_times_are_whole_seconds_a_young_one_proves_nothing(tmp_path, age, expected):
    """ext4 with small inodes, ext3, FAT and some NFS: a write of the same second bears the same time."""
    real = (tmp_path / "data" / "app.db").resolve()
    for path in real.parent.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    manifest = sqlite_backup.make_backup(plan(tmp_path))
    for path in real.parent.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    created = datetime.fromtimestamp(1_700_000_000 + age, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    manifest = {**manifest, "created": created, "signature": sqlite_backup.signature_of(real)}
    assert sqlite_backup.is_up_to_date(manifest, real) is expected


@pytest.mark.usefixtures("live")
def test_what_killed_runs_left_is_swept_and_nothing_else(tmp_path):
    folder = tmp_path / "backups"
    kept = sqlite_backup.make_backup(plan(tmp_path))
    for ending in ("", ".packed", ".json"):
        (folder / f".app.db.x.db.0a1b2c{ending}.greenlight").write_text("")
    (folder / ".app.db.x.db.0a1b2c.greenlight-wal").write_text("")
    foreign = [".app.db.swp", ".other.partial", "notes.greenlight", ".app.db.0a1b2.greenlight"]
    for name in foreign:
        (folder / name).write_text("")
    orphan = {**json.loads((folder / f"{NAME}.json").read_text()), "created": "2026-02-18T02:00:00.000000Z"}
    (folder / "gone.db.json").write_text(json.dumps(orphan))
    sqlite_backup.make_backup(plan(tmp_path, token="d"))
    other = NAME.replace("abc", "d")
    assert visible(folder) == sorted([*foreign, NAME, f"{NAME}.json", other, f"{other}.json"])
    assert sqlite_manifest.verify_backup(kept) == ""


@pytest.mark.usefixtures("live")
def test_nothing_is_swept_while_another_run_is_at_work(tmp_path):
    sqlite_backup.make_backup(plan(tmp_path))
    partial = tmp_path / "backups" / ".other.db.0a1b2c.greenlight"
    partial.write_text("")
    with (tmp_path / "backups" / ".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        sqlite_backup.make_backup(plan(tmp_path, token="d"))
    assert partial.exists()


@pytest.mark.usefixtures("live")
def test_everything_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    steps, link = [], os.link

    def sync(descriptor):
        steps.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")

    def name(source, target):
        steps.append(f"name {os.path.basename(target)}")
        link(source, target)

    monkeypatch.setattr(sqlite_backup.os, "fsync", sync)
    monkeypatch.setattr(sqlite_backup.os, "link", name)
    sqlite_backup.make_backup(plan(tmp_path, "backups/a.db"))
    assert steps == [
        f"sync {tmp_path.name}",
        "sync .a.db.abc.greenlight",
        "sync .a.db.abc.json.greenlight",
        "name a.db.json",
        "sync backups",
        "name a.db",
        "sync backups",
    ]


@pytest.mark.usefixtures("live")
def test_two_runs_to_the_same_file_do_not_hinder_each_other(tmp_path, monkeypatch):
    first, second = plan(tmp_path, "backups/a.db", token="one"), plan(tmp_path, "backups/a.db", token="two")
    store = sqlite_backup.store

    def store_second_first(*arguments):
        monkeypatch.setattr(sqlite_backup, "store", store)
        sqlite_backup.make_backup(second)
        return store(*arguments)

    monkeypatch.setattr(sqlite_backup, "store", store_second_first)
    with pytest.raises(SqliteError, match="Cannot write a backup to .*: File exists"):
        sqlite_backup.make_backup(first)
    assert visible(tmp_path / "backups") == ["a.db", "a.db.json"]
    assert sqlite_manifest.verify_backup(sqlite_manifest.read_manifest(tmp_path / "backups" / "a.db")) == ""


@pytest.mark.usefixtures("live")
def test_every_folder_that_is_made_is_private(tmp_path):
    sqlite_backup.make_backup(plan(tmp_path, "new/state/backups"))
    for folder in ("new", "new/state", "new/state/backups"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


def test_a_folder_says_whether_another_run_is_at_work(tmp_path):
    with sqlite_backup.alone_in(tmp_path / "missing") as alone:
        assert alone is True
    with (tmp_path / ".lock").open("w") as other:
        for held in (False, True):
            if held:
                fcntl.flock(other, fcntl.LOCK_SH)
            with sqlite_backup.alone_in(tmp_path) as alone:
                assert alone is not held
    (tmp_path / "x").write_text("")
    with pytest.raises(SqliteError, match="Cannot use .*x for backups: Not a directory"):
        with sqlite_backup.alone_in(tmp_path / "x"):
            pass


@pytest.mark.parametrize("uid, given", [(0, True), (4711, False)])
def test_the_lock_of_a_folder_belongs_to_its_owner(tmp_path, monkeypatch, uid, given):
    calls = []
    monkeypatch.setattr(sqlite_backup.os, "geteuid", lambda: uid)
    monkeypatch.setattr(sqlite_backup.os, "fchown", lambda _descriptor, *owner: calls.append(owner))
    os.close(sqlite_backup._open_lock(tmp_path))
    status = tmp_path.stat()
    assert calls == ([(status.st_uid, status.st_gid)] if given else [])


def test_odd_names_leave_nothing_behind(tmp_path, live):
    live.close()
    (tmp_path / "data" / "app.db").rename(tmp_path / "data" / "[a]*?.db")
    planned = backup_plan.plan_backup(tmp_path / "data" / "[a]*?.db", f"{tmp_path}/backups", NOW, "t", verify="quick")
    name = os.path.basename(sqlite_backup.make_backup(planned)["path"])
    assert visible(tmp_path / "backups") == [name, f"{name}.json"]


def test_a_clock_that_was_set_back_does_not_make_the_newest_backup_the_oldest(tmp_path, live):
    made = []
    for token, earlier in (("a", 0), ("b", 0), ("c", 86400)):
        live.execute("INSERT INTO t VALUES (3)")
        wanted = plan(tmp_path, token=token)
        wanted = replace(wanted, created=wanted.created - timedelta(seconds=earlier))
        made.append(sqlite_backup.make_backup(wanted))
    found = sqlite_manifest.list_backups(tmp_path / "backups")
    assert [each["path"] for each in found] == [each["path"] for each in made]
    assert [each["path"] for each in sqlite_manifest.choose_to_remove(found, {"last": 2}, [])] == [made[0]["path"]]
