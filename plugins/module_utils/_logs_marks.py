# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places in logs to begin at: taken, remembered, and found again.

A mark is a mapping of path and stream, the time C(at) which it was taken in seconds since 1970, device, inode and
offset of the file, and a fingerprint: a hash of some spots before the offset. A cursor is the marks of several logs.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import IO, Any, Dict, List

from ansible_collections.greenlight.release.plugins.module_utils._logs import LogError

VERSION = 2
CHUNK = 1 << 18
_SPOT = 4096
_SPOTS = 8

Mark = Dict[str, Any]


def open_log(path: Path) -> IO[bytes]:
    """Open a regular file, unbuffered.

    A FIFO would block, and a symbolic link could lead the reader anywhere. Raises LogError, FileNotFoundError.
    """
    try:
        descriptor = os.open(str(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LogError(
            f"Cannot read the log {path}: {error.strerror}; it must be a regular file that you may read"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LogError(f"The log {path} is not a regular file; name the file itself")
    return os.fdopen(descriptor, "rb", buffering=0)


def mark_file(path: Path, stream: str, at: float) -> Mark:
    """Return the mark at the end of a log; inode 0 for one that does not exist yet. C(at) is in seconds since 1970."""
    try:
        with open_log(path) as file:
            return make_mark(path, stream, at, file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return {"path": str(path), "stream": stream, "at": at, "device": 0, "inode": 0, "offset": 0, "fingerprint": ""}


def make_mark(path: Path, stream: str, at: float, file: IO[bytes], offset: int) -> Mark:
    """Return the mark at an offset of an open log."""
    status = os.fstat(file.fileno())
    return {
        "path": str(path),
        "stream": stream,
        "at": at,
        "device": status.st_dev,
        "inode": status.st_ino,
        "offset": offset,
        # An empty file says nothing of what it was; when it was last written tells at least that it was emptied.
        "fingerprint": fingerprint(file, offset) if offset else f"empty:{status.st_mtime_ns}",
    }


def fingerprint(file: IO[bytes], offset: int) -> str:
    """Return a hash of up to ten spots before the offset, "" when the file is shorter than that."""
    digest = hashlib.sha256()
    last = max(0, offset - _SPOT)
    for number in range(_SPOTS + 1):
        spot = last * number // _SPOTS
        length = min(_SPOT, offset - spot)
        file.seek(spot)
        text = file.read(length)
        if len(text) != length:
            return ""
        digest.update(text)
    return digest.hexdigest()[:32]


def tail_file(path: Path, stream: str, at: float, tail_bytes: int) -> Mark:
    """Return a mark before the last whole lines of a log, which are C(tail_bytes) long together at most."""
    end = mark_file(path, stream, at)
    offset = max(0, end["offset"] - tail_bytes)
    if not offset:
        return {**end, "offset": 0}
    with open_log(path) as file:
        file.seek(offset - 1)
        before = file.read(CHUNK)
        return make_mark(path, stream, at, file, offset + before.find(b"\n"))


def check_cursor(cursor: Any) -> List[Mark]:
    """Return the marks of a cursor. Raises LogError for one that this module did not make."""
    try:
        known = cursor["version"] == VERSION and float(cursor["at"]) >= 0
        marks = [dict(mark) for mark in cursor["files"]]
        complete = all(_is_mark(mark) for mark in marks)
    except (KeyError, TypeError, ValueError):
        known = complete = False
    if not known or not complete:
        raise LogError("cursor is not one that log_assert returned; take a new one with state mark")
    return marks


def _is_mark(mark: Mark) -> bool:
    texts, numbers = ("path", "stream", "fingerprint"), ("device", "inode", "offset", "at")
    return all(isinstance(mark[key], str) for key in texts) and all(mark[key] >= 0 for key in numbers)


def make_cursor(marks: List[Mark], at: float) -> Dict[str, Any]:
    """Return the marks with the time, in seconds since 1970, at which they were taken."""
    return {"version": VERSION, "at": at, "files": marks}
