# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite's write-ahead log, seen from outside: how far it goes, which generation it is, which pages it holds.

Source: https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Set

from ansible_collections.greenlight.release.plugins.module_utils._host import trust

HEADER_SIZE = 32
FRAME_HEADER_SIZE = 24
# Page number, database size, and the WAL's salt.
_FRAME_HEADER = struct.Struct(">II8s8x")
_NUMBER_SIZE = 4
# As many bytes of a WAL are copied in no time.
_LONG = 16 << 20
# Of the index's header, which is there twice: change counter, whether it is valid, last valid frame, salt.
_INDEX_HEADER = struct.Struct("=8xIB3xI12x8s8x")
# A commit between two checks is rare even at thousands of commits a second.
_MOST_TRIES = 1000


@dataclass(frozen=True)
class WalMark:
    """The position of a read transaction: it sees the frames up to `frames` of the WAL with that `salt` (hex)."""

    change: int
    frames: int
    salt: str


def read_mark(index: int) -> Optional[WalMark]:
    """Read the newest mark from a descriptor of the index, the file -shm; None while somebody is changing it."""
    size = _INDEX_HEADER.size
    found = os.pread(index, 2 * size, 0)
    if len(found) < 2 * size or found[:size] != found[size:]:
        return None
    change, valid, frames, salt = _INDEX_HEADER.unpack(found[:size])
    return WalMark(change, frames, salt.hex()) if valid else None


def begin_at_mark(opened: sqlite3.Connection, real: Path, descriptors: ExitStack) -> Optional[WalMark]:
    """Begin a read transaction, and return its position; None when that cannot be known.

    Closing a descriptor of the index drops this process's locks on it, so `descriptors` must outlive the connection.
    """
    opened.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    try:
        index = trust.open_kept(Path(f"{real}-shm"), descriptors)
    except FileNotFoundError:
        opened.execute("BEGIN")
        return None
    for _try in range(_MOST_TRIES):
        opened.execute("BEGIN")
        before = read_mark(index)
        opened.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        if before and read_mark(index) == before:
            return before
        opened.execute("ROLLBACK")
    opened.execute("BEGIN")
    return None


def salt_of(header: bytes) -> Optional[str]:
    """Return the salt in a WAL's header, which changes whenever the WAL is restarted; None for no header."""
    return header[16:24].hex() if len(header) == HEADER_SIZE else None


def size_up_to(mark: WalMark, page_size: int) -> int:
    """Return the size in bytes of a WAL that ends at a mark."""
    return HEADER_SIZE + mark.frames * (FRAME_HEADER_SIZE + page_size)


def is_starved(mark: WalMark, page_size: int, pages: int) -> bool:
    """Say whether a WAL holds each page again and again, as a reader keeps it from being begun anew."""
    return size_up_to(mark, page_size) > max(_LONG, 2 * page_size * pages)


def room_to_copy(real: Path, size: int) -> Optional[int]:
    """Return the bytes that a copy of a database with a WAL needs at most; None when that is not known.

    This process must have no connection to the database: closing the index would drop its locks.
    """
    with contextlib.suppress(FileNotFoundError), trust.reading(Path(f"{real}-shm")) as index:
        mark = read_mark(index)
        with trust.reading(Path(f"{real}-wal")) as wal:
            return _room_up_to(mark, wal, size) if mark and mark.frames else None
    return None


def _room_up_to(mark: WalMark, wal: int, size: int) -> Optional[int]:
    header = os.pread(wal, HEADER_SIZE, 0)
    page_size = int.from_bytes(header[8:12], "big")
    last = os.pread(wal, FRAME_HEADER_SIZE, size_up_to(mark, page_size) - FRAME_HEADER_SIZE - page_size)
    if salt_of(header) != mark.salt or len(last) < FRAME_HEADER_SIZE:
        # Somebody has begun it anew meanwhile, or a killed process left an index that is older than the WAL.
        return None
    pages = int(_FRAME_HEADER.unpack(last)[1])
    if is_starved(mark, page_size, pages):
        return pages * page_size
    return max(size, pages * page_size) + size_up_to(mark, page_size)


def newest_frames(wal: int, mark: WalMark, page_size: int) -> Dict[int, int]:
    """Return page -> where its newest content begins, in an open WAL that ends at a mark."""
    found = {}
    for frame in range(mark.frames):
        at = HEADER_SIZE + frame * (FRAME_HEADER_SIZE + page_size)
        found[int.from_bytes(os.pread(wal, _NUMBER_SIZE, at), "big")] = at + FRAME_HEADER_SIZE
    return found


def is_still(wal: int, mark: WalMark) -> bool:
    """Say whether nobody has begun an open WAL anew since a mark, which overwrites its frames."""
    return not mark.frames or salt_of(os.pread(wal, HEADER_SIZE, 0)) == mark.salt


def pages_in(wal: Path, page_size: int, salt: Optional[str]) -> Optional[Set[int]]:
    """Return the pages that the WAL holds, committed or not; None when it was restarted since `salt` was seen."""
    if salt is None or not wal.exists():
        return None
    found: Set[int] = set()
    with os.fdopen(trust.open_regular(wal), "rb") as file:
        if salt_of(file.read(HEADER_SIZE)) != salt:
            return None
        while True:
            header = file.read(FRAME_HEADER_SIZE)
            if len(header) < FRAME_HEADER_SIZE:
                return found
            number, _size, frame_salt = _FRAME_HEADER.unpack(header)
            if frame_salt.hex() != salt:
                return found
            found.add(number)
            file.seek(page_size, os.SEEK_CUR)
