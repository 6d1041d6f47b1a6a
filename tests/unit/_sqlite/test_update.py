# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3
from datetime import datetime, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup, backup_plan, stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import manifest as sqlite_manifest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import update as sqlite_update
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError

NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)


class Database:
    """A database with ten pages of rows, and a backup of it."""

    def __init__(self, folder, mode="WAL", **settings):
        (folder / "data").mkdir()
        self.folder, self.path = folder, folder / "data" / "app.db"
        self.app = sqlite3.connect(self.path, isolation_level=None)
        self.app.executescript(f"PRAGMA journal_mode = {mode}; CREATE TABLE t (x);")
        self.app.executemany("INSERT INTO t VALUES (?)", [("y" * 1000,)] * 40)
        self.base = backup.make_backup(self.plan("a", **settings))

    def plan(self, token, **settings):
        dest = str(self.folder / "backups")
        return backup_plan.plan_backup(self.path, dest, NOW, token, **{"timeout": 5, **settings})

    def update(self, token="b", of=None):
        plan = backup_plan.plan_update(self.plan(token), str(self.folder / "backups"))
        return sqlite_update.update_backup(plan, of or self.base)

    def holds(self, manifest):
        """Say whether the backup, brought back, holds what the database holds."""
        staged = self.folder / f"staged {manifest['created']} {os.path.basename(manifest['path'])}"
        stage.stage(staged, manifest, 5)
        stage.set_journal_mode(staged, "delete", 5)
        return stage.same_content(staged, self.path)


def grow(app):
    app.executemany("INSERT INTO t VALUES (?)", [("z" * 1000,)] * 20)


def shrink(app):
    app.execute("DELETE FROM t WHERE rowid > 5")
    app.execute("VACUUM")


def rewrite(app):
    app.execute("UPDATE t SET x = 'new' WHERE rowid = 20")


def change_schema(app):
    app.executescript("ALTER TABLE t ADD COLUMN y; PRAGMA user_version = 2;")


def begin_wal_anew(app):
    rewrite(app)
    app.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    grow(app)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("change", [grow, shrink, rewrite, change_schema, begin_wal_anew])
def test_an_update_is_the_database_as_it_was_committed_last(tmp_path, mode, change):
    database = Database(tmp_path, mode)
    change(database.app)
    database.app.close()
    update = database.update()
    assert (update["method"], update["base"]) == ("pages", os.path.basename(database.base["path"]))
    assert (update["row_counts"], update["journal_mode"]) == (None, mode.lower())
    assert (database.holds(update), sqlite_manifest.verify_backup(update)) == (True, "")
    later = {**update, "created": "2100-01-01T00:00:00.000000Z"}
    assert backup.is_up_to_date(later, database.path) is True


@pytest.mark.parametrize("killed", [False, True])
def test_an_update_holds_only_the_pages_that_changed(tmp_path, monkeypatch, killed):
    database = Database(tmp_path)
    compared = []
    monkeypatch.setattr(sqlite_update, "_differing", lambda *arguments: compared.append(arguments) or iter(()))
    rewrite(database.app)
    if killed:
        # What a killed process leaves: the file, and a WAL that nobody folded.
        left = {suffix: (tmp_path / "data" / f"app.db{suffix}").read_bytes() for suffix in ("", "-wal")}
        database.app.close()
        for suffix, content in left.items():
            (tmp_path / "data" / f"app.db{suffix}").write_bytes(content)
        update = database.update()
        assert (compared, database.holds(update)) == ([], True)
    else:
        # The last one to close folds the WAL and removes it, so every page has to be compared.
        database.app.close()
        database.update()
        assert len(compared) == 1


def test_the_size_of_an_update_follows_what_changed(tmp_path):
    database = Database(tmp_path)
    rewrite(database.app)
    database.app.close()
    # Page 1 with its counters, and the page of the row.
    assert database.update()["size"] == 28 + 2 * (4 + 4096)


def test_parts_that_are_the_same_are_not_compared_page_by_page(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_update, "_COMPARED_AT_ONCE", 2 * 4096)
    database = Database(tmp_path)
    rewrite(database.app)
    database.app.close()
    assert database.holds(database.update()) is True


def test_an_update_of_an_update_rests_on_the_first_backup(tmp_path):
    database = Database(tmp_path)
    grow(database.app)
    database.app.close()
    first = database.update()
    app = sqlite3.connect(database.path, isolation_level=None)
    rewrite(app)
    app.close()
    second = database.update("c", of=first)
    assert (second["base"], database.holds(second)) == (first["base"], True)


def visible(folder):
    return sorted(name for name in os.listdir(folder) if name != ".lock")


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("change", [grow, shrink, rewrite, change_schema, begin_wal_anew])
@pytest.mark.parametrize("folded", [False, True])
def test_a_database_that_is_open_elsewhere_is_updated_as_it_was_committed_last(tmp_path, mode, change, folded):
    """A copy of Litestream, a worker or a shell does not make the app wait for a whole backup."""
    database = Database(tmp_path, mode)
    change(database.app)
    if folded:
        database.app.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    database.app.execute("BEGIN")
    database.app.execute("SELECT * FROM t").fetchone()
    update = database.update()
    assert (update["method"], update["base"]) == ("pages", os.path.basename(database.base["path"]))
    database.app.close()
    assert (database.holds(update), sqlite_manifest.verify_backup(update)) == (True, "")


def test_only_what_the_wal_holds_is_read_of_a_database_that_is_open_elsewhere(tmp_path, monkeypatch):
    database = Database(tmp_path)
    rewrite(database.app)
    monkeypatch.setattr(sqlite_update, "_differing", None)
    # Page 1 with its counters, and the page of the row.
    assert database.update()["size"] == 28 + 2 * (4 + 4096)
    database.app.close()


def test_nobody_waits_for_an_update_in_wal_mode(tmp_path, monkeypatch):
    database, write = Database(tmp_path), sqlite_update._write_pages

    def meanwhile(*given):
        grow(database.app)
        return write(*given)

    rewrite(database.app)
    monkeypatch.setattr(sqlite_update, "_write_pages", meanwhile)
    update = database.update()
    database.app.execute("DELETE FROM t WHERE x LIKE 'z%'")
    database.app.close()
    stage.stage(tmp_path / "staged", update, 5)
    app = sqlite3.connect(tmp_path / "staged")
    assert app.execute("SELECT count(*) FROM t WHERE x LIKE 'z%' OR x = 'new'").fetchone() == (1,)
    app.close()


def begun_anew(database, monkeypatch):
    """Let somebody begin the WAL anew while its frames are read."""
    write = sqlite_update._write_pages

    def meanwhile(*given):
        database.app.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        grow(database.app)
        return write(*given)

    # What is in the file already needs no frame, so a reader does not keep them.
    database.app.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    monkeypatch.setattr(sqlite_update, "_write_pages", meanwhile)


def unknown_mark(_database, monkeypatch):
    monkeypatch.setattr(sqlite_update.sqlite_wal, "begin_at_mark", lambda *_given: None)


@pytest.mark.parametrize("happens", [begun_anew, unknown_mark])
def test_a_wal_that_cannot_be_read_needs_a_whole_backup(tmp_path, monkeypatch, happens):
    database = Database(tmp_path)
    before = visible(tmp_path / "backups")
    rewrite(database.app)
    happens(database, monkeypatch)
    assert (database.update(), visible(tmp_path / "backups")) == (None, before)
    database.app.close()


def test_a_database_that_somebody_writes_to_needs_a_whole_backup(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_update, "_WRITERS_TIME", 0.01)
    database = Database(tmp_path, "DELETE")
    before = visible(tmp_path / "backups")
    database.app.execute("BEGIN IMMEDIATE")
    assert (database.update(), visible(tmp_path / "backups")) == (None, before)
    database.app.close()


def test_a_new_page_size_needs_a_whole_backup_with_others_as_well(tmp_path):
    database = Database(tmp_path, "DELETE")
    database.app.executescript("PRAGMA page_size = 8192; VACUUM; BEGIN; SELECT * FROM t;")
    assert database.update() is None
    database.app.close()


def test_a_checkpoint_that_is_held_up_needs_a_whole_backup(tmp_path, monkeypatch):
    database = Database(tmp_path)
    rewrite(database.app)
    database.app.close()
    monkeypatch.setattr(sqlite_update, "_checkpoint", lambda _opened: False)
    assert database.update() is None


def test_a_compressed_backup_needs_a_whole_one(tmp_path):
    database = Database(tmp_path, compression="gzip")
    database.app.close()
    assert database.update() is None


@pytest.mark.parametrize("settings", [{"dest": "elsewhere"}, {"verify": "none"}])
def test_an_update_lies_next_to_a_verified_backup_or_is_a_whole_one(tmp_path, settings):
    database = Database(tmp_path, verify=settings.get("verify", "quick"))
    database.app.close()
    dest = str(tmp_path / settings.get("dest", "backups"))
    plan = backup_plan.plan_update(backup_plan.plan_backup(database.path, dest, NOW, "b"), dest)
    assert sqlite_update.update_backup(plan, database.base) is None


def test_a_backup_that_is_cut_needs_a_whole_one(tmp_path):
    database = Database(tmp_path)
    database.app.close()
    os.truncate(database.base["path"], 4096)
    assert database.update() is None


def test_a_new_page_size_needs_a_whole_backup(tmp_path):
    database = Database(tmp_path, "DELETE")
    database.app.executescript("PRAGMA page_size = 8192; VACUUM;")
    database.app.close()
    assert database.update() is None


def test_another_problem_than_a_lock_is_reported(tmp_path):
    database = Database(tmp_path)
    database.app.close()
    with database.path.open("r+b") as file:
        file.seek(16)
        file.write(b"\xff" * 84)
    with pytest.raises(SqliteError, match="app.db"):
        database.update()


@pytest.mark.parametrize("content", [b"", b"<html>" * 10])
def test_a_file_that_is_no_update_is_refused(tmp_path, content):
    (tmp_path / "x.pages").write_bytes(content)
    target = files.create_private(tmp_path / "staged")
    with pytest.raises(SqliteError, match="is not the update of a backup"):
        sqlite_update.apply_update(tmp_path / "x.pages", target)
    os.close(target)
