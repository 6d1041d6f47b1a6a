# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of a live database at the speed of a file copy.

A read transaction keeps every checkpoint from overwriting pages past its mark and the WAL from being reset, so the
file and its WAL together are one snapshot. In rollback-journal mode it keeps writers out of the file altogether. If the
WAL's header changed while it was copied, it was restarted before the mark was set, and is copied again.
Sources: https://www.sqlite.org/wal.html, https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Tuple

from ansible_collections.greenlight.release.plugins.module_utils import _files
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import (
    Contents,
    SqliteError,
    connection,
    read_contents,
)

_WAL_HEADER = 32


def take_snapshot(real: Path, partial: Path, timeout: float) -> Tuple[str, Contents]:
    """Copy the database into the new file C(partial), and return how and what its schema is.

    C(partial) is a complete database in rollback-journal mode, not yet synced. Raises SqliteError, OSError.
    """
    wal_copy = partial.with_name(partial.name + "-wal")
    # Closing any descriptor of the database drops this process's locks on it, so all outlive the connection.
    with ExitStack() as descriptors, connection(real, timeout) as opened:
        opened.execute("BEGIN")
        contents = read_contents(opened, count_rows=False)
        how = _copy(real, partial, descriptors)
        if contents.journal_mode == "wal":
            _copy_wal(real.with_name(real.name + "-wal"), wal_copy, descriptors)
    _fold(partial, timeout)
    return how, contents


def _copy(source: Path, target: Path, descriptors: ExitStack) -> str:
    reading = os.open(str(source), os.O_RDONLY)
    descriptors.callback(os.close, reading)
    writing = _files.create_private(target)
    descriptors.callback(os.close, writing)
    return _files.copy_in_kernel(reading, writing, os.fstat(reading).st_size)


def _copy_wal(source: Path, target: Path, descriptors: ExitStack) -> None:
    try:
        reading = os.open(str(source), os.O_RDONLY)
    except FileNotFoundError:
        return
    descriptors.callback(os.close, reading)
    writing = _files.create_private(target)
    descriptors.callback(os.close, writing)
    while True:
        header = os.pread(reading, _WAL_HEADER, 0)
        os.ftruncate(writing, 0)
        os.lseek(writing, 0, os.SEEK_SET)
        _files.copy_in_kernel(reading, writing, os.fstat(reading).st_size)
        if os.pread(reading, _WAL_HEADER, 0) == header:
            return


def _fold(partial: Path, timeout: float) -> None:
    """Let SQLite carry the copied WAL into the copy, and remove what it leaves beside it."""
    with connection(partial, timeout) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        mode = copy.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        if mode != "delete":
            raise SqliteError(f"Cannot fold the write-ahead log into {partial}: it stays in mode {mode}")
