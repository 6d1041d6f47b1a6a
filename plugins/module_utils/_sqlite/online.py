# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a database that processes have open, through SQLite's own locking, in one transaction.

SQLite's backup API takes the write lock of the live database with its first step. What is replaced is set aside while
that lock is held, so no row that anyone has committed is missing from it. A crash leaves a transaction that the next
process rolls back. Source: https://www.sqlite.org/c3ref/backup_finish.html
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import set_aside, stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SqliteError,
    connection,
    explain,
    read_contents,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.inspection import Live, inspect_live
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.restore import (
    copy_aside,
    discard,
    name_kept,
    undisturbed,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.restore_plan import (
    Restore,
    judge,
    pages_of,
    refuse_impossible,
    refuse_lack_of_space,
    result_of,
    staged_backup,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.rows import Differences, compare_rows
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.snapshot import take_snapshot

# So little that SQLite keeps the first step in memory: the file is whole as long as it is set aside.
_STEP_BYTES = 1 << 20
_BUSY = (5, 6)
# Bytes 18 and 19 of a database: https://www.sqlite.org/fileformat2.html#file_format_version_numbers
_FORMAT_VERSIONS, _WAL_FORMAT = 18, b"\x02\x02"


class _Same(Exception):
    """The live database holds what the backup holds."""


def restore_online(wanted: Restore) -> Dict[str, Any]:
    """Replace the content of the live database where that is needed, and say what was done. Raises SqliteError.

    The caller has checked the backup.
    """
    with undisturbed(wanted):
        live = inspect_live(wanted.real, wanted.timeout)
        replacement = judge(live, wanted)
        if not replacement.needed:
            return result_of(False, replacement.reason, replacement.differences, None)
        refuse_impossible(live, wanted)
        refuse_lack_of_space(wanted)
        wanted.keeping.mkdir(parents=True, mode=0o700)
        try:
            with staged_backup(wanted) as backup:
                _write_over(wanted, backup)
                differences = _compare_kept(wanted, backup)
        except _Same:
            discard(wanted.kept)
            return result_of(False, "the database holds what the backup holds", {}, None)
        finally:
            discard(wanted.keeping)
    return result_of(True, replacement.reason, differences, wanted.kept)


def _write_over(wanted: Restore, backup: Path) -> None:
    # Closing any descriptor of the database drops this process's locks on it, so all outlive the connection.
    with ExitStack() as descriptors, connection(backup, wanted.timeout, "ro", immutable=True) as source:
        with connection(wanted.real, wanted.timeout) as target:
            # The first step must not be the last, which releases the lock.
            step = min(_STEP_BYTES // wanted.manifest["page_size"], pages_of(wanted.manifest) - 1)
            source.backup(target, pages=step, progress=_between_steps(wanted, backup, descriptors), sleep=0)
            found = read_contents(target, with_rows=False)
    if (found.schema_sha256, found.user_version) != (wanted.manifest["schema_sha256"], wanted.manifest["user_version"]):
        raise SqliteError(f"{wanted.real} was restored, but its schema differs; inspect {wanted.kept}")


def _between_steps(wanted: Restore, backup: Path, descriptors: ExitStack) -> Callable[[int, int, int], None]:
    """Return what is called after each step: the first one that succeeds holds the write lock."""
    locked: List[bool] = []

    def progress(status: int, _remaining: int, _total: int) -> None:
        if status in _BUSY:
            error = sqlite3.OperationalError("database is locked")
            raise SqliteError(explain(wanted.real, error, wanted.timeout))
        if not locked:
            locked.append(True)
            _set_aside(wanted, descriptors)
            if stage.same_content(wanted.kept / wanted.real.name, backup):
                raise _Same

    return progress


def _set_aside(wanted: Restore, descriptors: ExitStack) -> None:
    """Copy the live database as it was committed last."""
    target, wal = wanted.keeping / wanted.real.name, False
    reading = trust.open_kept(wanted.real, descriptors)
    if os.pread(reading, 2, _FORMAT_VERSIONS) == _WAL_FORMAT:
        wal = True
        take_snapshot(wanted.real, target, wanted.timeout, descriptors=descriptors)
        files.sync_in_steps(target)
    else:
        # The exclusive lock of a rollback journal keeps other connections out, but nothing is written yet.
        copy_aside(reading, target)
    with connection(target, wanted.timeout, "ro", immutable=True) as copy:
        contents = read_contents(copy, with_rows=False)
    mode = "wal" if wal else contents.journal_mode
    set_aside.describe(wanted, Live(target, replace(contents, journal_mode=mode), ""), ())
    name_kept(wanted)


def _compare_kept(wanted: Restore, backup: Path) -> Differences:
    """Compare what was set aside with the backup: the live database may hold newer rows already."""
    with connection(wanted.kept / wanted.real.name, wanted.timeout) as opened:
        return compare_rows(opened, backup)
