# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
from collections import namedtuple
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import inspection as sqlite_inspection
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import restore_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.inspection import Live, inspect_live
from sqlite_host import Host

Usage = namedtuple("Usage", "total used free")
UNCHANGED = "the live database is sound and its schema is that of the backup"


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_sound_backup_of_this_database_is_accepted(host):
    restore_plan.check_backup(host.wanted)


def test_a_damaged_backup_is_refused(host):
    with Path(host.manifest["path"]).open("ab") as file:
        file.write(b"x")
    with pytest.raises(SqliteError, match="is not sound: it has"):
        restore_plan.check_backup(host.want(force=True))


def test_a_backup_of_another_database_needs_force(host):
    host.want(real=host.path.with_name("other.db"))
    with pytest.raises(SqliteError, match="is one of .*, not of .*; set force to restore it here"):
        restore_plan.check_backup(host.wanted)
    restore_plan.check_backup(host.want(force=True))


def test_a_folder_that_does_not_exist_is_reported(host):
    host.want(real=host.folder / "none" / "app.db", force=True)
    with pytest.raises(SqliteError, match="The folder .*none does not exist; create it, or correct the path"):
        restore_plan.check_backup(host.wanted)


def test_a_read_only_filesystem_is_reported(host, monkeypatch):
    monkeypatch.setattr(restore_plan, "is_read_only", lambda path: path == host.path.parent)
    with pytest.raises(SqliteError, match="data is mounted read-only; restore the database where it can be written"):
        restore_plan.check_backup(host.wanted)


def test_a_backup_of_another_app_needs_force(host):
    """The path can be the same and the app another one; an app that had no id yet is no other one."""
    host.sql("PRAGMA application_id = 7")
    live = inspect_live(host.path, 5)
    for theirs, force in ((0, False), (7, False), (8, True)):
        restore_plan.judge(live, host.want(manifest={**host.manifest, "application_id": theirs}, force=force))
    with pytest.raises(SqliteError, match="has application_id 8, .*app.db has 7, so it is of another app; set force"):
        restore_plan.judge(live, host.want(force=False))


@pytest.mark.parametrize(
    "script, only_if_changed, needed, reason",
    [
        ("", True, False, UNCHANGED),
        ("", False, True, "a restore was asked for"),
        ("INSERT INTO t VALUES (3)", True, False, UNCHANGED),
        ("ALTER TABLE t ADD COLUMN y", True, True, "the schema changed since the backup"),
        ("PRAGMA user_version = 5", True, True, "the schema changed since the backup"),
    ],
)
def test_a_restore_is_needed_when_the_schema_changed_or_it_is_asked_for(host, script, only_if_changed, needed, reason):
    host.sql(script)
    live = inspect_live(host.path, 5)
    judged = restore_plan.judge(live, host.want(only_if_changed=only_if_changed))
    assert (judged.needed, judged.reason) == (needed, reason)


def test_rows_that_differ_are_counted_per_table(host):
    host.sql("INSERT INTO t VALUES (3); CREATE TABLE u (x); INSERT INTO u VALUES (1);")
    judged = restore_plan.judge(inspect_live(host.path, 5), host.wanted)
    assert judged.differences == {"t": {"live": 3, "backup": 2}, "u": {"live": 1, "backup": 0}}


def files(host):
    return {path: path.read_bytes() for path in host.folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("only_if_changed, changed", [(False, True), (True, False)])
def test_a_prediction_says_what_a_restore_would_do_and_touches_nothing(host, only_if_changed, changed):
    host.sql("INSERT INTO t VALUES (3)")
    before = files(host)
    predicted = restore_plan.predict(host.want(only_if_changed=only_if_changed), False)
    assert (predicted["changed"], predicted["set_aside"], files(host)) == (changed, None, before)
    assert predicted["lost"] == ("t: 1 row newer than the backup" if changed else "")


def test_of_an_update_a_prediction_knows_no_rows(host):
    predicted = restore_plan.predict(host.want_update(), False)
    assert (predicted["changed"], predicted["differences"]) == (True, {})


def test_a_transaction_that_a_killed_process_left_is_not_touched_by_a_prediction(host):
    host.path.with_name("app.db-journal").write_bytes(b"hot")
    before = files(host)
    predicted = restore_plan.predict(host.want(only_if_changed=True), False)
    assert (predicted["reason"], files(host)) == (
        "the live database is not sound: a killed process left a transaction unfinished",
        before,
    )


@pytest.mark.parametrize("only_if_changed, script", [(False, ""), (True, "PRAGMA user_version = 5")])
def test_a_prediction_fails_where_the_restore_would(host, monkeypatch, only_if_changed, script):
    host.sql(script)
    monkeypatch.setattr(sqlite_inspection.proc, "holders", lambda _files: {4711: "node"})
    with pytest.raises(SqliteError, match="is open in process 4711"):
        restore_plan.predict(host.want(only_if_changed=only_if_changed), False)
    assert restore_plan.predict(host.want(only_if_changed=False), True)["changed"] is True


@pytest.mark.parametrize(
    "live, message",
    [
        ("damaged", "cannot be restored online, broken; stop the app and leave online out"),
        ({"page_size": 8192}, "has pages of 8192 bytes, the backup of 4096, which cannot be exchanged in WAL mode"),
    ],
)
def test_what_cannot_be_restored_online_is_reported(host, live, message):
    contents = inspect_live(host.path, 5).contents
    changed = None if live == "damaged" else type(contents)(**{**vars(contents), **live})
    with pytest.raises(SqliteError, match=message):
        restore_plan.refuse_impossible(Live(host.path, changed, "broken"), host.wanted)
    restore_plan.refuse_impossible(Live(host.path, contents, ""), host.wanted)
    with pytest.raises(SqliteError, match="holds no table; stop the app and leave online out"):
        empty = host.want(manifest={**host.manifest, "content_size": 4096})
        restore_plan.refuse_impossible(Live(host.path, contents, ""), empty)


def test_hard_links_are_refused(host):
    os.link(host.path, host.folder / "link.db")
    with pytest.raises(SqliteError, match="has 2 hard links"):
        restore_plan.check_backup(host.wanted)


@pytest.mark.parametrize("leftover", [0, 100])
def test_all_that_is_written_must_have_room(host, monkeypatch, leftover):
    """The new file, what is set aside, and with leftovers a copy in which they are folded, twice while it is folded."""
    host.path.with_name("app.db-wal").write_bytes(b"x" * leftover)
    old = host.path.stat().st_size + leftover
    needed = 8192 + (1 << 20) + (3 * old if leftover else old)
    for free in (needed, needed - 1):
        monkeypatch.setattr(restore_plan.shutil, "disk_usage", lambda _path, free=free: Usage(1, 1, free))
        if free == needed:
            restore_plan.refuse_lack_of_space(host.wanted)
        else:
            message = rf"No space to restore .*: {needed} bytes are needed in .*data, {free} are free"
            with pytest.raises(SqliteError, match=message):
                restore_plan.refuse_lack_of_space(host.wanted)


@pytest.mark.parametrize("stopped_first, refused", [(set(), True), ({4711}, False)])
def test_a_process_that_would_stop_a_restore_is_named_while_the_app_serves(host, monkeypatch, stopped_first, refused):
    monkeypatch.setattr(restore_plan.proc, "holders", lambda _files: {4711: "worker"})
    expected = pytest.raises(SqliteError, match=r"is open in process 4711 \(worker\), which the rollback does not stop")
    with expected if refused else contextlib.nullcontext():
        restore_plan.refuse_hindrances(host.wanted, stopped_first)


def test_there_must_be_room_for_a_restore_before_the_app_is_stopped(host, monkeypatch):
    monkeypatch.setattr(restore_plan.shutil, "disk_usage", lambda _folder: Usage(0, 0, 0))
    with pytest.raises(SqliteError, match="No space to restore"):
        restore_plan.refuse_hindrances(host.wanted, set())


def test_what_was_ruled_before_is_the_reason(host):
    judged = restore_plan.judge(inspect_live(host.path, 5), host.want(why="a table is gone", only_if_changed=True))
    assert (judged.needed, judged.reason) == (True, "a table is gone")
