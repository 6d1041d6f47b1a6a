# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite databases, inspected without the app: is it one, who may open it, what does it hold.

Source of the file format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Set, Tuple, Type
from urllib.parse import quote

from ansible_collections.greenlight.release.plugins.module_utils._host import files, proc, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import sidecars
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_MAGIC = b"SQLite format 3\x00"
_UNKNOWN = re.compile(r"(?:no such|unknown) (collation sequence|function): ([^()]+)")
_UNREADABLE_SCHEMA = "malformed database schema"
# How the modules of virtual tables call the tables in which they keep what they hold.
_OF_FTS4, _OF_RTREE = ("content", "segments", "segdir", "docsize", "stat"), ("node", "rowid", "parent")
_SHADOWS = {
    "fts3": _OF_FTS4,
    "fts4": _OF_FTS4,
    "fts5": ("data", "idx", "content", "docsize", "config"),
    "rtree": _OF_RTREE,
    "rtree_i32": _OF_RTREE,
    "geopoly": _OF_RTREE,
}
_MODULE = re.compile(r"\bUSING\s+(\w+)", re.IGNORECASE)
_OTHERS_CONTENT = re.compile(r"\bcontent\s*=", re.IGNORECASE)
SIDECARS = ("-wal", "-shm", "-journal")


class SqliteError(GreenlightError):
    """A database or a backup is not what it should be, or cannot be reached."""


class LockedError(SqliteError):
    """Another process has locked the database, so nothing is known of it."""


class DamagedError(SqliteError):
    """The database is not one, or it is damaged."""


@dataclass(frozen=True)
class Contents:
    """What identifies the contents of a database. `row_counts` is table -> number of rows."""

    schema_sha256: str
    user_version: int
    application_id: int
    page_size: int
    page_count: int
    journal_mode: str
    row_counts: Dict[str, int] = field(default_factory=dict)


def real_database(path: Path) -> Path:
    """Return the real file of a database, symbolic links followed, after checking it without SQLite.

    SQLite itself would create a missing file, and block on a FIFO. Raises SqliteError, for root also where another
    user than its owner could have led it there.
    """
    real = own_file(path)
    head = read_head(path, real)
    if not head and not _is_new_database(real, head):
        raise SqliteError(f"{path} is empty, so there is no database in it yet; correct the path, or wait for the app")
    if head[:16] != _MAGIC and not _is_new_database(real, head):
        raise SqliteError(f"{path} is not a SQLite database, or it is encrypted")
    return real


def resolve(path: Path) -> Path:
    """Return a path with all symbolic links followed.

    Raises SqliteError for links that lead in a circle, or lead root to what does not belong to the owner of the link.
    """
    try:
        with contextlib.suppress(OSError), trust.held(path) as found:
            return found.path
        # Folders of it are missing, or may not be searched, which whoever uses it will say.
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise SqliteError(f"{path} cannot be followed: {error}; correct the link") from error
    except trust.TrustError as error:
        raise SqliteError(str(error)) from error


def own_file(path: Path) -> Path:
    """Return the real path of a database, which may be missing. Raises SqliteError, also where root could be misled."""
    real = resolve(path)
    try:
        with contextlib.suppress(OSError):
            trust.refuse_lent(path)
    except trust.TrustError as error:
        raise SqliteError(str(error)) from error
    return real


def remove_with_sidecars(path: Path) -> None:
    """Remove a database file, and what SQLite leaves next to one, where they exist."""
    for suffix in ("", *SIDECARS):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")


def refuse_hard_links(real: Path) -> None:
    """Raise SqliteError for a database that has two names: SQLite finds its WAL next to one of them only."""
    if real.exists() and real.stat().st_nlink > 1:
        raise SqliteError(f"{real} has {real.stat().st_nlink} hard links, of which SQLite knows one; remove the others")


def read_head(path: Path, real: Path) -> bytes:
    """Return the first 100 bytes of the regular file `real`, which the user knows as `path`. Raises SqliteError."""
    try:
        descriptor = trust.open_regular(real)
    except FileNotFoundError as error:
        raise SqliteError(f"The database {path} does not exist; correct the path") from error
    except OSError as error:
        raise SqliteError(f"Cannot read {path}: {error.strerror}") from error
    except trust.TrustError as error:
        raise SqliteError(f"{error}; it cannot be used as a database") from error
    try:
        return os.read(descriptor, 100)
    finally:
        # Nothing in this process holds a lock on the file yet, so closing it drops none.
        os.close(descriptor)


def refuse_no_database(real: Path) -> None:
    """Raise SqliteError for a file that is there and never was a database, which is not the same as a damaged one."""
    if os.path.lexists(str(real)):
        head = read_head(real, real)
        if head and not is_sqlite(head):
            raise SqliteError(
                f"{real} is not a SQLite database, so no backup of another one takes its place, not even with force; "
                "correct the path, or move it away"
            )


def is_sqlite(head: bytes) -> bool:
    return head[:16] == _MAGIC


def _is_new_database(real: Path, head: bytes) -> bool:
    """An empty file is a database whose first transaction is still in its WAL."""
    wal = real.with_name(real.name + "-wal")
    return head == b"" and wal.exists() and wal.stat().st_size > 0


def holds_transaction(real: Path, journal: str) -> bool:
    """Say whether a journal holds what SQLite has yet to carry into the database, or to take back.

    The mode PERSIST keeps the file -journal, with zeros for a header.
    """
    try:
        with Path(f"{real}{journal}").open("rb") as file:
            head = file.read(1)
    except FileNotFoundError:
        return False
    return head not in ((b"",) if journal == "-wal" else (b"", b"\0"))


def is_read_only(path: Path) -> bool:
    """Say whether a file or folder is on a filesystem that is mounted read-only."""
    return bool(os.statvfs(str(path)).f_flag & os.ST_RDONLY)


def refuse_other_user(real: Path) -> None:
    """Raise SqliteError for a user whose -shm and -wal files would lock the owner of the database out."""
    owner = real.stat().st_uid
    if os.geteuid() not in (0, owner):
        raise SqliteError(f"{real} belongs to uid {owner}; become that user, or the app could lose access to it")


def uri_of(real: Path, mode: str, immutable: bool = False) -> str:
    """Return the URI of a database file; every byte of its name that could mean something else is escaped."""
    return f"file://{quote(os.fsencode(str(real)))}?mode={mode}" + ("&immutable=1" if immutable else "")


@contextlib.contextmanager
def connection(real: Path, timeout: float, mode: str = "rw", immutable: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a database that exists, in autocommit. Raises SqliteError for everything SQLite complains about.

    A thread may be given the connection, as long as no other uses it meanwhile.
    """
    with sidecars.kept(real), _connected(real, timeout, mode, immutable) as opened:
        yield opened


@contextlib.contextmanager
def _connected(real: Path, timeout: float, mode: str, immutable: bool) -> Iterator[sqlite3.Connection]:
    try:
        opened = _open_unexchanged(real, uri_of(real, mode, immutable))
    except sqlite3.Error as error:
        raise SqliteError(f"Cannot open {real}: {error}") from error
    except OSError as error:
        raise SqliteError(f"Cannot open {real}: {files.explain(error)}") from error
    except trust.TrustError as error:
        raise SqliteError(str(error)) from error
    try:
        _accept_newer_sql(opened)
        opened.execute(f"PRAGMA busy_timeout = {math.ceil(timeout * 1000)}")
        yield opened
    except sqlite3.DatabaseError as error:
        raise _class_of(error)(explain(real, error, timeout)) from error
    finally:
        opened.close()


def _class_of(error: sqlite3.DatabaseError) -> Type[SqliteError]:
    text = str(error)
    if "locked" in text:
        return LockedError
    is_damaged = "not a database" in text or ("malformed" in text and _UNREADABLE_SCHEMA not in text)
    return DamagedError if is_damaged else SqliteError


def _open_unexchanged(real: Path, uri: str) -> sqlite3.Connection:
    """Let SQLite open a database, by its name as it must, and make sure that what it opened is what was checked.

    The files next to it are opened by SQLite later, and never through a link; but it would wait for a pipe.
    """
    with trust.held(real) as found:
        for suffix in ("", *SIDECARS):
            trust.refuse_irregular_name(found.folder, f"{real.name}{suffix}")
        before = trust.open_files()
        opened = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        new = {identity for descriptor, identity in trust.open_files().items() if descriptor not in before}
        if found.descriptor is not None and new and trust.identity_of(found.descriptor) not in new:
            opened.close()
            raise SqliteError(f"{real} was exchanged while it was opened; find out who does that, and try again")
    return opened


def _accept_newer_sql(opened: sqlite3.Connection) -> None:
    """Let SQLite pass over what it cannot parse in the schema: an app may bring a newer SQLite than the host has.

    https://www.sqlite.org/pragma.html#pragma_writable_schema; nothing of ours writes to the schema.
    """
    try:
        opened.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.DatabaseError as error:
        # Anything else, such as a lock, comes again with the caller's first question, and is handled there.
        if _UNREADABLE_SCHEMA in str(error):
            opened.execute("PRAGMA writable_schema = ON")


def passes_over_sql(opened: sqlite3.Connection) -> bool:
    """Say whether there is SQL in the schema that this SQLite cannot parse."""
    return bool(_pragma(opened, "writable_schema"))


def explain(real: Path, error: sqlite3.DatabaseError, timeout: float) -> str:
    """Return what an error of SQLite means for the database, and what to do about it."""
    text = str(error)
    if "locked" in text:
        return (
            f"{real} is locked by another process for more than {timeout:g} seconds{openers_of(real)}; "
            "end it, or raise timeout"
        )
    if "not a database" in text:
        return f"{real} is not a SQLite database, or it is encrypted"
    if _UNREADABLE_SCHEMA in text:
        return newer_sql(str(real))
    if "malformed" in text:
        return f"{real} is damaged: {text}; restore a backup of it"
    if "full" in text:
        return f"No space is left for {real}; free some and try again"
    if "readonly" in text:
        return f"{real} cannot be written: {text}; check its mode and that its filesystem is not mounted read-only"
    return f"SQLite cannot use {real}: {text}"


def newer_sql(name: str) -> str:
    """Return what to say of a database whose schema SQLite cannot read."""
    return (
        f"{name} cannot be checked here: its schema uses SQL that SQLite {sqlite3.sqlite_version} of this host cannot "
        "read, or is damaged; give the host's Python a SQLite as new as that of the app"
    )


def openers_of(real: Path) -> str:
    """Return who has the database open, as far as this user may see that."""
    with contextlib.suppress(OSError):
        status = real.stat()
        found = proc.describe(proc.holders(frozenset({(status.st_dev, status.st_ino)})))
        return f" (open in {found})" if found else ""
    return ""


def read_contents(opened: sqlite3.Connection, with_rows: bool = True) -> Contents:
    """Read what identifies the contents, inside whatever transaction the connection is in."""
    schema = opened.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name"
    ).fetchall()
    return Contents(
        schema_sha256=hashlib.sha256(repr(schema).encode()).hexdigest(),
        user_version=_pragma(opened, "user_version"),
        application_id=_pragma(opened, "application_id"),
        page_size=_pragma(opened, "page_size"),
        page_count=_pragma(opened, "page_count"),
        journal_mode=str(opened.execute("PRAGMA journal_mode").fetchone()[0]),
        row_counts=count_rows(opened) if with_rows else {},
    )


def _pragma(opened: sqlite3.Connection, name: str) -> int:
    return int(opened.execute(f"PRAGMA {name}").fetchone()[0])


def tables_of(opened: sqlite3.Connection, schema: str = "main") -> List[str]:
    """Return the tables that hold rows of the app's, not those in which SQLite keeps an index or a counter of its own.

    The rows of a virtual table are in one of its shadow tables.
    """
    hidden = {name for name in shadows_of(opened, schema) if not name.endswith(("_content", "_rowid"))}
    found = _stored_tables(opened, schema)
    return [name for name, sql in found if not (is_virtual(sql) or name in hidden or name.startswith("sqlite_"))]


def _stored_tables(opened: sqlite3.Connection, schema: str) -> List[Tuple[str, str]]:
    found = opened.execute(f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table' ORDER BY name")
    return [(name, sql or "") for name, sql in found]


def is_virtual(sql: str) -> bool:
    """Say so of a table by its SQL. It may need an extension that is not loaded here."""
    return sql.upper().startswith("CREATE VIRTUAL")


def shadows_of(opened: sqlite3.Connection, schema: str = "main") -> Set[str]:
    """Return the tables in which the virtual ones keep what they hold, and how to find it."""
    stored = _stored_tables(opened, schema)
    names = {f"{name}_{ending}" for name, sql in stored if is_virtual(sql) for ending in _endings(sql)}
    return {name for name, _sql in stored if name in names}


def _endings(sql: str) -> Sequence[str]:
    found = _MODULE.search(sql)
    endings = _SHADOWS.get(found.group(1).lower(), ()) if found else ()
    # An index of another table's text has no copy of it, so a table of that name is the app's.
    return [each for each in endings if each != "content" or not _OTHERS_CONTENT.search(sql)]


def count_rows(opened: sqlite3.Connection, schema: str = "main") -> Dict[str, int]:
    """Return table -> number of rows."""
    return {table: count(opened, schema, table) for table in tables_of(opened, schema)}


def count(opened: sqlite3.Connection, schema: str, table: str) -> int:
    """Return the number of rows of a table, also of one whose key only the app itself can compare."""
    while True:
        try:
            return int(opened.execute(f"SELECT count(*) FROM {schema}.{quoted(table)}").fetchone()[0])
        except sqlite3.OperationalError as error:
            if not stand_in(opened, error):
                raise


def stand_in(opened: sqlite3.Connection, error: sqlite3.OperationalError) -> str:
    """Define something harmless for what the app would define itself, and return its name; "" if that is not amiss.

    With it a schema can be used, but an index cannot be searched, nor a CHECK constraint judged.
    """
    match = _UNKNOWN.search(str(error))
    if not match:
        return ""
    kind, name = match.groups()
    if kind == "collation sequence":
        opened.create_collation(name, lambda left, right: (left > right) - (left < right))
    else:
        opened.create_function(name, -1, lambda *_values: "", deterministic=True)
        opened.execute("PRAGMA ignore_check_constraints = ON")
    return f"{kind.split()[0]} {name}"


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'
