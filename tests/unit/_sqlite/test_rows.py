# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import rows as sqlite_rows


def create(path, script):
    connection = sqlite3.connect(f"file:{path}", uri=True, isolation_level=None)
    connection.executescript(script)
    return connection


def differences(tmp_path, backup, live):
    create(tmp_path / "backup.db", backup).close()
    opened = create(tmp_path / "live.db", live)
    try:
        return sqlite_rows.compare_rows(opened, tmp_path / "backup.db")
    finally:
        opened.close()


TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, x);"
ROWS = "CREATE TABLE r (x); INSERT INTO r VALUES "
TEXT_KEYS = "CREATE TABLE t (id TEXT PRIMARY KEY, x); INSERT INTO t VALUES ('c', 1), ('a', 2), ('b', 3);"
# The 12 steps of https://www.sqlite.org/lang_altertable.html, in short: every row gets another rowid.
REBUILT = (
    "CREATE TABLE f (id TEXT PRIMARY KEY, x, y); INSERT INTO f SELECT id, x, 0 FROM t ORDER BY id; DROP TABLE t;"
    "ALTER TABLE f RENAME TO t;"
)
COUNTER = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x);"
ALL_NAMES_TAKEN = "CREATE TABLE t (rowid, _rowid_, oid);"
THREE = TABLE + "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');"


@pytest.mark.parametrize(
    "backup, live, expected",
    [
        (THREE, THREE, {}),
        (THREE, THREE + "INSERT INTO t VALUES (4, 'd')", {"t": (4, 3, 1, 0, 0)}),
        (THREE, THREE + "DELETE FROM t WHERE id < 3", {"t": (1, 3, 0, 0, 2)}),
        (THREE, THREE + "UPDATE t SET x = 'A' WHERE id = 1", {"t": (3, 3, 0, 1, 0)}),
        (THREE, THREE + "UPDATE t SET x = NULL WHERE id = 1", {"t": (3, 3, 0, 1, 0)}),
        (THREE, THREE + "DELETE FROM t; INSERT INTO t VALUES (9, 'z')", {"t": (1, 3, 1, 0, 3)}),
        (TABLE, THREE, {"t": (3, 0, 3, 0, 0)}),
        (THREE, TABLE, {"t": (0, 3, 0, 0, 3)}),
        (TABLE, "", {}),
        (THREE, "", {"t": (0, 3, 0, 0, 3)}),
        ("", THREE, {"t": (3, 0, 3, 0, 0)}),
        (THREE, THREE + "ALTER TABLE t ADD COLUMN y DEFAULT 5", {}),
        (ROWS + "(1)", ROWS + "(2)", {"r": (1, 1, 0, 1, 0)}),
        (TEXT_KEYS, TEXT_KEYS + REBUILT + "INSERT INTO t VALUES ('d', 4, 0)", {"t": (4, 3, 1, 0, 0)}),
        (TEXT_KEYS, TEXT_KEYS + REBUILT + "UPDATE t SET x = 9 WHERE id = 'a'", {"t": (3, 3, 0, 1, 0)}),
        (
            "CREATE TABLE t (a, b, PRIMARY KEY (a, b)); INSERT INTO t VALUES (NULL, 1), (1, 1)",
            "CREATE TABLE t (a, b, PRIMARY KEY (a, b)); INSERT INTO t VALUES (NULL, 1), (1, 1), (2, 1)",
            {"t": (3, 2, 1, 0, 0)},
        ),
        (TABLE, "CREATE TABLE t (id PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES (1)", {"t": (1, 0, 1, 0, 0)}),
        ("CREATE TABLE t (a, id)", THREE, {"t": (3, 0, 3, 0, 0)}),
        (COUNTER, COUNTER + "INSERT INTO t VALUES (7, 1)", {"t": (1, 0, 1, 0, 0)}),
        (
            "CREATE VIRTUAL TABLE docs USING fts5 (body)",
            "CREATE VIRTUAL TABLE docs USING fts5 (body); INSERT INTO docs VALUES ('one'), ('two')",
            {"docs_content": (2, 0, 2, 0, 0)},
        ),
        (
            "CREATE TABLE w (a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO w VALUES (1, 1, 1), (1, 2, 1)",
            "CREATE TABLE w (a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO w VALUES (1, 1, 2), (2, 2, 1)",
            {"w": (2, 2, 1, 1, 1)},
        ),
        (
            'CREATE TABLE "o""dd" ("sel ect", rowid); INSERT INTO "o""dd" VALUES (1, 1)',
            'CREATE TABLE "o""dd" ("sel ect", rowid); INSERT INTO "o""dd" VALUES (1, 1), (2, 2)',
            {'o"dd': (2, 1, 1, 0, 0)},
        ),
    ],
)  # fmt: skip
def test_rows_are_compared_by_their_keys(tmp_path, backup, live, expected):
    names = ("live", "backup", "newer", "changed", "gone")
    assert differences(tmp_path, backup, live) == {t: dict(zip(names, counts)) for t, counts in expected.items()}


@pytest.mark.parametrize(
    "backup, live",
    [
        # Another key, or none at all.
        (TABLE, "CREATE TABLE t (id, x, PRIMARY KEY (id, x)) WITHOUT ROWID; INSERT INTO t VALUES (1, 1)"),
        (
            "CREATE TABLE t (rowid, _rowid_, oid)",
            "CREATE TABLE t (rowid, _rowid_, oid); INSERT INTO t VALUES (1, 1, 1)",
        ),
    ],
)
def test_rows_that_cannot_be_distinguished_are_counted(tmp_path, backup, live):
    assert differences(tmp_path, backup, live) == {"t": {"live": 1, "backup": 0}}


def test_rows_whose_key_only_the_app_can_compare_are_counted(tmp_path):
    for name, rows in (("backup", "('a')"), ("live", "('a'), ('b')")):
        made = sqlite3.connect(tmp_path / f"{name}.db", isolation_level=None)
        made.create_collation("THAI", lambda left, right: (left > right) - (left < right))
        made.executescript(
            f"CREATE TABLE t (a TEXT COLLATE THAI PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES {rows}"
        )
        made.close()
    opened = create(tmp_path / "live.db", "")
    assert sqlite_rows.compare_rows(opened, tmp_path / "backup.db") == {"t": {"live": 2, "backup": 1}}
    opened.close()


@pytest.mark.parametrize(
    "live, backup, expected",
    [
        ({"t": 3, "u": 1}, {"t": 2}, {"t": {"live": 3, "backup": 2}, "u": {"live": 1, "backup": 0}}),
        ({"t": 3}, {"t": 3}, {}),
        ({"t": 3}, None, {}),
    ],
)
def test_numbers_of_rows_are_compared(live, backup, expected):
    assert sqlite_rows.compare_counts(live, backup) == expected


@pytest.mark.parametrize(
    "counts, sentence",
    [
        ({"live": 4, "backup": 3, "newer": 1, "changed": 0, "gone": 0}, "orders: 1 row newer than the backup"),
        (
            {"live": 4, "backup": 3, "newer": 3, "changed": 2, "gone": 1},
            "orders: 3 rows newer than the backup, 2 rows changed since, 1 row deleted since",
        ),
        ({"live": 4, "backup": 3}, "orders: 4 rows, 3 in the backup"),
    ],
)
def test_a_loss_is_reported_in_a_sentence(counts, sentence):
    assert sqlite_rows.describe_loss({"orders": counts}) == sentence
