# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schema is made of, read by SQLite's own parser, so that two schemas can be compared.

Names are in lower case, as SQLite compares them. What holds no data of the app's is left out: SQLite's own tables, and
the shadow tables of virtual ones. A schema can be written into a manifest and read back from it::

    {"tables": {"orders": {"columns": {"id": ["INTEGER", false, null, 1, 0]}, "unique": [["number"]],
                           "references": [["customer"]], "checks": [["price", ">", "0"]], "strict": false, "sql": ""}},
     "others": {"view totals": ["totals", "create view ..."]}, "ledgers": {"knex_migrations": ["1_init.js"]},
     "user_version": 3}
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import is_virtual, quoted, shadows_of

# Where the tools note which migrations were made: table -> the column that names one.
LEDGERS = {
    "knex_migrations": "name",
    "_prisma_migrations": "migration_name",
    "sequelizemeta": "name",
    "__drizzle_migrations": "hash",
    "migrations": "name",
}
# An app may call a table of its own `migrations`; TypeORM's has these columns.
_TYPEORM = {"id", "timestamp", "name"}
# https://www.sqlite.org/datatype3.html#determination_of_column_affinity: the first word that is in the type decides.
_AFFINITIES = (
    ("INT", "INTEGER"),
    ("CHAR", "TEXT"),
    ("CLOB", "TEXT"),
    ("TEXT", "TEXT"),
    ("BLOB", "BLOB"),
    ("REAL", "REAL"),
    ("FLOA", "REAL"),
    ("DOUB", "REAL"),
)
# A text, a name in one of three kinds of quotes, a comment, a word or a number, or one other character.
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|\S""", re.DOTALL)


class Column(NamedTuple):
    """`key` is the place in the primary key, 0 for none; `hidden` is 2 or 3 for a generated column."""

    affinity: str
    not_null: bool
    default: Optional[str]
    key: int
    hidden: int


@dataclass(frozen=True)
class Table:
    """A table. `unique` and `references` name the columns of each; an expression is an empty name.

    `checks` are the CHECK constraints as words. `sql` is that of a virtual table, or of one that this SQLite cannot
    read, whose columns are not known.
    """

    columns: Dict[str, Column]
    unique: List[List[str]]
    references: List[List[str]]
    checks: List[List[str]]
    strict: bool
    sql: str


@dataclass(frozen=True)
class Schema:
    """`others` is "view totals" or "trigger stamp" -> its table and SQL, `ledgers` a ledger -> the migrations in it.

    Many apps number their migrations in `user_version`, so it is a ledger as well.
    """

    tables: Dict[str, Table]
    others: Dict[str, List[str]]
    ledgers: Dict[str, List[str]]
    user_version: int


def to_json(schema: Schema) -> Dict[str, Any]:
    return asdict(schema)


def from_json(value: Mapping[str, Any]) -> Schema:
    tables = {
        name: Table(**{**table, "columns": {each: Column(*column) for each, column in table["columns"].items()}})
        for name, table in value["tables"].items()
    }
    return Schema(tables, dict(value["others"]), dict(value["ledgers"]), value["user_version"])


def read_schema(opened: sqlite3.Connection) -> Schema:
    """Read the schema of a database, in whatever transaction the connection is. Raises sqlite3.DatabaseError."""
    found = opened.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE substr(name, 1, 7) <> 'sqlite_'")
    rows = [(str(kind), str(name), str(table), str(sql or "")) for kind, name, table, sql in found]
    hidden = shadows_of(opened)
    wheres = {name.lower(): _words(sql) for kind, name, _table, sql in rows if kind == "index"}
    tables = {
        name.lower(): _read_table(opened, name, sql, wheres)
        for kind, name, _table, sql in rows
        if kind == "table" and name not in hidden
    }
    others = {
        f"{kind} {name.lower()}": [table.lower(), " ".join(_words(sql))]
        for kind, name, table, sql in rows
        if kind in ("view", "trigger")
    }
    version = int(opened.execute("PRAGMA user_version").fetchone()[0])
    return Schema(tables, others, _read_ledgers(opened, tables), version)


def _read_table(opened: sqlite3.Connection, name: str, sql: str, wheres: Mapping[str, List[str]]) -> Table:
    found = [] if is_virtual(sql) else opened.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    words = _words(sql)
    strict = bool(found) and "strict" in words[_end_of(words, words.index("(")) :]
    columns = {
        str(column[1]).lower(): Column(
            str(column[2]).upper() if strict else _affinity(str(column[2])),
            bool(column[3]),
            None if str(column[4]).upper() in ("NONE", "NULL") else str(column[4]),
            int(column[5]),
            int(column[6]),
        )
        for column in found
    }
    keys = opened.execute(f"PRAGMA foreign_key_list({quoted(name)})").fetchall() if found else []
    references = [[str(key[3]).lower() for key in keys if key[0] == number] for number in {key[0] for key in keys}]
    unique = _unique_of(opened, name, wheres) if found else []
    return Table(columns, unique, sorted(references), _checks_of(words), strict, "" if found else " ".join(words))


def _affinity(declared: str) -> str:
    if not declared:
        return "BLOB"
    return next((affinity for word, affinity in _AFFINITIES if word in declared.upper()), "NUMERIC")


def _unique_of(opened: sqlite3.Connection, table: str, wheres: Mapping[str, List[str]]) -> List[List[str]]:
    """Return what must be unique besides the primary key; the condition of a partial index is its last name."""
    found = []
    for _number, name, is_unique, origin, is_partial in opened.execute(
        f"PRAGMA index_list({quoted(table)})"
    ).fetchall():
        if not is_unique or origin == "pk":
            continue
        columns = opened.execute(f"PRAGMA index_xinfo({quoted(name)})").fetchall()
        names = [str(column[2] or "").lower() + _collation(str(column[4])) for column in columns if column[5]]
        words = wheres.get(str(name).lower(), []) if is_partial else []
        found.append(sorted(names) + ([" ".join(words[words.index("where") :])] if words else []))
    return sorted(found)


def _collation(name: str) -> str:
    return "" if name.upper() == "BINARY" else f" collate {name.lower()}"


def _words(sql: str) -> List[str]:
    """Return the words of SQL without comments; names and keywords in lower case and without quotes."""
    found = (match.group() for match in _TOKEN.finditer(sql))
    return [_word(token) for token in found if not token.startswith(("--", "/*"))]


def _word(token: str) -> str:
    if token[0] == "'":
        return token
    return (token[1:-1] if token[0] in '"`[' and len(token) > 1 else token).lower()


def _checks_of(words: List[str]) -> List[List[str]]:
    begins = [place for place in range(len(words) - 1) if words[place] == "check" and words[place + 1] == "("]
    return sorted(words[place + 2 : _end_of(words, place + 1) - 1] for place in begins)


def _end_of(words: List[str], begin: int) -> int:
    """Return the place after the bracket that closes the one at `begin`."""
    depth = 0
    for place in range(begin, len(words)):
        depth += {"(": 1, ")": -1}.get(words[place], 0)
        if depth == 0:
            return place + 1
    return len(words)


def _read_ledgers(opened: sqlite3.Connection, tables: Mapping[str, Table]) -> Dict[str, List[str]]:
    found = {}
    for ledger, column in LEDGERS.items():
        columns = tables[ledger].columns if ledger in tables else {}
        if column in columns and (ledger != "migrations" or set(columns) >= _TYPEORM):
            rows = opened.execute(f"SELECT {column} FROM {quoted(ledger)}").fetchall()
            found[ledger] = sorted(str(row[0]) for row in rows)
    return found
