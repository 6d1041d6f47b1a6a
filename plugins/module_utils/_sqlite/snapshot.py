# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of a live database at the speed of a file copy.

In WAL mode a read transaction keeps every checkpoint from overwriting pages past its mark, and the frames up to the
mark from being overwritten, so the file and its WAL up to the mark are one snapshot. Where the mark needs no frame of
the WAL, the WAL may be restarted meanwhile; then the file alone is the snapshot. With a rollback journal the read
transaction keeps writers out of the file: there a commit waits until it is copied.
Sources: https://www.sqlite.org/wal.html, https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import wal
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    Contents,
    SqliteError,
    connection,
    count_rows,
    is_read_only,
    read_contents,
)

# What a filesystem answers that cannot copy between two of its files in the kernel.
_NO_KERNEL_COPY = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV)


@dataclass(frozen=True)
class Snapshot:
    """How the copy was made (`clone`, `copy` or `backup_api`), and what the read transaction saw.

    `row_counts` is None when they were not asked for. `wal_salt` names the generation of the WAL: as long as the live
    WAL has the same, every later change is in it. None when it is not known.
    """

    method: str
    contents: Contents
    row_counts: Optional[Dict[str, int]]
    wal_salt: Optional[str]


def take_snapshot(
    real: Path, partial: Path, timeout: float, with_rows: bool = False, descriptors: Optional[ExitStack] = None
) -> Snapshot:
    """Copy the database into the new file `partial`, a complete database in rollback-journal mode, not yet synced.

    Closing any descriptor of a database drops this process's locks on it, so all outlive the connection. A caller who
    holds locks of its own gives `descriptors`, and closes it after them. Raises SqliteError, OSError.
    """
    if is_read_only(real):
        return _copy_unchanging(real, partial, timeout, with_rows)
    with ExitStack() as own, connection(real, timeout) as opened:
        kept = own if descriptors is None else descriptors
        mark = _begin(opened, real, kept)
        contents = read_contents(opened, with_rows=False)
        has_wal = contents.journal_mode == "wal"
        # Without a WAL no writer gets on until this transaction ends. The rows are counted in the copy then.
        with_rows = with_rows and has_wal
        with _counting(opened, with_rows) as counts:
            by_page = has_wal and (not mark or wal.is_starved(mark, contents.page_size, contents.page_count))
            method = "backup_api" if by_page else _copy(real, partial, kept)
            frames = 0
            if method != "backup_api" and mark:
                frames = _copy_wal(real, partial, mark, contents.page_size, kept)
        if method == "backup_api":
            _copy_through_sqlite(opened, partial)
    if method != "backup_api":
        _fold(partial, timeout, frames)
    return Snapshot(method, contents, counts if with_rows else None, mark.salt if mark and mark.frames else None)


def _begin(opened: sqlite3.Connection, real: Path, descriptors: ExitStack) -> Optional[wal.WalMark]:
    if opened.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return wal.begin_at_mark(opened, real, descriptors)
    opened.execute("BEGIN")
    return None


@contextlib.contextmanager
def _counting(opened: sqlite3.Connection, wanted: bool) -> Iterator[Dict[str, int]]:
    """Count the rows that the read transaction sees while the kernel copies the files."""
    counts: Dict[str, int] = {}
    failures: List[sqlite3.DatabaseError] = []

    def count() -> None:
        try:
            counts.update(count_rows(opened))
        except sqlite3.DatabaseError as error:
            failures.append(error)

    thread = threading.Thread(target=count)
    if wanted:
        thread.start()
    try:
        yield counts
    finally:
        if wanted:
            thread.join()
    if failures:
        raise failures[0]


def _copy(real: Path, partial: Path, descriptors: ExitStack) -> str:
    """Copy the file in the kernel, and return how; backup_api when the kernel cannot."""
    writing = files.create_private(partial)
    descriptors.callback(os.close, writing)
    reading = trust.open_kept(real, descriptors)
    try:
        return files.copy_in_kernel(reading, writing, os.fstat(reading).st_size)
    except OSError as error:
        if error.errno not in _NO_KERNEL_COPY:
            raise
        os.ftruncate(writing, 0)
        return "backup_api"


def _copy_wal(real: Path, partial: Path, mark: wal.WalMark, page_size: int, descriptors: ExitStack) -> int:
    """Copy the WAL up to the mark, or nothing when the file alone is the snapshot, and return the number of frames."""
    target = partial.with_name(partial.name + "-wal")
    reading = trust.open_kept(Path(f"{real}-wal"), descriptors)
    with os.fdopen(files.create_private(target), "wb") as copy:
        files.copy_in_kernel(reading, copy.fileno(), wal.size_up_to(mark, page_size))
    if wal.salt_of(os.pread(reading, wal.HEADER_SIZE, 0)) != mark.salt:
        target.unlink()
        return 0
    return mark.frames


def _copy_through_sqlite(opened: sqlite3.Connection, partial: Path) -> None:
    """Copy by SQLite's backup API, from the connection's read transaction, so that no writer makes it begin again."""
    if not partial.exists():
        os.close(files.create_private(partial))
    with connection(partial, 0) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        opened.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()


def _fold(partial: Path, timeout: float, frames: int) -> None:
    """Let SQLite carry the copied WAL into the copy, all frames of it, and remove what it leaves next to it."""
    with connection(partial, timeout) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        _busy, _found, folded = copy.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if frames and folded != frames:
            raise SqliteError(f"The copy holds {folded} frames of the WAL and not {frames}; take the backup again")
        mode = copy.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        if mode != "delete":
            raise SqliteError(f"Cannot fold the write-ahead log into {partial}: it stays in mode {mode}")


def _copy_unchanging(real: Path, partial: Path, timeout: float, with_rows: bool) -> Snapshot:
    """Copy a database on a read-only filesystem, where SQLite can take no lock, as long as nothing changes it.

    The same filesystem may be mounted elsewhere, where an app writes to it. Raises SqliteError when one does.
    """
    left = [suffix for suffix in ("-wal", "-journal") if _size(f"{real}{suffix}")]
    if left:
        raise SqliteError(
            f"{real} is on a read-only filesystem and its {left[0]} holds changes, which cannot be read there; back it "
            "up where it can be written"
        )
    before = os.stat(str(real))
    with ExitStack() as descriptors, connection(real, timeout, "ro", immutable=True) as opened:
        contents = read_contents(opened, with_rows=with_rows)
        method = _copy(real, partial, descriptors)
        if method == "backup_api":
            _copy_through_sqlite(opened, partial)
    after = os.stat(str(real))
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or _size(f"{real}-wal"):
        raise SqliteError(f"{real} was changed while it was copied; back it up where it can be written")
    if method != "backup_api":
        _fold(partial, timeout, 0)
    return Snapshot(method, contents, contents.row_counts if with_rows else None, None)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
