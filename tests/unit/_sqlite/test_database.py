# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import database as sqlite_database
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "app.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);")
    connection.close()
    return path


def test_a_link_leads_to_the_real_database(tmp_path, database):
    (tmp_path / "link").symlink_to(database)
    assert sqlite_database.real_database(tmp_path / "link") == database.resolve()


def test_a_database_whose_first_transaction_is_in_its_wal_is_one(tmp_path):
    path = tmp_path / "new.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    path.write_bytes(b"")
    (tmp_path / "new.db-wal").write_bytes(b"x")
    assert sqlite_database.real_database(path) == path.resolve()
    connection.close()


def make_nothing(path):
    del path


def make_folder(path):
    path.mkdir()


def make_page(path):
    path.write_text("<html>Not found</html>")


def make_empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "make, message",
    [
        (make_nothing, "does not exist; correct the path"),
        (make_folder, "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (make_page, "is not a SQLite database, or it is encrypted"),
        (make_empty, "is empty, so there is no database in it yet; correct the path, or wait"),
    ],
)
def test_what_is_no_database_is_refused_and_nothing_is_created(tmp_path, make, message):
    make(tmp_path / "x.db")
    before = os.listdir(tmp_path)
    with pytest.raises(SqliteError, match=message):
        sqlite_database.real_database(tmp_path / "x.db")
    assert os.listdir(tmp_path) == before


def test_a_database_that_cannot_be_opened_is_refused(monkeypatch, database):
    def refuse(*_arguments, **_settings):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sqlite_database.os, "open", refuse)
    with pytest.raises(SqliteError, match="Cannot read .*: Permission denied"):
        sqlite_database.real_database(database)


@pytest.mark.parametrize("uid, refused", [(0, False), (os.geteuid(), False), (12345, True)])
def test_only_root_and_the_owner_may_open_a_database(monkeypatch, database, uid, refused):
    monkeypatch.setattr(sqlite_database.os, "geteuid", lambda: uid)
    if refused:
        with pytest.raises(SqliteError, match=r"belongs to uid \d+; become that user"):
            sqlite_database.refuse_other_user(database)
    else:
        sqlite_database.refuse_other_user(database)


@pytest.mark.parametrize(
    "name",
    [
        "a b.db",
        "100%.db",
        "a?b.db",
        "a#b.db",
        "-x.db",
        "ü.db",
        "a'b.db",
        "a;b.db",
        "$a.db",
        "a\nb.db",
        "[a]*.db",
        b"\xff.db",
    ],
)
def test_odd_names_are_opened(tmp_path, name):
    name = os.fsdecode(name)
    sqlite3.connect(tmp_path / name).close()
    with sqlite_database.connection(tmp_path / name, 1) as opened:
        assert opened.execute("SELECT 1").fetchone() == (1,)
    assert os.listdir(tmp_path) == [name]


def test_a_missing_database_is_not_created(tmp_path):
    with pytest.raises(SqliteError, match="Cannot open"), sqlite_database.connection(tmp_path / "x.db", 1):
        pass
    assert os.listdir(tmp_path) == []


def test_a_locked_database_is_reported_after_the_timeout(database):
    other = sqlite3.connect(database, isolation_level=None)
    other.executescript("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE")
    with pytest.raises(SqliteError, match=r"is locked by another process for more than 0.01 seconds"):
        with sqlite_database.connection(database, 0.01) as opened:
            opened.execute("SELECT * FROM t").fetchall()
    other.close()


@pytest.mark.parametrize(
    "statement, message",
    [
        ("SELECT * FROM absent_table", "SQLite cannot use .*: no such table"),
        (None, "is not a SQLite database, or it is"),
    ],
)
def test_what_sqlite_says_is_passed_on(tmp_path, database, statement, message):
    page = tmp_path / "page.db"
    page.write_text("<html>" * 1000)
    with pytest.raises(SqliteError, match=message):
        with sqlite_database.connection(database if statement else page, 1) as opened:
            opened.execute(statement or "SELECT * FROM sqlite_master").fetchall()


def test_contents_are_read(database):
    with sqlite_database.connection(database, 1) as opened:
        opened.executescript('PRAGMA user_version = 7; CREATE TABLE "odd "" name" (x); CREATE VIEW v AS SELECT 1;')
        contents = sqlite_database.read_contents(opened)
        uncounted = sqlite_database.read_contents(opened, with_rows=False)
    assert contents.row_counts == {'odd " name': 0, "t": 2}
    assert (contents.user_version, contents.journal_mode, uncounted.row_counts) == (7, "wal", {})
    assert contents.schema_sha256 == uncounted.schema_sha256


def test_a_virtual_table_is_not_counted_and_its_shadows_are(database):
    with sqlite_database.connection(database, 1) as opened:
        opened.execute("CREATE VIRTUAL TABLE search USING fts5(text)")
        assert "search" not in sqlite_database.read_contents(opened).row_counts
        assert "search_content" in sqlite_database.read_contents(opened).row_counts


@pytest.mark.parametrize(
    "text, message",
    [
        ("database or disk is full", "No space is left for /x.db; free some and try again"),
        ("attempt to write a readonly database", "cannot be written: .*; check its mode"),
        ("database disk image is malformed", "/x.db is damaged: .* malformed; restore a backup of it"),
        ("disk I/O error", "SQLite cannot use /x.db: disk I/O error"),
    ],
)
def test_an_error_of_sqlite_says_what_to_do(text, message):
    assert re.search(message, sqlite_database.explain(Path("/x.db"), sqlite3.OperationalError(text), 1))


def test_a_table_that_cannot_be_read_is_an_error(database):
    with pytest.raises(SqliteError, match="no such table: main.gone"):
        with sqlite_database.connection(database, 1) as opened:
            sqlite_database.count(opened, "main", "gone")


def test_who_holds_a_lock_is_named(database, monkeypatch):
    monkeypatch.setattr(sqlite_database.proc, "holders", lambda _files: {4711: "node", 12: "sqlite3"})
    said = sqlite_database.explain(database, sqlite3.OperationalError("database is locked"), 5)
    assert "locked by another process for more than 5 seconds (open in 12 (sqlite3), 4711 (node)); end it" in said


def test_a_database_that_is_gone_is_open_in_no_process(tmp_path):
    said = sqlite_database.explain(tmp_path / "gone.db", sqlite3.OperationalError("database is locked"), 5)
    assert "for more than 5 seconds; end it" in said


def test_a_filesystem_says_whether_it_can_be_written(database):
    assert sqlite_database.is_read_only(database) is False


def test_links_that_lead_in_a_circle_are_reported(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(SqliteError, match="a cannot be followed: .*; correct the link"):
        sqlite_database.real_database(tmp_path / "a")


def test_a_database_with_two_names_is_refused(tmp_path, database):
    sqlite_database.refuse_hard_links(database)
    sqlite_database.refuse_hard_links(tmp_path / "missing.db")
    os.link(database, tmp_path / "link.db")
    with pytest.raises(SqliteError, match="has 2 hard links, of which SQLite knows one; remove the others"):
        sqlite_database.refuse_hard_links(database)


def test_a_file_goes_with_its_sidecars(tmp_path):
    for suffix in ("", "-wal", "-journal"):
        Path(f"{tmp_path}/x{suffix}").write_text("")
    sqlite_database.remove_with_sidecars(tmp_path / "x")
    assert os.listdir(tmp_path) == []


def test_a_path_with_two_slashes_is_no_host_name():
    assert (
        sqlite_database.uri_of(Path("//srv/a b.db"), "ro", immutable=True)
        == "file:////srv/a%20b.db?mode=ro&immutable=1"
    )


def test_a_database_is_recognised_by_the_head_of_its_file():
    assert (sqlite_database.is_sqlite(b"SQLite format 3\x00..."), sqlite_database.is_sqlite(b"<html>")) == (True, False)
