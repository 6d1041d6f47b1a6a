# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places in logs to begin at: taken, remembered, and found again.

A mark is a mapping of path and stream, the time `at` which it was taken in seconds since 1970, device, inode and
offset of the file, and a fingerprint: a hash of some spots before the offset. `siblings` are the sizes and the
fingerprints of its last rotated files by inode. A cursor is the marks of several logs.
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import IO, Any, Dict, List, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._host import trust
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError

VERSION = 2
CHUNK = 1 << 18
_SPOT = 4096
_SPOTS = 8

Mark = Dict[str, Any]


class NoLogError(LogError):
    """What is called like a log is no regular file."""


def open_log(path: Path) -> IO[bytes]:
    """Open a regular file, unbuffered.

    A FIFO would block, and a symbolic link could lead the reader anywhere; both raise NoLogError. Raises LogError,
    FileNotFoundError.
    """
    try:
        descriptor = _open_unfollowed(path)
    except FileNotFoundError:
        raise
    except trust.TrustError as error:
        raise NoLogError(f"The log {error}") from error
    except OSError as error:
        # A symbolic link, and a socket.
        kind = NoLogError if error.errno in (errno.ELOOP, errno.ENXIO) else LogError
        raise kind(
            f"Cannot read the log {path}: {error.strerror}; it must be a regular file that you may read"
        ) from error
    return os.fdopen(descriptor, "rb", buffering=0)


def _open_unfollowed(path: Path) -> int:
    """Open a regular file that is no link, in a folder to which nobody else led this user.

    Raises TrustError, OSError.
    """
    with trust.held(path.parent) as found:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
        descriptor = os.open(path.name, flags, dir_fd=trust.there(found))
        try:
            trust.refuse_irregular(path, descriptor, trust.there(found))
        except trust.TrustError:
            os.close(descriptor)
            raise
    return descriptor


def mark_file(path: Path, stream: str, at: float) -> Mark:
    """Return the mark behind the last whole line of a log; inode 0 for one that does not exist yet.

    `at` is in seconds since 1970.
    """
    try:
        with open_log(path) as file:
            return make_mark(path, stream, at, file, end_of_last_line(file, os.fstat(file.fileno()).st_size))
    except FileNotFoundError:
        return {"path": str(path), "stream": stream, "at": at, "device": 0, "inode": 0, "offset": 0, "fingerprint": ""}


def end_of_last_line(file: IO[bytes], size: int) -> int:
    """Return where the last whole line ends; the size where the last line is longer than a chunk."""
    begin = max(0, size - CHUNK)
    file.seek(begin)
    newline = file.read(size - begin).rfind(b"\n")
    return begin + newline + 1 if newline >= 0 or begin == 0 else size


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
        # An empty file says nothing of what it was; when it was last written shows at least that it was emptied.
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
    """Return a mark before the last whole lines of a log, which are `tail_bytes` long together at most."""
    try:
        with open_log(path) as file:
            end = end_of_last_line(file, os.fstat(file.fileno()).st_size)
            offset = max(0, end - tail_bytes)
            if not offset:
                return {**make_mark(path, stream, at, file, end), "offset": 0}
            file.seek(offset - 1)
            before = file.read(CHUNK)
            return make_mark(path, stream, at, file, offset + before.find(b"\n"))
    except FileNotFoundError:
        return mark_file(path, stream, at)


def check_cursor(cursor: Any) -> List[Mark]:
    """Return the marks of a cursor. Raises LogError for one that this module did not make."""
    try:
        known = cursor["version"] == VERSION and cursor["at"] >= 0
        marks = [dict(mark) for mark in cursor["files"]]
        complete = all(_is_mark(mark) for mark in marks)
    except (KeyError, TypeError, ValueError):
        known = complete = False
    if not known or not complete:
        raise LogError("cursor is not one that log_assert returned; take a new one with state mark")
    return marks


def _is_mark(mark: Mark) -> bool:
    texts, numbers = ("path", "stream", "fingerprint"), ("device", "inode", "offset", "at")
    whole = all(isinstance(mark[key], int) for key in numbers[:3])
    siblings = all(int(size) >= 0 and isinstance(was, str) for size, was in dict(mark.get("siblings", {})).values())
    whole = whole and all(isinstance(mark.get("until", mark)[key], int) for key in numbers[:3])
    positive = all(mark[key] >= 0 for key in numbers)
    return whole and positive and siblings and all(isinstance(mark[key], str) for key in texts)


def make_cursor(marks: List[Mark], at: float) -> Dict[str, Any]:
    """Return the marks with the time, in seconds since 1970, at which they were taken."""
    return {"version": VERSION, "at": at, "files": marks}


def between(begin: Mapping[str, Any], end: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a cursor of what was written between two others. A log that the second does not know has no end."""
    ends = {mark["path"]: {key: mark[key] for key in ("device", "inode", "offset")} for mark in end["files"]}
    marks = [{**mark, "until": ends[mark["path"]]} if mark["path"] in ends else mark for mark in begin["files"]]
    return {**begin, "files": marks}
