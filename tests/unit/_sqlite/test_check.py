# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import check as sqlite_check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import Checked
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError, connection


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "app.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);")
    connection.close()
    return path


@pytest.mark.parametrize("thoroughly", [False, True])
def test_a_sound_database_has_no_problem(database, thoroughly):
    with connection(database, 1) as opened:
        assert sqlite_check.check(opened, thoroughly) == Checked("")


def damage(path):
    """Overwrite everything behind the first page's header of a table with many pages."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 200)
    connection.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40960)


def test_a_damaged_database_is_recognised(database):
    damage(database)
    with connection(database, 1) as opened:
        assert sqlite_check.check(opened, False).problem != ""


def test_a_lock_is_no_damage(database):
    other = sqlite3.connect(database, isolation_level=None)
    other.executescript("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE")
    with pytest.raises(SqliteError, match="is locked"), connection(database, 0.01) as opened:
        sqlite_check.check(opened, False)
    other.close()


def test_a_file_that_is_no_database_is_the_problem(tmp_path):
    (tmp_path / "page.db").write_text("<html>" * 1000)
    with connection(tmp_path / "page.db", 1) as opened:
        assert sqlite_check.check(opened, False).problem == "file is not a database"


def make_with_functions_of_the_app(path):
    """Make a database whose schema uses a collation and a function that only the app knows."""
    made = sqlite3.connect(path, isolation_level=None)
    made.create_collation("THAI", lambda left, right: (left < right) - (left > right))
    made.create_function("slug", 1, lambda text: text, deterministic=True)
    made.executescript(
        "CREATE TABLE t (a TEXT COLLATE THAI PRIMARY KEY, b TEXT CHECK (slug(b) IS NOT NULL));"
        "CREATE INDEX i ON t (slug(b)); INSERT INTO t VALUES ('a', 'b'), ('c', 'd');"
    )
    made.close()


@pytest.mark.parametrize("thoroughly", [False, True])
def test_what_only_the_app_knows_is_no_damage(tmp_path, thoroughly):
    make_with_functions_of_the_app(tmp_path / "app.db")
    with connection(tmp_path / "app.db", 1) as opened:
        checked = sqlite_check.check(opened, thoroughly)
    assert (checked.problem, sorted(checked.unknown)) == ("", ["collation THAI", "function slug"])


def test_a_schema_that_never_ends_to_name_something_unknown_ends_the_check(tmp_path, monkeypatch):
    make_with_functions_of_the_app(tmp_path / "app.db")
    monkeypatch.setattr(sqlite_check, "stand_in", lambda *_arguments: "function slug")
    with pytest.raises(SqliteError, match="unknown function: slug|no such collation"):
        with connection(tmp_path / "app.db", 1) as opened:
            sqlite_check.check(opened, False)
