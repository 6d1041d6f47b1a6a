# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows a restore would lose: two databases compared row by row, by their keys.

The result is table -> counts, for the tables that differ: `live` and `backup` are the numbers of rows, `newer` the
rows that only the live database has, `changed` those that read otherwise in the backup, `gone` those that only the
backup has. Where rows cannot be compared, only the first two are there.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    count,
    quoted,
    tables_of,
    uri_of,
)

_BUILT_IN = {"BINARY", "NOCASE", "RTRIM"}

Differences = Dict[str, Dict[str, int]]


def compare_rows(live: sqlite3.Connection, backup: Path) -> Differences:
    """Compare a live database with a backup that is one plain file. Raises sqlite3.DatabaseError."""
    live.execute("ATTACH ? AS backup", (uri_of(backup, "ro", immutable=True),))
    try:
        tables = sorted({*tables_of(live), *tables_of(live, "backup")})
        found = {table: _compare_table(live, table) for table in tables}
    finally:
        live.execute("DETACH backup")
    return {table: counts for table, counts in found.items() if _differs(counts)}


def compare_counts(live: Dict[str, int], backup: Optional[Dict[str, int]]) -> Differences:
    """Compare numbers of rows alone; nothing is known of a backup whose rows were not counted."""
    if backup is None:
        return {}
    tables = sorted({*live, *backup})
    found = {table: {"live": live.get(table, 0), "backup": backup.get(table, 0)} for table in tables}
    return {table: counts for table, counts in found.items() if _differs(counts)}


def _differs(counts: Dict[str, int]) -> bool:
    return counts["live"] != counts["backup"] or any(counts.get(kind) for kind in ("newer", "changed", "gone"))


def _compare_table(live: sqlite3.Connection, table: str) -> Dict[str, int]:
    ours, theirs = (_columns(live, schema, table) for schema in ("main", "backup"))
    if not theirs:
        rows = count(live, "main", table)
        return {"live": rows, "backup": 0, "newer": rows, "changed": 0, "gone": 0}
    if not ours:
        rows = count(live, "backup", table)
        return {"live": 0, "backup": rows, "newer": 0, "changed": 0, "gone": rows}
    counts = {"live": count(live, "main", table), "backup": count(live, "backup", table)}
    key = next((each for each in _keys(live, table, ours) if each in _keys(live, table, theirs, "backup")), None)
    if key is None:
        return counts
    common = [name for name, _place in ours if name in dict(theirs)]
    newer, changed = live.execute(_query(table, key, common)).fetchone()
    newer = newer or 0
    gone = counts["backup"] - (counts["live"] - newer)
    return {**counts, "newer": newer, "changed": changed or 0, "gone": gone}


def _columns(live: sqlite3.Connection, schema: str, table: str) -> List[Tuple[str, int]]:
    """Return the columns of a table with their places in its primary key, 0 for none; nothing if it does not exist."""
    found = live.execute(f"PRAGMA {schema}.table_info({quoted(table)})").fetchall()
    return [(str(column[1]), int(column[5])) for column in found]


def _keys(
    live: sqlite3.Connection, table: str, columns: List[Tuple[str, int]], schema: str = "main"
) -> List[List[str]]:
    """Return what identifies a row, the best first: its primary key, and its row id, which a rebuilt table gives anew.

    A key that only the app itself can compare is none, nor is one that is NULL in a row.
    """
    key = primary_key(live, table, schema)
    found = [key] if key else []
    row_id = _row_id(live, table, columns, schema)
    return [*found, [row_id]] if row_id else found


def primary_key(live: sqlite3.Connection, table: str, schema: str) -> List[str]:
    """Return the columns of the primary key in their order, none where it does not tell all rows apart for SQLite."""
    places = {place: name for name, place in _columns(live, schema, table) if place}
    key = [places[place] for place in sorted(places)]
    return key if key and _is_usable(live, table, key, schema) else []


def _is_usable(live: sqlite3.Connection, table: str, key: List[str], schema: str) -> bool:
    if not _collations_of_key(live, schema, table) <= _BUILT_IN:
        return False
    empty = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    return live.execute(f"SELECT 1 FROM {schema}.{quoted(table)} WHERE {empty} LIMIT 1").fetchone() is None


def _row_id(live: sqlite3.Connection, table: str, columns: List[Tuple[str, int]], schema: str) -> str:
    """Return a name of the row id that is no column, "" for a table without one."""
    names = {name.lower() for name, _place in columns}
    alias = next((each for each in ("rowid", "_rowid_", "oid") if each not in names), "")
    try:
        live.execute(f"SELECT {alias or 'NULL'} FROM {schema}.{quoted(table)} LIMIT 0")
    except sqlite3.OperationalError:
        return ""
    return alias


def _collations_of_key(live: sqlite3.Connection, schema: str, table: str) -> Set[str]:
    indexes = live.execute(f"PRAGMA {schema}.index_list({quoted(table)})").fetchall()
    keys = [index[1] for index in indexes if index[3] == "pk"]
    found = [live.execute(f"PRAGMA {schema}.index_xinfo({quoted(name)})").fetchall() for name in keys]
    return {str(column[4]).upper() for columns in found for column in columns if column[5]}


def _query(table: str, key: List[str], columns: List[str]) -> str:
    same = " AND ".join(f"b.{quoted(name)} = l.{quoted(name)}" for name in key)
    values = [quoted(name) for name in columns if name not in key]
    differs = " OR ".join(f"l.{name} COLLATE BINARY IS NOT b.{name}" for name in values) or "0"
    absent = f"b.{quoted(key[0])} IS NULL"
    return (
        f"SELECT sum({absent}), sum(NOT {absent} AND ({differs}))"
        f" FROM main.{quoted(table)} AS l LEFT JOIN backup.{quoted(table)} AS b ON {same}"
    )


def describe_loss(differences: Differences) -> str:
    """Return one sentence about what is in the live database and not in the backup, "" for nothing."""
    return "; ".join(f"{table}: {_describe(counts)}" for table, counts in differences.items())


def _describe(counts: Dict[str, int]) -> str:
    if "newer" not in counts:
        return f"{counts['live']} rows, {counts['backup']} in the backup"
    words = {"newer": "newer than the backup", "changed": "changed since", "gone": "deleted since"}
    parts = [f"{counts[kind]} row{'s' * (counts[kind] != 1)} {text}" for kind, text in words.items() if counts[kind]]
    return ", ".join(parts)
