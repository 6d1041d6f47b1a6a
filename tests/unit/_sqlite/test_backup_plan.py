# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3
from collections import namedtuple

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import wal as sqlite_wal
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.backup_plan import Access
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import plan

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    "dest, compression, name",
    [
        ("backups", "none", "backups/app.db.20260219T020000Z.abc.db"),
        ("backups.d/", "gzip", "backups.d/app.db.20260219T020000Z.abc.db.gz"),
        ("there.d", "none", "there.d/app.db.20260219T020000Z.abc.db"),
        ("backups/nightly.db", "none", "backups/nightly.db"),
    ],
)
@pytest.mark.usefixtures("live")
def test_a_destination_is_a_folder_or_the_file_to_be_made(tmp_path, dest, compression, name):
    (tmp_path / "there.d").mkdir(mode=0o700)
    assert plan(tmp_path, dest, compression=compression).final == tmp_path / name


@pytest.mark.parametrize(
    "dest, name", [("backups", "backups/app.db.20260219T020000Z.abc.pages"), ("b/one.db", "b/one.db")]
)
@pytest.mark.usefixtures("live")
def test_an_update_has_an_ending_of_its_own_and_is_not_compressed(tmp_path, dest, name):
    planned = backup_plan.plan_update(plan(tmp_path, dest, compression="gzip"), f"{tmp_path}/{dest}")
    assert (planned.final, planned.compression) == (tmp_path / name, "none")


@pytest.mark.usefixtures("live")
def test_a_database_with_two_names_is_refused(tmp_path):
    os.link(tmp_path / "data" / "app.db", tmp_path / "link.db")
    with pytest.raises(SqliteError, match="has 2 hard links"):
        plan(tmp_path)


@pytest.mark.usefixtures("live")
def test_a_wait_of_no_time_is_refused(tmp_path):
    with pytest.raises(SqliteError, match="timeout must be more than 0 seconds, not -1"):
        plan(tmp_path, timeout=-1)


@pytest.mark.usefixtures("live")
def test_a_file_that_exists_is_never_overwritten(tmp_path):
    (tmp_path / "b").mkdir(mode=0o700)
    (tmp_path / "b" / "one.db").write_text("")
    with pytest.raises(SqliteError, match="one.db exists already, and a backup is never overwritten; give another"):
        plan(tmp_path, "b/one.db")


@pytest.mark.usefixtures("live")
def test_a_folder_that_others_can_write_is_refused(tmp_path):
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups").chmod(0o777)
    with pytest.raises(SqliteError, match="can be written by other users; chmod it to 0700"):
        plan(tmp_path)


@pytest.mark.usefixtures("live")
def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    (tmp_path / "backups").mkdir(mode=0o700)
    (tmp_path / "data" / "app.db").stat()
    monkeypatch.setattr(backup_plan, "refuse_other_user", lambda _real: None)
    monkeypatch.setattr(backup_plan.os, "geteuid", lambda: 4711)
    owner = os.stat(tmp_path / "backups").st_uid
    if owner:
        plan(tmp_path)
    real = backup_plan.Path.stat

    def stat(path, **_options):
        found = list(real(path))
        found[4] = 4712 if path.name == "backups" else found[4]
        return os.stat_result(found)

    monkeypatch.setattr(backup_plan.Path, "stat", stat)
    with pytest.raises(SqliteError, match="belongs to uid 4712, who could replace a backup; chown it"):
        plan(tmp_path)


@pytest.mark.usefixtures("live")
def test_a_destination_in_a_file_is_refused(tmp_path):
    (tmp_path / "backups").write_text("")
    with pytest.raises(SqliteError, match="is not a folder; give the folder for the backups"):
        plan(tmp_path, "backups/one.db")


@pytest.mark.usefixtures("live")
def test_the_databases_own_folder_is_refused(tmp_path):
    with pytest.raises(SqliteError, match="is the folder of the database itself"):
        plan(tmp_path, "data")


@pytest.mark.parametrize("compression, factor", [("none", 1), ("gzip", 2)])
def test_too_little_space_is_reported_with_numbers(tmp_path, monkeypatch, live, compression, factor):
    live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    needed = factor * (8192 + (1 << 20))
    for free, dest in ((needed - 1, "backups"), (needed - 1, "new/folder"), (needed, "backups")):
        (tmp_path / "backups").mkdir(mode=0o700, exist_ok=True)
        monkeypatch.setattr(backup_plan.shutil, "disk_usage", lambda _path, free=free: Usage(1, 1, free))
        if free < needed:
            message = rf"No space for a backup in .*{dest}: {needed} bytes are needed, {free} are free"
            with pytest.raises(SqliteError, match=message):
                backup_plan.refuse_lack_of_space(plan(tmp_path, dest, compression=compression))
        else:
            backup_plan.refuse_lack_of_space(plan(tmp_path, dest, compression=compression))


def room(tmp_path, monkeypatch):
    """Return how many bytes of room a backup asks for."""
    monkeypatch.setattr(backup_plan.shutil, "disk_usage", lambda _path: Usage(1, 1, 0))
    with pytest.raises(SqliteError, match="No space for a backup") as caught:
        backup_plan.refuse_lack_of_space(plan(tmp_path))
    return int(str(caught.value).split(": ")[1].split()[0])


def test_the_wal_has_room_and_the_pages_that_it_adds(tmp_path, monkeypatch, live):
    wal = (tmp_path / "data" / "app.db-wal").stat().st_size
    assert room(tmp_path, monkeypatch) == 2 * 4096 + wal + (1 << 20)
    assert live.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_where_nothing_is_known_of_the_wal_it_counts_twice(tmp_path, monkeypatch, live):
    """Folding it can lengthen the copy by as much."""
    wal, main = (tmp_path / "data" / f"app.db{suffix}" for suffix in ("-wal", ""))
    (tmp_path / "data" / "app.db-shm").rename(tmp_path / "data" / "away")
    assert room(tmp_path, monkeypatch) == main.stat().st_size + 2 * wal.stat().st_size + (1 << 20)
    (tmp_path / "data" / "away").rename(tmp_path / "data" / "app.db-shm")
    live.execute("SELECT 1")


def starve(live, path, frames):
    """Let a reader keep a WAL from being begun anew, while few rows change often. Return the reader."""
    live.execute("PRAGMA wal_autocheckpoint = 0")
    live.execute("PRAGMA synchronous = OFF")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.executescript("BEGIN; SELECT * FROM t;")
    for number in range(frames):
        live.execute("UPDATE t SET x = ?", (number,))
    return reader


def test_a_starved_wal_has_room_for_what_it_holds_only(tmp_path, monkeypatch, live):
    """A reader that never ends its transaction lets the WAL grow, and the same pages are in it again and again."""
    monkeypatch.setattr(sqlite_wal, "_LONG", 100 * 4096)
    reader = starve(live, tmp_path / "data" / "app.db", 200)
    before = (tmp_path / "data" / "app.db-wal").stat().st_size
    assert (before > 200 * 4096, room(tmp_path, monkeypatch)) == (True, 2 * 4096 + (1 << 20))
    reader.close()


def test_a_wal_that_was_long_once_has_room_for_what_it_holds_now(tmp_path, monkeypatch, live):
    reader = starve(live, tmp_path / "data" / "app.db", 200)
    reader.close()
    live.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    live.execute("UPDATE t SET x = 'last'")
    assert room(tmp_path, monkeypatch) == 2 * 4096 + 32 + 4120 + (1 << 20)
    assert (tmp_path / "data" / "app.db-wal").stat().st_size > 200 * 4096


@pytest.mark.usefixtures("live")
def test_another_user_may_not_back_a_database_up(tmp_path, monkeypatch):
    monkeypatch.setattr(backup_plan.os, "geteuid", lambda: 12345)
    with pytest.raises(SqliteError, match="become that user"):
        plan(tmp_path)


@pytest.mark.usefixtures("live")
def test_a_compression_without_its_program_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(backup_plan.compress.shutil, "which", lambda _program: None)
    with pytest.raises(SqliteError, match="zstd is not installed on the host; install it"):
        plan(tmp_path, compression="zstd")


def test_an_empty_wal_is_none(tmp_path, live):
    live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert list(backup_plan.signature_of(tmp_path / "data" / "app.db")) == [""]


@pytest.mark.parametrize(
    "owner, group, mode, access",
    [
        (None, None, None, Access()),
        (None, None, "0640", Access(mode=0o640)),
        (None, None, 0o660, Access(mode=0o660)),
        (str(os.geteuid()), "0", "600", Access(os.geteuid(), 0)),
        ("root", "root", "0600", Access(0, 0)),
    ],
)
def test_who_may_use_the_files_is_understood(monkeypatch, owner, group, mode, access):
    if owner == "root":
        monkeypatch.setattr(backup_plan.os, "geteuid", lambda: 0)
    assert backup_plan.parse_access(owner, group, mode) == access


@pytest.mark.parametrize(
    "owner, group, mode, message",
    [
        (None, None, "rw", "mode must be an octal number such as '0640', not 'rw'"),
        (None, None, "0644", "mode 0644 does not suit a backup, which holds all data"),
        (None, None, "0200", "mode 0200 does not suit"),
        ("no-such-user", None, None, "owner 'no-such-user' does not exist on the host"),
        (None, "no-such-group", None, "group 'no-such-group' does not exist on the host"),
        ("4711", None, None, "Only root can give the backup to 4711"),
        (None, "4711", None, "Only root can give the backup to group 4711, as this user is not in it"),
        (None, None, ["0600"], "mode must be an octal number"),
    ],
)
def test_who_may_not_use_the_files_is_reported(monkeypatch, owner, group, mode, message):
    monkeypatch.setattr(backup_plan.os, "geteuid", lambda: 1000)
    with pytest.raises(SqliteError, match=message):
        backup_plan.parse_access(owner, group, mode)
