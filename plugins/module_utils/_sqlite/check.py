# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a SQLite database is sound, also one whose schema uses what only the app itself can provide."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import List, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SqliteError,
    newer_sql,
    passes_over_sql,
    stand_in,
)

# Far more than any schema names; it only keeps a bug from becoming an endless loop.
_MOST_UNKNOWN = 1000
# There is one for every row of a table with a computed value.
_MOST_PROBLEMS = 1_000_000
_OF_A_VALUE = re.compile(r"(?:non-\w+|NULL) value in (?P<table>.+)\.(?P<column>.+)")


@dataclass(frozen=True)
class Checked:
    """The result of a check: `problem` is "" for a sound database, else what SQLite found first.

    `unknown` names the app's own collations and functions, which limit what could be checked, and says so where a view
    or a trigger is in SQL that only a newer SQLite understands.
    """

    problem: str
    unknown: Tuple[str, ...] = ()


def check(opened: sqlite3.Connection, thoroughly: bool) -> Checked:
    """Check a database. Raises sqlite3.OperationalError for a lock or an I/O error: these say nothing about it.

    Raises SqliteError for a table that only a newer SQLite can read: whether it is sound is unknown here.

    `quick_check` reads every page and the order of its cells; `integrity_check` compares the indexes with the tables
    as well, at several times the cost. With a replacement for what only the app knows, only `quick_check` can be asked.
    """
    unknown: List[str] = ["SQL of a newer SQLite in the schema"] if passes_over_sql(opened) else []
    if unknown and _has_unreadable_table(opened):
        raise SqliteError(newer_sql("The database"))
    opened.execute(f"PRAGMA mmap_size={1 << 40}")
    while True:
        try:
            question = "integrity_check(1)" if thoroughly and not unknown else "quick_check(1)"
            found = str(opened.execute(f"PRAGMA {question}").fetchone()[0])
            if _OF_A_VALUE.fullmatch(found) and any(each.startswith("function ") for each in unknown):
                found = _first_of_stored_values(opened)
            return Checked("" if found == "ok" else found, tuple(unknown))
        except sqlite3.OperationalError as error:
            defined = stand_in(opened, error)
            if not defined or len(unknown) >= _MOST_UNKNOWN:
                raise
            unknown.append(defined)
        except sqlite3.DatabaseError as error:
            return Checked(str(error), tuple(unknown))


def _first_of_stored_values(opened: sqlite3.Connection) -> str:
    """Return the first problem that is none of a value that a stand-in computed, "ok" where there is no other."""
    for row in opened.execute(f"PRAGMA quick_check({_MOST_PROBLEMS})"):
        match = _OF_A_VALUE.fullmatch(str(row[0]))
        if not match or not _is_computed(opened, match["table"], match["column"]):
            return str(row[0])
    return "ok"


def _is_computed(opened: sqlite3.Connection, table: str, column: str) -> bool:
    found = opened.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
    return (column, 2) in found


def _has_unreadable_table(opened: sqlite3.Connection) -> bool:
    """Say whether a table or an index has pages, but SQL that SQLite skipped: it would skip the pages too."""
    stored = opened.execute("SELECT type, name FROM sqlite_master WHERE rootpage > 0").fetchall()
    asked = {"table": "SELECT count(*) FROM pragma_table_info(?)", "index": "SELECT count(*) FROM pragma_index_info(?)"}
    return any(opened.execute(asked[kind], (name,)).fetchone()[0] == 0 for kind, name in stored)
