# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.compatibility import compatible_with_old
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.schema import read_schema

OLD = """
CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT UNIQUE);
CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT NOT NULL DEFAULT '', price INTEGER);
CREATE INDEX by_price ON orders (price);
CREATE VIEW totals AS SELECT sum(price) FROM orders;
CREATE TRIGGER stamp AFTER INSERT ON orders BEGIN SELECT 1; END;
CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO knex_migrations VALUES (1, '1_init.js');
CREATE VIRTUAL TABLE docs USING fts5 (body);
"""
LEDGER = "INSERT INTO knex_migrations VALUES (2, '2_fill.js');"


def reasons(change):
    with sqlite3.connect(":memory:") as opened:
        opened.executescript(OLD)
        old = read_schema(opened)
        opened.executescript(change)
        return compatible_with_old(old, read_schema(opened))


def rebuilt(columns, kept):
    """Return the 12 steps of SQLite's documentation, in short."""
    return f"""
    DROP VIEW totals; DROP TRIGGER stamp;
    CREATE TABLE fresh ({columns}); INSERT INTO fresh ({kept}) SELECT {kept} FROM orders; DROP TABLE orders;
    ALTER TABLE fresh RENAME TO orders;
    CREATE VIEW totals AS SELECT sum(price) FROM orders;
    CREATE TRIGGER stamp AFTER INSERT ON orders BEGIN SELECT 1; END;
    """


ALL = "id, number, price"
SAME = "id INTEGER PRIMARY KEY, number TEXT NOT NULL DEFAULT '', price INTEGER"


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO orders (price) VALUES (1)",
        "CREATE TABLE orders_20260219 (id INTEGER PRIMARY KEY, note TEXT NOT NULL)",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, of_order REFERENCES orders)",
        "CREATE INDEX by_number ON orders (number)",
        "DROP INDEX by_price",
        "ALTER TABLE orders ADD COLUMN note TEXT",
        "ALTER TABLE orders ADD COLUMN state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'paid'))",
        "ALTER TABLE orders ADD COLUMN buyer INTEGER REFERENCES people",
        "ALTER TABLE orders ADD COLUMN doubled AS (price * 2)",
        "ALTER TABLE orders ADD COLUMN token TEXT; CREATE UNIQUE INDEX tokens ON orders (token)",
        "ALTER TABLE orders ADD COLUMN token TEXT; CREATE UNIQUE INDEX tokens ON orders (number, token)",
        "CREATE VIEW dear AS SELECT * FROM orders WHERE price > 100",
        "CREATE TABLE log (x); CREATE TRIGGER logged AFTER INSERT ON log BEGIN DELETE FROM orders; END",
        "CREATE VIRTUAL TABLE more USING fts5 (body)",
        "INSERT INTO docs VALUES ('a text')",
        "PRAGMA user_version = 7; CREATE TABLE audit (x)",
        "ALTER TABLE orders ADD COLUMN note TEXT;" + LEDGER,
        rebuilt(SAME, ALL),
        rebuilt(SAME.replace("INTEGER PRIMARY", "INT PRIMARY"), ALL),
        rebuilt(SAME.replace(" NOT NULL DEFAULT ''", ""), ALL),
        rebuilt(SAME.replace("price INTEGER", "price BIGINT"), ALL),
        "DELETE FROM knex_migrations",
    ],
)
def test_the_old_code_can_use_what_only_adds(change):
    assert reasons(change) == []


@pytest.mark.parametrize(
    "change, expected",
    [
        ("DROP TABLE people", ["table people is gone"]),
        ("ALTER TABLE people RENAME TO users", ["table people is gone"]),
        ("ALTER TABLE people RENAME COLUMN mail TO email",
         ["column mail of table people is gone", "mail of table people need not be unique any more"]),
        (rebuilt("id INTEGER PRIMARY KEY, price INTEGER", "id, price"), ["column number of table orders is gone"]),
        (rebuilt(SAME + ", buyer TEXT NOT NULL DEFAULT ''", ALL), []),
        ("DELETE FROM orders;" + rebuilt(SAME + ", buyer TEXT NOT NULL", ALL),
         ["column buyer of table orders is new and must be filled"]),
        (rebuilt(SAME.replace("price INTEGER", "price INTEGER NOT NULL DEFAULT 0"), ALL),
         ["column price of table orders may not be NULL any more"]),
        (rebuilt(SAME.replace(" DEFAULT ''", ""), ALL), ["column number of table orders has no default any more"]),
        (rebuilt(SAME.replace("price INTEGER", "price TEXT"), ALL),
         ["column price of table orders has the type TEXT and not INTEGER"]),
        (rebuilt(SAME.replace("price INTEGER", "price INTEGER AS (2)"), "id, number"),
         ["column price of table orders cannot be written any more"]),
        (rebuilt("id INTEGER, number TEXT NOT NULL DEFAULT '', price INTEGER, PRIMARY KEY (id, number)", ALL),
         ["column number of table orders has another place in the primary key"]),
        (rebuilt("id INTEGER, number TEXT NOT NULL DEFAULT '', price INTEGER, x, PRIMARY KEY (id, x)", ALL),
         ["column x of table orders is new in the primary key"]),
        (rebuilt(SAME + ") STRICT; SELECT (1", ALL), ["table orders is STRICT now"]),
        ("CREATE UNIQUE INDEX numbers ON orders (number)", ["number of table orders must be unique now"]),
        ("CREATE UNIQUE INDEX numbers ON orders (lower(number))", ["an expression of table orders must be unique now"]),
        ("ALTER TABLE orders ADD COLUMN kind DEFAULT 1; CREATE UNIQUE INDEX k ON orders (kind)",
         ["kind of table orders must be unique now"]),
        (rebuilt(SAME + ", FOREIGN KEY (price) REFERENCES people", ALL),
         ["price of table orders must refer to a row now"]),
        (rebuilt(SAME + ", CHECK (price > 0)", ALL), ["table orders has a new CHECK (price > 0)"]),
        ("DROP VIEW totals", ["view totals is gone"]),
        ("DROP VIEW totals; CREATE VIEW totals AS SELECT 1", ["view totals is another one"]),
        ("DROP TRIGGER stamp", ["trigger stamp is gone"]),
        ("CREATE TRIGGER guard BEFORE UPDATE ON orders BEGIN SELECT raise(ABORT, 'no'); END",
         ["trigger guard is new on orders"]),
        ("CREATE TRIGGER guard INSTEAD OF UPDATE ON totals BEGIN SELECT 1; END",
         ["trigger guard is new on view totals"]),
        ("DROP TABLE docs; CREATE VIRTUAL TABLE docs USING fts5 (title, body)", ["table docs is another one"]),
        (LEDGER, ["a migration changed the data: 2_fill.js in knex_migrations"]),
        ("PRAGMA user_version = 7", ["a migration changed the data: 7 and not 0 in user_version"]),
        ("UPDATE orders SET price = 0;" + LEDGER, ["a migration changed the data: 2_fill.js in knex_migrations"]),
    ],
)  # fmt: skip
def test_the_old_code_cannot_use_what_takes_away_or_asks_for_more(change, expected):
    assert reasons(change) == expected
