# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that keeps every SQLite connection, of any process, out of a database while its file is replaced.

SQLite's own connections lock bytes of the file. This lock covers the same bytes, but belongs to the open file and not
to the process, so no other descriptor that this process closes can drop it.
Sources: https://www.sqlite.org/src/file/src/os.h (PENDING_BYTE), fcntl(2) (open file description locks)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Callable, Iterator

from ansible_collections.greenlight.release.plugins.module_utils._host import trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError, openers_of

_PENDING_BYTE, _LOCK_BYTES = 0x40000000, 512
_F_OFD_SETLK = 37
# https://www.sqlite.org/fileformat2.html#the_database_header
_HEADER_BYTES = 100
# struct flock: type, whence, start, length, pid.
_FLOCK = struct.Struct("@hhqqi0q")
_PAUSE = 0.02


@contextlib.contextmanager
def locked_out(
    real: Path,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Keep everybody out of a database, and give its descriptor. Raises SqliteError when somebody stays in."""
    descriptor = trust.open_regular(real, os.O_RDWR)
    try:
        ends = clock() + timeout
        while not _try_to_lock(descriptor):
            if clock() >= ends:
                raise SqliteError(
                    f"{real} is locked by another process for more than {timeout:g} seconds{openers_of(real)}; "
                    "end it, or raise timeout"
                )
            sleep(_PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_to_lock(descriptor: int) -> bool:
    wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _PENDING_BYTE, _LOCK_BYTES, 0)
    try:
        fcntl.fcntl(descriptor, _F_OFD_SETLK, wanted)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def make_unusable(descriptor: int) -> None:
    """Turn a file that has lost its name into none of SQLite's, for a process that opened it and waits for the lock.

    It would otherwise write where nobody will ever read; now SQLite reports that the file is not a database. Its header
    is enough for that: it holds the name of the format, and the counter by which SQLite knows that its cache is old.
    To free the rest takes long for a large file, and users wait.
    """
    os.pwrite(descriptor, b"This database was replaced.\n".ljust(_HEADER_BYTES, b"\0"), 0)
