# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
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
    return Database(str(host.path), host.manifest["path"], "quick", 5, ID, lambda: NOW, "xyz")


def test_the_backup_is_brought_up_to_the_last_write_and_restored(host, database):
    switch_database.check_backup(database, ELSEWHERE, may_be_missing=False)
    host.sql("INSERT INTO t VALUES (3)")
    updated = replace(database, backup=switch_database.back_up(database), token="uvw")
    assert updated.backup.endswith(".pages")
    host.sql("ALTER TABLE t ADD COLUMN y; INSERT INTO t VALUES (4, 4)")
    switch_database.check_restore(updated, set())
    done = switch_database.restore(updated)["restored"]
    assert (done["restored"], done["reason"]) == (True, "the schema changed since the backup")
    assert host.read("SELECT count(*) FROM t") == 3


@pytest.mark.parametrize("restore, restored", [("auto", False), ("restore", True)])
def test_a_database_of_the_same_schema_is_restored_only_when_asked(host, database, restore, restored):
    host.sql("INSERT INTO t VALUES (3)")
    assert switch_database.restore(replace(database, restore=restore))["restored"]["restored"] is restored


@pytest.mark.parametrize("change", [{"restore": "keep"}, {"backup": ""}])
def test_a_database_that_is_kept_or_was_never_backed_up_is_left_alone(database, change):
    left = replace(database, **{"backup": "/gone", **change})
    switch_database.check_restore(left, set())
    assert (switch_database.will_restore(left), switch_database.restore(left)) == (False, {})


def test_a_backup_that_is_gone_or_was_never_given_is_refused(database):
    Path(database.backup).unlink()
    with pytest.raises(SqliteError, match="is not what it was; take it again"):
        switch_database.check_backup(database, ELSEWHERE, may_be_missing=False)
    with pytest.raises(SqliteError, match="is not sound"):
        switch_database.check_restore(database, set())
    with pytest.raises(SqliteError, match="backup is needed to go forward"):
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
    assert switch_database.holders(database) == {7}
