# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import check as sqlite_check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import Checked
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SqliteError,
    connection,
    read_contents,
)


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


def make_with_computed_values(path, spoil):
    made = sqlite3.connect(path, isolation_level=None)
    made.create_function("length_of", 1, len, deterministic=True)
    made.executescript(
        "CREATE TABLE t (a TEXT, n INT NOT NULL AS (length_of(a)), s INT) STRICT;"
        "INSERT INTO t VALUES ('x', 1), ('y', 2);"
    )
    if spoil:
        made.executescript(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 's INT', 's TEXT')"
        )
    made.close()


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 37), reason="this SQLite has no STRICT tables")
@pytest.mark.parametrize("spoil, problem", [(False, ""), (True, "non-TEXT value in t.s")])
def test_what_only_the_app_can_compute_is_no_damage(tmp_path, spoil, problem):
    """The stand-in for the function returns a text, which a column of another type may not hold."""
    make_with_computed_values(tmp_path / "app.db", spoil)
    with connection(tmp_path / "app.db", 1) as opened:
        checked = sqlite_check.check(opened, False)
    assert (checked.problem, checked.unknown) == (problem, ("function length_of",))


def test_a_schema_that_never_ends_to_name_something_unknown_ends_the_check(tmp_path, monkeypatch):
    make_with_functions_of_the_app(tmp_path / "app.db")
    monkeypatch.setattr(sqlite_check, "stand_in", lambda *_arguments: "function slug")
    with pytest.raises(SqliteError, match="unknown function: slug|no such collation"):
        with connection(tmp_path / "app.db", 1) as opened:
            sqlite_check.check(opened, False)


OF_A_NEWER_SQLITE = {
    "v": "CREATE VIEW v AS SELECT x FROM t FROM THE FUTURE",
    "g": "CREATE TRIGGER g FROM THE FUTURE",
    "future": "CREATE TABLE future (x, FROM THE FUTURE)",
}


def make_with_sql_of_a_newer_sqlite(path, name):
    """Make a database in whose schema stands SQL that this SQLite cannot parse, as a newer one would write it."""
    made = sqlite3.connect(path, isolation_level=None)
    made.executescript(
        "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2); CREATE TABLE future (x);"
        "CREATE VIEW v AS SELECT x FROM t; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;"
        "PRAGMA writable_schema = ON;"
    )
    made.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (OF_A_NEWER_SQLITE[name], name))
    made.close()


@pytest.mark.parametrize("thoroughly", [False, True])
@pytest.mark.parametrize("name", ["v", "g"])
def test_a_view_or_trigger_that_only_a_newer_sqlite_can_read_is_no_damage(tmp_path, name, thoroughly):
    make_with_sql_of_a_newer_sqlite(tmp_path / "app.db", name)
    with connection(tmp_path / "app.db", 1) as opened:
        checked = sqlite_check.check(opened, thoroughly)
        assert read_contents(opened).row_counts == {"t": 2, "future": 0}
    assert (checked.problem, checked.unknown) == ("", ("SQL of a newer SQLite in the schema",))


def test_a_table_that_only_a_newer_sqlite_can_read_is_neither_sound_nor_damaged(tmp_path):
    make_with_sql_of_a_newer_sqlite(tmp_path / "app.db", "future")
    with pytest.raises(SqliteError, match=r"cannot be checked here.*uses SQL that SQLite [0-9.]+ of this host"):
        with connection(tmp_path / "app.db", 1) as opened:
            sqlite_check.check(opened, False)


def test_damage_next_to_sql_of_a_newer_sqlite_is_damage(tmp_path):
    make_with_sql_of_a_newer_sqlite(tmp_path / "app.db", "v")
    with connection(tmp_path / "app.db", 1) as opened:
        opened.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 200)
    with (tmp_path / "app.db").open("r+b") as file:
        file.seek(16384)
        file.write(b"\xff" * 8192)
    with connection(tmp_path / "app.db", 1) as opened:
        assert sqlite_check.check(opened, False).problem != ""


def test_a_newer_schema_that_shows_itself_late_is_not_called_damaged(tmp_path):
    make_with_sql_of_a_newer_sqlite(tmp_path / "app.db", "v")
    with pytest.raises(SqliteError, match="cannot be checked here"), connection(tmp_path / "app.db", 1) as opened:
        opened.execute("PRAGMA writable_schema = RESET")
        opened.execute("SELECT count(*) FROM t")
