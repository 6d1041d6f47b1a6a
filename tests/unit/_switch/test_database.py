# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Bounds
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._switch import database as switch_database
from ansible_collections.greenlight.release.plugins.module_utils._switch.database import Database
from sqlite_host import NOW, Host

ID = "20260219T020000Z-bbbbbbbb"
ELSEWHERE = Move("in_place", Path("/srv/shop"), ID, "a" * 40, "b" * 40, ("node_modules",))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def database(host):
    return Database(
        str(host.path), host.manifest["path"], "quick", 5, ID, lambda: NOW, "xyz", bounds=Bounds(600, 0, 60)
    )


def test_the_backup_is_brought_up_to_the_last_write_and_restored(host, database):
    switch_database.check_backup(database, ELSEWHERE, may_be_missing=False)
    host.sql("INSERT INTO t VALUES (3)")
    facts = switch_database.back_up(database)
    assert facts["schema"] == [host.manifest["schema_sha256"], 0]
    updated = replace(database, token="uvw", **facts)
    assert updated.backup.endswith(".pages")
    host.sql("ALTER TABLE t RENAME COLUMN x TO y; INSERT INTO t VALUES (4)")
    ruling = switch_database.check_restore(updated, set(), False)
    done = switch_database.restore(updated, ruling)
    assert (done["restored"], "column x of table t is gone" in done["reason"]) == (True, True)
    assert (host.read("SELECT count(*) FROM t"), done["question"], done["lost"]) == (3, "", "")
    counted = switch_database.count_lost(updated, done)
    assert (counted["lost"], counted["reason"]) == ("t: 1 row newer than the backup", done["reason"])


def test_the_filesystem_frees_the_replaced_file_when_nobody_waits_any_more(host, database):
    host.sql("ALTER TABLE t RENAME COLUMN x TO y")
    old = host.path.stat().st_ino
    ruling = switch_database.check_restore(database, set(), False)
    assert switch_database.restore(database, ruling)["restored"] is True
    held = {}
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            held[os.fstat(number).st_ino] = number
    assert (host.path.stat().st_ino != old, old in held) == (True, True)
    os.close(held[old])


def test_of_a_database_that_was_kept_no_rows_are_counted(database):
    for kept in ({"restored": False, "set_aside": None}, {"restored": True, "set_aside": None}):
        assert switch_database.count_lost(database, kept) == {}


def test_what_a_restore_can_do_before_the_stop_is_done_then(host, database, monkeypatch):
    host.sql("ALTER TABLE t RENAME COLUMN x TO y")
    switch_database.check_restores([database], set(), True)
    assert sorted(path.name for path in host.path.parent.iterdir()) == ["app.db"]
    (ruling,) = switch_database.check_restores([database], set(), False)
    assert sorted(path.name for path in host.path.parent.iterdir()) == [".app.db.restore.xyz", "app.db"]
    monkeypatch.setattr(switch_database.sqlite_api.sqlite_restore.stage, "stage", None)
    assert switch_database.restore(database, ruling)["restored"] is True
    assert (host.read("SELECT count(x) FROM t"), [path.name for path in host.path.parent.iterdir()]) == (2, ["app.db"])


def test_a_database_that_is_kept_is_not_read_while_the_app_is_stopped(host, database, monkeypatch):
    ruling = switch_database.check_restore(database, set(), False)
    monkeypatch.setattr(switch_database.watchdog, "run_watched", None)
    assert switch_database.restore(database, ruling)["restored"] is False


@pytest.mark.parametrize("restore, restored", [("auto", False), ("restore", True)])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_database_of_the_same_schema_is_restored_only_when_asked(host, database, restore, restored, is_known):
    host.sql("INSERT INTO t VALUES (3)")
    wanted = replace(database, restore=restore)
    ruling = switch_database.check_restore(wanted, set(), False) if is_known else None
    assert switch_database.restore(wanted, ruling)["restored"] is restored


@pytest.mark.parametrize(
    "change, reason",
    [({"restore": "keep"}, "it was asked to keep it"), ({"backup": ""}, "the release took no backup of it")],
)
def test_a_database_that_is_kept_or_was_never_backed_up_is_left_alone(database, change, reason):
    left = replace(database, **{"backup": "/gone", **change})
    ruling = switch_database.check_restore(left, set(), False)
    done = switch_database.restore(left, ruling)
    assert (done["restored"], done["reason"]) == (False, reason)


def test_a_person_is_asked_before_the_app_is_stopped_and_not_in_a_rehearsal(host, database):
    host.sql("ALTER TABLE t RENAME COLUMN x TO y; INSERT INTO t VALUES (3)")
    old = replace(database, bounds=Bounds(600, 0, 601))
    with pytest.raises(SqliteError, match="A person must decide .*: t: 1 row newer than the backup"):
        switch_database.check_restore(old, set(), False)
    rehearsed = switch_database.describe(switch_database.check_restore(old, set(), True))
    assert (rehearsed["restored"], rehearsed["lost"]) == (False, "t: 1 row newer than the backup")
    assert "A person must decide" in rehearsed["question"]


def test_nobody_is_asked_while_the_app_is_stopped(host, database):
    host.sql("ALTER TABLE t RENAME COLUMN x TO y; INSERT INTO t VALUES (3)")
    done = switch_database.restore(replace(database, bounds=Bounds(600, 0, 601)), None)
    assert (done["restored"], "A person must decide" in done["question"]) == (False, True)
    assert host.read("SELECT count(y) FROM t") == 3


def test_what_only_the_stop_will_show_is_said_so():
    assert switch_database.describe(None)["reason"] == "only the stop of the app shows whether it is restored"


@pytest.mark.parametrize(
    "schema, script, restore, passes",
    [
        (True, "", "auto", True),
        (True, "CREATE TABLE u (x)", "auto", False),
        (False, "", "auto", False),
        (True, "", "restore", False),
    ],
)
def test_a_backup_that_is_gone_stops_only_a_rollback_that_needs_it(host, database, schema, script, restore, passes):
    known = (host.manifest["schema_sha256"], host.manifest["user_version"])
    host.sql(script)
    for path in (database.backup, f"{database.backup}.json"):
        Path(path).unlink()
    wanted = replace(database, schema=known if schema else None, restore=restore)
    if passes:
        ruling = switch_database.check_restore(wanted, set(), False)
        assert switch_database.restore(wanted, ruling)["restored"] is False
    else:
        with pytest.raises(SqliteError, match="does not exist; .*; or leave .* greenlight_rollback_database=keep"):
            switch_database.check_restore(wanted, set(), False)


def test_a_backup_that_is_gone_or_was_never_given_is_refused(database):
    Path(database.backup).unlink()
    with pytest.raises(SqliteError, match="is not what it was; take it again"):
        switch_database.check_backup(database, ELSEWHERE, may_be_missing=False)
    with pytest.raises(SqliteError, match="a backup is needed to go forward; give the one of "):
        switch_database.check_backup(replace(database, backup=""), ELSEWHERE, may_be_missing=True)


def test_a_backup_that_check_mode_only_planned_need_not_be_there(database):
    planned = replace(database, backup=f"{database.backup}.planned")
    assert switch_database.check_backup(planned, ELSEWHERE, may_be_missing=True) is None


@pytest.mark.parametrize(
    "kind, app_path, built, refused",
    [
        ("in_place", "", (), False),
        ("in_place", "", ("data",), True),
        ("in_place", "data", ("cache",), False),
        ("releases", "", (), False),
        ("releases", "releases-of-another", (), False),
    ],
)
def test_a_database_in_what_a_release_replaces_is_refused(host, database, kind, app_path, built, refused):
    move = replace(ELSEWHERE, kind=kind, app_path=host.folder / app_path, built_paths=built)
    if refused:
        with pytest.raises(SqliteError, match="which a release replaces; move it elsewhere"):
            switch_database.check_backup(database, move, may_be_missing=False)
    else:
        assert switch_database.check_backup(database, move, may_be_missing=False) is None


def test_a_database_in_a_release_folder_is_refused(tmp_path):
    folder = tmp_path / "releases" / ID
    folder.mkdir(parents=True)
    host = Host(folder)
    database = Database(str(host.path), host.manifest["path"], "quick", 5, ID, lambda: NOW, "xyz")
    with pytest.raises(SqliteError, match="releases, which a release replaces"):
        switch_database.check_backup(database, replace(ELSEWHERE, kind="releases", app_path=tmp_path), False)


def test_who_has_the_database_open_is_known_before_the_app_is_stopped(host, database, monkeypatch):
    monkeypatch.setattr(
        switch_database.sqlite_api, "find_holders", lambda real: {7: "worker"} if real == host.path else {}
    )
    assert switch_database.holders([database]) == {7}


def test_who_has_the_database_open_during_a_migration_is_named_unless_it_ends_or_is_allowed(host, database):
    with subprocess.Popen(["tail", "-f", str(host.path)], stdout=subprocess.DEVNULL) as stranger:
        try:
            wait_until_open(stranger.pid, host.path)
            with pytest.raises(SqliteError, match=rf"is open in process {stranger.pid} \(tail\), which is not stopped"):
                switch_database.refuse_strangers([database], set(), ["litestream"])
            switch_database.refuse_strangers([database], {stranger.pid}, [])
            switch_database.refuse_strangers([database], set(), ["tail"])
        finally:
            stranger.kill()


def wait_until_open(pid, path):
    ends = time.monotonic() + 20
    while str(path) not in [os.path.realpath(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_all_that_is_to_be_said_of_several_databases_is_said_at_once(host, database, tmp_path):
    """One has a question, another lost its backup, and a third is well."""
    (tmp_path / "second").mkdir()
    other = Host(tmp_path / "second")
    host.sql("ALTER TABLE t RENAME COLUMN x TO y; INSERT INTO t VALUES (3)")
    asks = replace(database, bounds=Bounds(600, 0, 601))
    gone = replace(database, path=str(other.path), backup="/gone", token="other")
    well = replace(database, path=str(other.path), backup=other.manifest["path"], token="third")
    second = replace(well, restore="restore")
    with pytest.raises(SqliteError) as caught:
        switch_database.check_restores([second, asks, well, gone], set(), False)
    assert list(tmp_path.rglob("*.restore.*")) == [], "nothing is written for a rollback that is refused"
    told = str(caught.value)
    assert told.index(f"A person must decide what becomes of {host.path}") < told.index("/gone does not exist")
    assert told.endswith("set its rollback in greenlight_databases.")
    with pytest.raises(SqliteError) as caught:
        switch_database.check_restores([asks], set(), False)
    assert "greenlight_databases" not in str(caught.value)
    rulings = switch_database.check_restores([well, replace(asks, restore="keep")], set(), False)
    assert [ruling.restores for ruling in rulings] == [False, False]
    assert switch_database.check_restores([], set(), False) == []
