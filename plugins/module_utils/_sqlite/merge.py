# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that a restore set aside, put back into the live database: those whose primary key is not there.

Nothing is ever overwritten. A row whose key is there with other values is a conflict, which a person resolves.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._sqlite import rows
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SqliteError,
    connection,
    quoted,
    tables_of,
    uri_of,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.inspection import peeking
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.schema import LEDGERS

# The old code must not be told of migrations that it does not have.
_NOT_MERGED = {*LEDGERS, "knex_migrations_lock"}


@dataclass(frozen=True)
class TableMerge:
    """What can be done for one table: `reason` says why nothing. `left_out` are columns that the live one lacks."""

    table: str
    key: List[str]
    columns: List[str]
    left_out: List[str]
    reason: str = ""

    @property
    def source(self) -> str:
        same = " AND ".join(f"l.{quoted(name)} IS a.{quoted(name)}" for name in self.key)
        return f"aside.{quoted(self.table)} AS a LEFT JOIN main.{quoted(self.table)} AS l ON {same}"

    @property
    def is_missing(self) -> str:
        return f"l.{quoted(self.key[0])} IS NULL"

    @property
    def differs(self) -> str:
        names = [quoted(name) for name in self.columns if name not in self.key]
        return " OR ".join(f"a.{name} COLLATE BINARY IS NOT l.{name}" for name in names) or "0"

    def names(self, prefix: str = "") -> str:
        return ", ".join(prefix + quoted(name) for name in self.columns)


def plan_tables(opened: sqlite3.Connection) -> List[TableMerge]:
    """Return what can be done for each table of the attached database `aside`."""
    tables = [table for table in tables_of(opened, "aside") if table.lower() not in _NOT_MERGED]
    return [_plan_table(opened, table) for table in tables]


def _plan_table(opened: sqlite3.Connection, table: str) -> TableMerge:
    ours, theirs = (_columns(opened, schema, table) for schema in ("main", "aside"))
    if not ours:
        return TableMerge(table, [], [], theirs, "the live database has no such table")
    key = rows.primary_key(opened, table, "aside")
    if not key or key != rows.primary_key(opened, table, "main"):
        return TableMerge(table, [], [], [], "it has no primary key by which rows can be told apart")
    columns = [name for name in theirs if name in ours]
    return TableMerge(table, key, columns, [name for name in theirs if name not in ours])


def _columns(opened: sqlite3.Connection, schema: str, table: str) -> List[str]:
    """Return the columns that can be written."""
    found = opened.execute(f"PRAGMA {schema}.table_xinfo({quoted(table)})").fetchall()
    return [str(column[1]) for column in found if not column[6]]


@contextlib.contextmanager
def _attached(opened: sqlite3.Connection, aside: Path) -> Iterator[None]:
    opened.execute("ATTACH ? AS aside", (uri_of(aside, "ro", immutable=True),))
    try:
        yield
    finally:
        opened.execute("DETACH aside")


def predict(real: Path, aside: Path, timeout: float) -> Dict[str, Any]:
    """Return what a merge would do, without a lock. Raises SqliteError."""
    with peeking(real, timeout) as opened, _attached(opened, aside):
        return _describe([(each, _missing(opened, each), _conflicts(opened, each)) for each in plan_tables(opened)])


def merge(real: Path, aside: Path, timeout: float) -> Dict[str, Any]:
    """Insert the rows that are missing, all or none, and return what was done. Raises SqliteError."""
    with connection(real, timeout) as opened, _attached(opened, aside):
        opened.execute("BEGIN IMMEDIATE")
        try:
            before = _violations(opened)
            done = []
            for each in plan_tables(opened):
                conflicts = _conflicts(opened, each)
                done.append((each, _insert(opened, each, conflicts), conflicts))
            broken = sorted(table for table, number in _violations(opened).items() if number > before.get(table, 0))
            if broken:
                raise SqliteError(
                    f"Rows of {', '.join(broken)} refer to rows that are not there, so none was put back; look at what "
                    f"was set aside in {aside}"
                )
            opened.execute("COMMIT")
        finally:
            if opened.in_transaction:
                opened.execute("ROLLBACK")
    return _describe(done)


def _missing(opened: sqlite3.Connection, wanted: TableMerge) -> int:
    if wanted.reason:
        return 0
    return int(opened.execute(f"SELECT count(*) FROM {wanted.source} WHERE {wanted.is_missing}").fetchone()[0])


def _insert(opened: sqlite3.Connection, wanted: TableMerge, conflicts: List[List[Any]]) -> int:
    """Insert what is missing, and add to the conflicts what a constraint of the live table refuses."""
    missing = _missing(opened, wanted)
    if not missing:
        return 0
    selected = f"SELECT {wanted.names('a.')} FROM {wanted.source} WHERE {wanted.is_missing}"
    opened.execute(f"INSERT OR IGNORE INTO main.{quoted(wanted.table)} ({wanted.names()}) {selected}")
    conflicts += _keys_where(opened, wanted, wanted.is_missing)
    return missing - _missing(opened, wanted)


def _conflicts(opened: sqlite3.Connection, wanted: TableMerge) -> List[List[Any]]:
    return [] if wanted.reason else _keys_where(opened, wanted, f"NOT {wanted.is_missing} AND ({wanted.differs})")


def _keys_where(opened: sqlite3.Connection, wanted: TableMerge, condition: str) -> List[List[Any]]:
    names = ", ".join(f"a.{quoted(name)}" for name in wanted.key)
    found = opened.execute(f"SELECT {names} FROM {wanted.source} WHERE {condition} ORDER BY {names}").fetchall()
    return [[each.hex() if isinstance(each, bytes) else each for each in row] for row in found]


def _violations(opened: sqlite3.Connection) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for table, *_rest in opened.execute("PRAGMA main.foreign_key_check"):
        found[table] = found.get(table, 0) + 1
    return found


def _describe(done: List[Tuple[TableMerge, int, List[List[Any]]]]) -> Dict[str, Any]:
    """Return table -> what became of it. The keys of conflicts may be secret; they are for a private file only."""
    return {
        "merged": {each.table: number for each, number, _keys in done if number},
        "conflicts": {each.table: keys for each, _number, keys in done if keys},
        "skipped": {each.table: each.reason for each, _number, _keys in done if each.reason},
        "left_out": {each.table: each.left_out for each, number, _keys in done if number and each.left_out},
    }
