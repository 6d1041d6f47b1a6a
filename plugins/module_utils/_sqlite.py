# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite databases looked at from outside: is it one, is it sound, what does it hold.

Source of the file format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional

_MAGIC = b"SQLite format 3\x00"
SIDECARS = ("-wal", "-shm", "-journal")


class SqliteError(Exception):
    """A database or a backup is not what it should be, or cannot be reached."""


@dataclass(frozen=True)
class Contents:
    """What identifies the contents of a database. C(row_counts) is table -> number of rows."""

    schema_sha256: str
    user_version: int
    application_id: int
    page_size: int
    page_count: int
    journal_mode: str
    row_counts: Dict[str, int] = field(default_factory=dict)


def real_database(path: Path) -> Path:
    """Return the real file of a database, symbolic links followed, after looking at it without SQLite.

    SQLite itself would create a missing file, and block on a FIFO. Raises SqliteError.
    """
    real = path.resolve()
    try:
        descriptor = os.open(str(real), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise SqliteError(f"The database {path} does not exist; correct the path") from error
    except OSError as error:
        raise SqliteError(f"Cannot read {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SqliteError(f"{path} is not a regular file, so it is no SQLite database")
        head = os.read(descriptor, 16)
    finally:
        # Nothing in this process holds a lock on the file yet, so closing it drops none.
        os.close(descriptor)
    if head != _MAGIC and not _is_new_database(real, head):
        raise SqliteError(f"{path} is not a SQLite database, or it is encrypted")
    return real


def _is_new_database(real: Path, head: bytes) -> bool:
    """An empty file is a database whose first transaction is still in its WAL."""
    wal = real.with_name(real.name + "-wal")
    return head == b"" and wal.exists() and wal.stat().st_size > 0


def refuse_other_user(real: Path) -> None:
    """Raise SqliteError for a user whose -shm and -wal files would lock the owner of the database out."""
    owner = real.stat().st_uid
    if os.geteuid() not in (0, owner):
        raise SqliteError(f"{real} belongs to uid {owner}; become that user, or the app could lose access to it")


@contextlib.contextmanager
def connection(real: Path, timeout: float, mode: str = "rw", immutable: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a database that exists, in autocommit. Raises SqliteError for everything SQLite complains about."""
    quoted = str(real).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri = f"file:{quoted}?mode={mode}" + ("&immutable=1" if immutable else "")
    try:
        opened = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)
    except sqlite3.Error as error:
        raise SqliteError(f"Cannot open {real}: {error}") from error
    try:
        yield opened
    except sqlite3.DatabaseError as error:
        raise SqliteError(_explain(real, error, timeout)) from error
    finally:
        opened.close()


def _explain(real: Path, error: sqlite3.DatabaseError, timeout: float) -> str:
    if "locked" in str(error):
        return f"{real} is locked by another process for more than {timeout:g} seconds; end it, or raise timeout"
    if "not a database" in str(error):
        return f"{real} is not a SQLite database, or it is encrypted"
    return f"SQLite cannot use {real}: {error}"


def read_contents(opened: sqlite3.Connection, count_rows: bool = True) -> Contents:
    """Read what identifies the contents, inside whatever transaction the connection is in."""
    schema = opened.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name"
    ).fetchall()
    tables: List[str] = [name for kind, name, _table, sql in schema if kind == "table" and _is_ordinary(sql)]
    return Contents(
        schema_sha256=hashlib.sha256(repr(schema).encode()).hexdigest(),
        user_version=_pragma(opened, "user_version"),
        application_id=_pragma(opened, "application_id"),
        page_size=_pragma(opened, "page_size"),
        page_count=_pragma(opened, "page_count"),
        journal_mode=str(opened.execute("PRAGMA journal_mode").fetchone()[0]),
        row_counts={table: _count(opened, table) for table in tables} if count_rows else {},
    )


def _is_ordinary(sql: Optional[str]) -> bool:
    """A virtual table may need an extension that is not loaded here; its shadow tables are counted."""
    return not (sql or "").upper().startswith("CREATE VIRTUAL")


def _pragma(opened: sqlite3.Connection, name: str) -> int:
    return int(opened.execute(f"PRAGMA {name}").fetchone()[0])


def _count(opened: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    return int(opened.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])


def check(opened: sqlite3.Connection, thoroughly: bool) -> str:
    """Return "" for a sound database, else what SQLite found first.

    C(quick_check) reads every page and the order of its cells; C(integrity_check) compares the indexes with the tables
    as well, at several times the cost.
    """
    try:
        opened.execute(f"PRAGMA mmap_size={1 << 40}")
        found = opened.execute("PRAGMA integrity_check(1)" if thoroughly else "PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError:
        raise  # Locked, or an I/O error: nothing is known about the database.
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else str(found)


def inspect(path: Path, timeout: float) -> Dict[str, object]:
    """Return C({sound, reason, ...contents, size}) of a live database, for a decision about it."""
    real = real_database(path)
    refuse_other_user(real)
    size = real.stat().st_size
    try:
        with connection(real, timeout) as opened:
            reason = check(opened, thoroughly=False)
            contents = read_contents(opened)
    except SqliteError as error:
        return {"sound": False, "reason": str(error), "size": size}
    return {"sound": not reason, "reason": reason, "size": size, **vars(contents)}
