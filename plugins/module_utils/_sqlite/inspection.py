# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inspect a live database: who has it open, is it sound, what does it hold."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import ContextManager, Dict, FrozenSet, Optional

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SIDECARS,
    Contents,
    DamagedError,
    SqliteError,
    connection,
    holds_transaction,
    read_contents,
    read_head,
    real_database,
    refuse_other_user,
)

# Bytes 18 and 19 of a database: https://www.sqlite.org/fileformat2.html#file_format_version_numbers
_FORMAT_VERSIONS, _ROLLBACK_FORMAT = slice(18, 20), b"\x01\x01"
# A smaller file is copied before anybody notices.
_SOON_COPIED = 32 << 20


@dataclass(frozen=True)
class Live:
    """A live database; `contents` is None when it is missing or damaged, as `problem` says."""

    real: Path
    contents: Optional[Contents]
    problem: str


def find_holders(real: Path) -> Dict[int, str]:
    """Return pid -> name of who has the database or a sidecar open."""
    return proc.holders(identities_of(real))


def identities_of(real: Path) -> FrozenSet[proc.FileId]:
    files = set()
    for suffix in ("", *SIDECARS):
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(str(real) + suffix)
            files.add((status.st_dev, status.st_ino))
    return frozenset(files)


def refuse_open(real: Path) -> None:
    """Raise SqliteError when a process has the database or one of its sidecars open."""
    holders = proc.describe(find_holders(real))
    if holders:
        raise SqliteError(f"{real} is open in process {holders}; stop it before the database is restored")


def inspect_live(real: Path, timeout: float, briefly: bool = False) -> Live:
    """Inspect the live database. Opening it lets SQLite finish what a killed process left behind.

    `briefly` reads only what takes no longer for a larger database. Raises SqliteError when it cannot be read, as when
    it is locked: that says nothing about its soundness.
    """
    return _inspect(real, connection(real, timeout), briefly)


def inspect_still(real: Path, timeout: float, briefly: bool = False) -> Live:
    """Inspect a database without leftovers that nobody can change meanwhile, without a lock. Raises SqliteError."""
    return _inspect(real, connection(real, timeout, "ro", immutable=True), briefly)


def peek_at(real: Path, timeout: float) -> Live:
    """Inspect the live database without changing anything, not even the files next to it. Raises SqliteError."""
    if is_unfinished(real):
        return Live(real, None, "a killed process left a transaction unfinished")
    return _inspect(real, peeking(real, timeout))


def is_unfinished(real: Path) -> bool:
    """Say whether a killed process left a transaction that the next one to open the database rolls back."""
    return holds_transaction(real, "-journal") and not find_holders(real)


def peeking(real: Path, timeout: float) -> ContextManager[sqlite3.Connection]:
    """Open a database to read. A closed one is opened as immutable, or SQLite would write an index next to it."""
    wal = real.with_name(real.name + "-wal")
    is_closed = not (wal.exists() and wal.stat().st_size) and not find_holders(real)
    return connection(real, timeout, "ro", immutable=is_closed)


def _inspect(real: Path, opening: ContextManager[sqlite3.Connection], briefly: bool = False) -> Live:
    if not real.exists():
        return Live(real, None, "it does not exist")
    refuse_other_user(real)
    if briefly:
        return _glance(real, opening)
    with opening as opened:
        problem = check(opened, thoroughly=False).problem
        return Live(real, None if problem else read_contents(opened), problem)


def _glance(real: Path, opening: ContextManager[sqlite3.Connection]) -> Live:
    try:
        with opening as opened:
            return Live(real, read_contents(opened, with_rows=False), "")
    except DamagedError as error:
        return Live(real, None, str(error))


def describe_waiting(path: Path) -> str:
    """Return what a backup of the live database costs its writers, "" where it costs them nothing. Raises SqliteError.

    With a rollback journal nobody can commit while somebody reads.
    """
    real = real_database(path)
    size, holders = real.stat().st_size, find_holders(real)
    if size < _SOON_COPIED or not holders or read_head(path, real)[_FORMAT_VERSIONS] != _ROLLBACK_FORMAT:
        return ""
    return (
        f"{path} has {size >> 20} MiB and a rollback journal, so what process {proc.describe(holders)} writes waits "
        "while it is copied, and fails where the busy timeout of the app is shorter; let the app set PRAGMA "
        "journal_mode = WAL"
    )


def inspect(path: Path, timeout: float) -> Dict[str, object]:
    """Return `{sound, reason, size, ...contents}` of a live database, for a decision about it, and leave it alone.

    Raises SqliteError when it cannot be read.
    """
    real = real_database(path)
    live = peek_at(real, timeout)
    contents = vars(live.contents) if live.contents else {}
    return {"sound": not live.problem, "reason": live.problem, "size": real.stat().st_size, **contents}
