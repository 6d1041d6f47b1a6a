# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import BackUp, Retention
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import NOW, Host

LATER = NOW + timedelta(days=1)


@pytest.fixture
def host(tmp_path):
    """A database, and one backup of it in the folder backups."""
    return Host(tmp_path)


def wanted(host, **more):
    return BackUp(str(host.path), f"{host.folder}/backups", timeout=5, **more)


def age(path):
    """Date a file back, so that it is certain to be older than a backup."""
    os.utime(path, ns=(1, 1))


def shown(host):
    """Return what a user sees of the manifest."""
    return {name: value for name, value in host.manifest.items() if name != "schema"}


def test_the_backups_of_a_folder_are_described_with_what_is_wrong_with_them(host):
    folder = Path(host.manifest["path"]).parent
    assert sqlite_api.describe_backups(folder, 5) == [{**shown(host), "sound": True, "reason": ""}]
    Path(host.manifest["path"]).write_bytes(b"damaged")
    (folder / "other.db.20260219T020000Z.x.db.json").write_text("{")
    damaged, unreadable = sqlite_api.describe_backups(folder, 5)
    assert (damaged["sound"], damaged["path"]) == (False, host.manifest["path"])
    assert damaged["reason"]
    assert (unreadable["sound"], unreadable["path"].startswith(f"{folder}/other.db")) == (False, True)
    assert unreadable["reason"]


def test_a_backup_is_taken_and_those_that_no_rule_keeps_are_removed(host):
    given = wanted(host, retention=Retention({"last": "1"}))
    done = sqlite_api.back_up(given, LATER, "new")
    assert (done["changed"], done["removed"]) == (True, [host.manifest["path"]])
    assert (done["before"], Path(done["backup"]["path"]).exists()) == (shown(host), True)


def test_check_mode_returns_the_name_and_what_would_be_removed(host):
    given = wanted(host, retention=Retention({"last": 1}))
    reported = sqlite_api.back_up(given, LATER, "new", check_mode=True)
    assert reported["backup"] == {"path": f"{host.folder}/backups/app.db.20260220T020000Z.new.db"}
    assert (reported["removed"], Path(host.manifest["path"]).exists()) == ([host.manifest["path"]], True)


def test_an_update_writes_only_what_changed_and_keeps_what_it_rests_on(host):
    host.sql("INSERT INTO t VALUES (3)")
    given = wanted(host, update=host.manifest["path"], retention=Retention({"last": 1}))
    planned = sqlite_api.back_up(given, LATER, "upd", check_mode=True)["backup"]["path"]
    done = sqlite_api.back_up(given, LATER, "upd")
    assert (done["backup"]["method"], done["backup"]["path"], done["removed"]) == ("pages", planned, [])


def test_a_backup_that_is_up_to_date_is_not_taken_again(host):
    age(host.path)
    done = sqlite_api.back_up(wanted(host), NOW, "one")
    again = sqlite_api.back_up(wanted(host, update=done["backup"]["path"]), LATER, "two")
    assert (again["changed"], again["backup"]) == (False, done["backup"])
    one_file = replace(wanted(host), dest=done["backup"]["path"])
    assert sqlite_api.back_up(one_file, LATER, "three")["changed"] is False


def test_backups_that_a_rollback_could_need_are_kept(host):
    given = wanted(host, retention=Retention({"last": 1}, (), lambda: [host.manifest["path"]]))
    assert sqlite_api.back_up(given, LATER, "new")["removed"] == []


@pytest.mark.parametrize("source", [None, "own", "/somewhere/else.db"])
def test_old_backups_are_removed_of_one_database_or_of_all(host, source):
    newest = sqlite_api.back_up(wanted(host), LATER, "new")["backup"]["path"]
    path = str(host.path) if source == "own" else source
    folder, retention = f"{host.folder}/backups", Retention({"last": 1}, [newest])
    planned = sqlite_api.remove(folder, path, retention, check_mode=True)
    removed = sqlite_api.remove(folder, path, retention, check_mode=False)
    expected = [] if source == "/somewhere/else.db" else [host.manifest["path"]]
    assert (planned, removed["removed"], removed["changed"]) == (removed, expected, bool(expected))


def test_nothing_is_removed_while_another_run_works_in_the_folder(host, monkeypatch):
    busy = contextlib.nullcontext(False)
    monkeypatch.setattr(sqlite_api.sqlite_backup, "alone_in", lambda _folder: busy)
    assert sqlite_api.remove(f"{host.folder}/backups", None, Retention({"last": 0}), check_mode=False) == {
        "changed": False,
        "removed": [],
    }


def plan(host, **more):
    return sqlite_api.plan_restore(host.manifest["path"], str(host.path), 5, NOW, "xyz", **more)


@pytest.mark.parametrize("online", [False, True])
def test_a_backup_is_restored(host, online):
    host.sql("INSERT INTO t VALUES (3)")
    reported = sqlite_api.restore(plan(host), online, check_mode=True)
    assert (reported["restored"], host.read("SELECT count(*) FROM t")) == (True, 3)
    done = sqlite_api.restore(plan(host), online)
    assert (done["restored"], done["backup"], host.read("SELECT count(*) FROM t")) == (True, shown(host), 2)


def test_a_backup_that_is_damaged_is_refused_unless_it_was_checked(host):
    Path(host.manifest["path"]).write_bytes(b"x" * host.manifest["size"])
    assert plan(host, is_checked=True).manifest == host.manifest
    with pytest.raises(SqliteError, match="is not sound"):
        plan(host)


def test_what_the_system_refuses_is_explained():
    def work():
        raise PermissionError(13, "Permission denied", "/x")

    with pytest.raises(SqliteError, match=r"The system refused the work: Permission denied \(/x\)"):
        sqlite_api.explained(work)
    assert sqlite_api.explained(lambda: 5) == 5


COUNTS = {"t": {"live": 3, "backup": 2}}


@pytest.mark.parametrize(
    "result, before, after",
    [
        ({"restored": True, "differences": COUNTS}, {"t": 3}, {"t": 2}),
        ({"restored": False, "differences": COUNTS}, {}, {}),
        ({"removed": ["/b/1"]}, {"/b/1": "kept"}, {"/b/1": "removed"}),
        ({"removed": [], "backup": {"path": "/b/2"}, "before": {}}, {}, {"path": "/b/2"}),
        (
            {"removed": ["/b/1"], "backup": {"path": "/b/2"}, "before": {"path": "/b/1"}},
            {"path": "/b/1"},
            {"path": "/b/2", "/b/1": "removed"},
        ),
    ],
    ids=["restored", "equal already", "removed", "the first backup", "a later backup"],
)
def test_the_diff_is_one_of_rows_after_a_restore_and_else_one_of_manifests(result, before, after):
    assert sqlite_api.diff_of(result) == {"before": before, "after": after}


def test_a_backup_is_unpacked_and_a_change_of_the_schema_is_seen(host, tmp_path):
    sqlite_api.unpack(host.manifest["path"], tmp_path / "copy.db", 5)
    assert host.read("SELECT count(*) FROM t", tmp_path / "copy.db") == 2
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    before = sqlite_api.schema_cookie(host.path, 5)
    host.sql("INSERT INTO t VALUES (3)")
    assert sqlite_api.schema_cookie(host.path, 5) == before
    host.sql("ALTER TABLE t ADD y")
    assert sqlite_api.schema_cookie(host.path, 5) != before


def test_a_restore_is_prepared_and_what_it_has_undone_counted_later(host):
    host.sql("INSERT INTO t VALUES (3)")
    planned = replace(plan(host, is_checked=True), why="a table is gone")
    sqlite_api.prepare_restore(planned)
    assert planned.staged.exists()
    done = sqlite_api.restore(planned)
    assert (done["restored"], done["lost"], planned.staged.exists()) == (True, "", False)
    assert sqlite_api.count_lost(planned, done["set_aside"])["lost"] == "t: 1 row newer than the backup"


def test_what_a_user_should_know_of_a_backup_is_taken_out_of_its_result(host, monkeypatch):
    monkeypatch.setattr(sqlite_api.inspection, "describe_waiting", lambda path: f"the writers of {path} wait")
    result = sqlite_api.back_up(wanted(host), NOW, "new")
    result["backup"]["unknown"] = ["collation THAI"]
    waiting, unknown = sqlite_api.take_warnings(result)
    assert (waiting, "collation THAI" in unknown) == (f"the writers of {host.path} wait", True)
    assert ("waiting" in result, sqlite_api.take_warnings({})) == (False, [])


@pytest.mark.parametrize("check_mode", [True, False])
def test_rows_that_were_set_aside_are_put_back_after_a_backup(host, check_mode):
    host.sql("CREATE TABLE u (id INTEGER PRIMARY KEY, x)")
    backup = sqlite_api.back_up(wanted(host), NOW, "with")["backup"]["path"]
    host.sql("INSERT INTO u VALUES (1, 'a'), (2, 'b')")
    aside = sqlite_api.restore(sqlite_api.plan_restore(backup, str(host.path), 5, NOW, "xyz"))["set_aside"]
    host.sql("INSERT INTO u VALUES (2, 'other')")
    done = sqlite_api.merge(aside, wanted(host), NOW, "mrg", check_mode)
    assert (done["changed"], done["merged"], done["conflicts"]) == (True, {"u": 1}, {"u": 1})
    assert host.read("SELECT count(*) FROM u") == (1 if check_mode else 2)
    assert (done["conflicts_file"] is None, done["backup"] == {}) == (check_mode, check_mode)
    if not check_mode:
        file = Path(done["conflicts_file"])
        assert (file.read_text(), file.stat().st_mode & 0o777) == (
            '{\n  "u": [\n    [\n      2\n    ]\n  ]\n}\n',
            0o600,
        )
        again = sqlite_api.merge(aside, wanted(host), NOW, "two", False)
        assert (again["changed"], again["backup"], again["conflicts"]) == (False, {}, {"u": 1})
    assert sqlite_api.diff_of(done) == {"before": {}, "after": {"u": 1}}
