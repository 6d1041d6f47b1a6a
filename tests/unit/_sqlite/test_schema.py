# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import database, schema


def read(script, **settings):
    with sqlite3.connect(":memory:", **settings) as opened:
        opened.executescript(script)
        return schema.read_schema(opened)


def test_a_table_is_read_column_by_column():
    table = read(
        "CREATE TABLE Orders (Id INTEGER PRIMARY KEY, [number] VARCHAR(9) NOT NULL DEFAULT 'x' UNIQUE,"
        " price REAL DEFAULT NULL CHECK (price > 0 /* not free */), buyer REFERENCES people,"
        " total AS (price * 2), made DATETIME)"
    ).tables["orders"]
    assert table.columns == {
        "id": ("INTEGER", False, None, 1, 0),
        "number": ("TEXT", True, "'x'", 0, 0),
        "price": ("REAL", False, None, 0, 0),
        "buyer": ("BLOB", False, None, 0, 0),
        "total": ("BLOB", False, None, 0, 2),
        "made": ("NUMERIC", False, None, 0, 0),
    }
    assert (table.unique, table.references, table.checks) == ([["number"]], [["buyer"]], [["price", ">", "0"]])
    assert (table.strict, table.sql) == (False, "")


def test_unique_indexes_are_told_from_the_others():
    table = read(
        "CREATE TABLE t (a, b, PRIMARY KEY (a, b)); CREATE INDEX plain ON t (b);"
        "CREATE UNIQUE INDEX u ON t (b, lower(a));"
        "CREATE UNIQUE INDEX part ON t (a COLLATE NOCASE) WHERE b = 1"
    ).tables["t"]
    assert table.unique == [["", "b"], ["a collate nocase", "where b = 1"]]


def test_a_strict_table_has_exact_types():
    table = read("CREATE TABLE t (strict ANY, n INT) STRICT").tables["t"]
    assert (table.strict, table.columns["n"].affinity, read("CREATE TABLE t (strict)").tables["t"].strict) == (
        True,
        "INT",
        False,
    )


def test_what_sqlite_keeps_for_itself_is_left_out():
    found = read(
        "CREATE VIRTUAL TABLE docs USING fts5 (body); CREATE TABLE n (i INTEGER PRIMARY KEY AUTOINCREMENT);"
        "CREATE VIEW v AS SELECT 1; CREATE TRIGGER g AFTER INSERT ON n BEGIN SELECT  1; END; ANALYZE"
    )
    assert set(found.tables) == {"docs", "n"}
    assert (found.tables["docs"].columns, "fts5" in found.tables["docs"].sql) == ({}, True)
    assert {name: on for name, (on, _sql) in found.others.items()} == {"view v": "v", "trigger g": "n"}


@pytest.mark.parametrize(
    "script, found",
    [
        ("CREATE TABLE knex_migrations (id, name); INSERT INTO knex_migrations VALUES (1, 'b'), (2, 'a')", ["a", "b"]),
        ("CREATE TABLE SequelizeMeta (name); INSERT INTO SequelizeMeta VALUES ('x')", ["x"]),
        ("CREATE TABLE migrations (id, timestamp, name); INSERT INTO migrations VALUES (1, 1, 'x')", ["x"]),
        ("CREATE TABLE migrations (bird, name); INSERT INTO migrations VALUES ('stork', 'south')", None),
        ("CREATE TABLE __drizzle_migrations (id, made)", None),
    ],
)
def test_ledgers_of_migrations_are_read(script, found):
    assert list(read(script).ledgers.values()) == ([] if found is None else [found])


def test_a_schema_survives_json():
    found = read("CREATE TABLE t (a PRIMARY KEY, b UNIQUE); CREATE VIEW v AS SELECT a FROM t")
    assert schema.from_json(json.loads(json.dumps(schema.to_json(found)))) == found


def test_sql_that_does_not_end_is_read_to_its_end():
    assert schema._end_of(["(", "a"], 0) == 2


@pytest.mark.parametrize(
    "script, shown",
    [
        ("CREATE VIRTUAL TABLE docs USING fts5 (body)", ["docs_content"]),
        ("CREATE VIRTUAL TABLE docs USING fts4 (body)", ["docs_content"]),
        ("CREATE TABLE docs_content (x); CREATE VIRTUAL TABLE docs USING fts5 (x, content = 'docs_content')",
         ["docs_content"]),
        ("CREATE TABLE area_data (x); CREATE VIRTUAL TABLE area USING rtree (id, a, b)", ["area_data", "area_rowid"]),
        ("CREATE TABLE n (i INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO n VALUES (1)", ["n"]),
        ("CREATE TABLE n (i); CREATE VIRTUAL TABLE stat USING dbstat", ["n"]),
    ],
)  # fmt: skip
def test_only_tables_with_rows_of_the_app_are_shown(script, shown):
    with sqlite3.connect(":memory:") as opened:
        try:
            opened.executescript(script)
        except sqlite3.OperationalError as error:
            pytest.skip(str(error))
        assert database.tables_of(opened) == shown


def test_a_virtual_table_without_a_module_has_no_shadow_tables():
    assert database._endings("CREATE VIRTUAL TABLE odd") == []
