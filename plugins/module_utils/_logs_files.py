# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log files read from a mark on, over rotation.

A mark remembers device, inode and offset of a file, and the hash of what stood before the offset. A file that was
renamed, copied and truncated, or compressed since is found again among its siblings by that hash; when it is not,
lines may be missing, and the reading says so.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs import LogError

VERSION = 1
_FINGERPRINT = 4096
_LONGEST_LINE = 64 * 1024

Mark = Dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A part of a log: a file, and the offsets between which it is read, to its end where C(end) is None."""

    path: Path
    offset: int
    end: Optional[int] = None


def open_log(path: Path) -> IO[bytes]:
    """Open a regular file, or what a compressed one holds.

    A FIFO would block, and a symbolic link could lead the reader anywhere. Raises LogError, FileNotFoundError.
    """
    try:
        descriptor = os.open(str(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LogError(f"Cannot read the log {path}: {error.strerror}; it must be a regular file") from error
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise LogError(f"The log {path} is not a regular file; name the file itself")
    return gzip.open(file) if path.suffix == ".gz" else file  # type: ignore[return-value]


def mark_file(path: Path, stream: str) -> Mark:
    """Return the mark at the end of a log; inode 0 for one that does not exist yet."""
    try:
        with open_log(path) as file:
            status = os.fstat(file.fileno())
            return {
                "path": str(path),
                "stream": stream,
                "device": status.st_dev,
                "inode": status.st_ino,
                "offset": status.st_size,
                "fingerprint": _fingerprint(file, status.st_size),
            }
    except FileNotFoundError:
        return {"path": str(path), "stream": stream, "device": 0, "inode": 0, "offset": 0, "fingerprint": ""}


def _fingerprint(file: IO[bytes], offset: int) -> str:
    """Return the hash of up to 4 KiB before the offset, "" when the file is shorter than that."""
    start = max(0, offset - _FINGERPRINT)
    file.seek(start)
    before = file.read(offset - start)
    return hashlib.sha256(before).hexdigest() if len(before) == offset - start else ""


def pieces_since(mark: Mark, until: Mark) -> Tuple[List[Piece], bool]:
    """Return the pieces written between two marks of one log, oldest first, and whether nothing can be missing."""
    path = Path(mark["path"])
    current = [Piece(path, 0, until["offset"])] if until["inode"] else []
    if not mark["inode"]:
        return [Piece(sibling, 0) for sibling in _siblings(path)] + current, True
    if _continues(path, mark, same_inode=True):
        return [Piece(path, mark["offset"], until["offset"])], True
    siblings = _siblings(path)
    for index, sibling in enumerate(siblings):
        if _continues(sibling, mark, same_inode=False):
            newer = [Piece(each, 0) for each in siblings[index + 1 :]]
            return [Piece(sibling, mark["offset"]), *newer, *current], True
    return current, False


def _continues(path: Path, mark: Mark, same_inode: bool) -> bool:
    try:
        with open_log(path) as file:
            status = os.fstat(file.fileno())
            if same_inode and (status.st_dev, status.st_ino) != (mark["device"], mark["inode"]):
                return False
            return bool(_fingerprint(file, mark["offset"]) == mark["fingerprint"])
    except (FileNotFoundError, EOFError, zlib.error, gzip.BadGzipFile):
        return False


def _siblings(path: Path) -> List[Path]:
    """Return rotated files of a log, oldest first: C(x.log.1), C(x.log.2.gz), and pm2-logrotate's C(x__<date>.log)."""
    names = (f"{path.name}.", f"{path.stem}__")
    found = []
    for entry in os.scandir(str(path.parent)) if path.parent.is_dir() else []:
        if entry.name.startswith(names) and entry.is_file(follow_symlinks=False):
            found.append((entry.stat().st_mtime_ns, entry.name))
    return [path.parent / name for _time, name in sorted(found)]


def read_lines(piece: Piece) -> Iterator[bytes]:
    """Yield the lines of a piece without their ends. Of an endless line only the first 64 KiB count."""
    try:
        with open_log(piece.path) as file:
            file.seek(piece.offset)
            left = sys.maxsize if piece.end is None else piece.end - piece.offset
            whole = True
            while left > 0:
                line = file.readline(min(_LONGEST_LINE, left))
                if not line:
                    return
                left -= len(line)
                if whole:
                    yield line.rstrip(b"\r\n")
                whole = line.endswith(b"\n")
    except FileNotFoundError:
        return


def tail_mark(end: Mark, tail_bytes: int) -> Mark:
    """Return a mark that lies C(tail_bytes) before another one, or at the beginning of its file."""
    offset = max(0, end["offset"] - tail_bytes)
    if not end["inode"] or not offset:
        return {**end, "offset": 0, "fingerprint": hashlib.sha256(b"").hexdigest()}
    with open_log(Path(end["path"])) as file:
        return {**end, "offset": offset, "fingerprint": _fingerprint(file, offset)}


def check_cursor(cursor: Any) -> List[Mark]:
    """Return the marks of a cursor. Raises LogError for one that this module did not make."""
    try:
        known = cursor["version"] == VERSION
        marks = [dict(mark) for mark in cursor["files"]]
        complete = all({"path", "stream", "device", "inode", "offset", "fingerprint"} <= set(mark) for mark in marks)
    except (KeyError, TypeError, ValueError):
        known = complete = False
    if not known or not complete:
        raise LogError("cursor is not one that log_assert returned; take a new one with state mark")
    return marks


def make_cursor(marks: List[Mark], at: float) -> Dict[str, Any]:
    """Return the marks with the time, in seconds since 1970, at which they were taken."""
    return {"version": VERSION, "at": at, "files": marks}
