# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a SQLite database is sound, also one whose schema uses what only the app itself can provide."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import List, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import stand_in

# Far more than any schema names; it only keeps a bug from becoming an endless loop.
_MOST_UNKNOWN = 1000


@dataclass(frozen=True)
class Checked:
    """The result of a check: `problem` is "" for a sound database, else what SQLite found first.

    `unknown` names the app's own collations and functions, which limit what could be checked.
    """

    problem: str
    unknown: Tuple[str, ...] = ()


def check(opened: sqlite3.Connection, thoroughly: bool) -> Checked:
    """Check a database. Raises sqlite3.OperationalError for a lock or an I/O error: these say nothing about it.

    `quick_check` reads every page and the order of its cells; `integrity_check` compares the indexes with the tables
    as well, at several times the cost. With a stand-in for what only the app knows, only `quick_check` can be asked.
    """
    unknown: List[str] = []
    opened.execute(f"PRAGMA mmap_size={1 << 40}")
    while True:
        try:
            question = "integrity_check(1)" if thoroughly and not unknown else "quick_check(1)"
            found = str(opened.execute(f"PRAGMA {question}").fetchone()[0])
            return Checked("" if found == "ok" else found, tuple(unknown))
        except sqlite3.OperationalError as error:
            defined = stand_in(opened, error)
            if not defined or len(unknown) >= _MOST_UNKNOWN:
                raise
            unknown.append(defined)
        except sqlite3.DatabaseError as error:
            return Checked(str(error), tuple(unknown))
