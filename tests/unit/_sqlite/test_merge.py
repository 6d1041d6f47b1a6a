# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import merge
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, x);"
NONE = {"merged": {}, "conflicts": {}, "skipped": {}, "left_out": {}}
NO_KEY = "it has no primary key by which rows can be told apart"


def make(path, script):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.executescript(script)
    return path


def read(path, statement="SELECT * FROM t ORDER BY 1"):
    with contextlib.closing(sqlite3.connect(path)) as opened:
        return opened.execute(statement).fetchall()


@pytest.mark.parametrize(
    "aside, live, expected, rows",
    [
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (1, 'a')",
         {"merged": {"t": 1}}, [(1, "a"), (2, "b")]),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (1, 'other')",
         {"merged": {"t": 1}, "conflicts": {"t": [[1]]}}, [(1, "other"), (2, "b")]),
        ("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (1, 'a'), (2, 'b')", {}, [(1, "a"), (2, "b")]),
        ("ALTER TABLE t ADD COLUMN note; INSERT INTO t VALUES (1, 'a', 'n')", "",
         {"merged": {"t": 1}, "left_out": {"t": ["note"]}}, [(1, "a")]),
        ("INSERT INTO t VALUES (1, 'a')", "ALTER TABLE t ADD COLUMN y DEFAULT 5",
         {"merged": {"t": 1}}, [(1, "a", 5)]),
        ("CREATE TABLE u (x); INSERT INTO u VALUES (1)", "CREATE TABLE u (x)", {"skipped": {"u": NO_KEY}}, []),
        ("CREATE TABLE u (x PRIMARY KEY)", "", {"skipped": {"u": "the live database has no such table"}}, []),
        ("CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY); INSERT INTO knex_migrations VALUES (1)",
         "CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY)", {}, []),
    ],
)  # fmt: skip
def test_what_is_missing_is_put_back_and_nothing_is_overwritten(tmp_path, aside, live, expected, rows):
    aside, live = make(tmp_path / "aside.db", TABLE + aside), make(tmp_path / "live.db", TABLE + live)
    before = read(live)
    assert merge.predict(live, aside, 5) == {**NONE, **expected}
    assert read(live) == before
    assert merge.merge(live, aside, 5) == {**NONE, **expected}
    assert read(live) == rows
    assert merge.merge(live, aside, 5)["merged"] == {}


def test_a_key_of_bytes_and_one_of_several_columns_is_listed(tmp_path):
    keyed = "CREATE TABLE t (a, b, c, PRIMARY KEY (b, a));"
    aside = make(tmp_path / "aside.db", keyed + "INSERT INTO t VALUES (x'ff', 1, 2)")
    live = make(tmp_path / "live.db", keyed + "INSERT INTO t VALUES (x'ff', 1, 3)")
    assert merge.merge(live, aside, 5)["conflicts"] == {"t": [[1, "ff"]]}


def test_what_a_constraint_refuses_is_a_conflict(tmp_path):
    strict = "CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE);"
    aside = make(tmp_path / "aside.db", strict + "INSERT INTO t VALUES (2, 'a'), (3, 'c')")
    live = make(tmp_path / "live.db", strict + "INSERT INTO t VALUES (1, 'a')")
    done = merge.merge(live, aside, 5)
    assert (done["merged"], done["conflicts"], read(live)) == ({"t": 1}, {"t": [[2]]}, [(1, "a"), (3, "c")])


def test_rows_that_would_refer_to_nothing_are_not_put_back(tmp_path):
    two = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, x REFERENCES p);"
    aside = make(tmp_path / "aside.db", two + "INSERT INTO t VALUES (2, 9)")
    live = make(tmp_path / "live.db", two + "INSERT INTO t VALUES (1, 8)")
    with pytest.raises(SqliteError, match="Rows of t refer to rows that are not there, so none was put back"):
        merge.merge(live, aside, 5)
    assert read(live) == [(1, 8)]


def test_a_database_that_cannot_be_written_is_left_as_it_was(tmp_path):
    guarded = TABLE + "CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT raise(FAIL, 'closed'); END"
    aside, live = (
        make(tmp_path / "aside.db", TABLE + "INSERT INTO t VALUES (1, 1)"),
        make(tmp_path / "live.db", guarded),
    )
    with pytest.raises(SqliteError, match="closed"):
        merge.merge(live, aside, 5)
    assert read(live) == []
