# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log files read from a mark on, over rotation.

A file that was renamed, copied and truncated, or compressed since it was marked is found again among its siblings by
its fingerprint. When it is not, lines may be missing, and the reading says so. All files are opened before the first is
read, so a rotation meanwhile does no harm.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Iterator, List, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs import LogError
from ansible_collections.greenlight.release.plugins.module_utils._logs_marks import (
    CHUNK,
    Mark,
    fingerprint,
    make_mark,
    open_log,
)

# What the clock of the kernel, by which files are dated, may be behind the one that dates marks, in seconds.
_CLOCK = 0.02
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class LostLinesError(LogError):
    """A log became shorter, or turned out to be damaged, while it was read."""


@dataclass(frozen=True)
class Piece:
    """A part of an open log: the offsets between which it is read, to its end where C(end) is None."""

    file: IO[bytes]
    offset: int
    end: Optional[int] = None


@dataclass(frozen=True)
class Since:
    """What was written since a mark: pieces of whole lines, oldest first, whether they are all, and where they end.

    C(rest) is a last line without an end, which may still be written.
    """

    pieces: List[Piece]
    complete: bool
    end: Mark
    rest: Optional[Piece] = None


def open_since(stack: contextlib.ExitStack, mark: Mark, at: float) -> Since:
    """Open what was written to a log since a mark. The files stay open until the stack is closed."""
    path = Path(mark["path"])
    try:
        current = stack.enter_context(open_log(path))
    except FileNotFoundError:
        return _since_rotation(mark, at, _open_siblings(stack, path))
    size = os.fstat(current.fileno()).st_size
    is_marked = _is_marked(current, mark) and mark["offset"] <= size
    end = max(_end_of_last_line(current, size), mark["offset"] if is_marked else 0)
    end_mark = make_mark(path, mark["stream"], at, current, end)
    rest = Piece(current, end, size) if end < size else None
    if is_marked and mark["offset"] and _has_marked(current, mark):
        return Since([Piece(current, mark["offset"], end)], True, end_mark, rest)
    before = _since_rotation(mark, at, _open_siblings(stack, path))
    pieces = [*before.pieces, Piece(current, 0, end)]
    complete = before.complete
    if not mark["offset"] and is_marked:
        complete = bool(before.pieces) or not _was_emptied(current, mark)
    return Since(pieces, complete, end_mark, rest)


def _since_rotation(mark: Mark, at: float, siblings: List[Tuple[IO[bytes], float]]) -> Since:
    """Return what the rotated files of a log hold since a mark."""
    files = [file for file, _changed in siblings]
    if not mark["offset"]:
        pieces = [Piece(file, 0) for file, changed in siblings if changed >= mark["at"] - _CLOCK]
        known = not mark["inode"] or bool(pieces) or any(_is_marked(file, mark) for file in files)
        return Since(pieces, known, _mark_behind(pieces, mark, at))
    for index in reversed(range(len(files))):
        if _has_marked(files[index], mark):
            pieces = [Piece(files[index], mark["offset"]), *(Piece(file, 0) for file in files[index + 1 :])]
            return Since(pieces, True, _mark_behind(pieces, mark, at))
    return Since([], False, _mark_behind([], mark, at))


def _mark_behind(pieces: List[Piece], mark: Mark, at: float) -> Mark:
    """Return the mark behind rotated files of a log of which there is no new one yet: that file may still grow."""
    newest = pieces[-1].file if pieces else None
    if isinstance(newest, io.FileIO):
        return make_mark(Path(mark["path"]), mark["stream"], at, newest, os.fstat(newest.fileno()).st_size)
    # What is compressed does not grow, and must not be read again.
    return {**mark, "at": at + 2 * _CLOCK, "device": 0, "inode": 0, "offset": 0, "fingerprint": ""}


def _end_of_last_line(file: IO[bytes], size: int) -> int:
    """Return where the last whole line ends; the size where the last line is longer than a chunk."""
    begin = max(0, size - CHUNK)
    file.seek(begin)
    newline = file.read(size - begin).rfind(b"\n")
    return begin + newline + 1 if newline >= 0 or begin == 0 else size


def _is_marked(file: IO[bytes], mark: Mark) -> bool:
    status = os.fstat(file.fileno())
    return bool(status.st_dev == mark["device"] and status.st_ino == mark["inode"])


def _has_marked(file: IO[bytes], mark: Mark) -> bool:
    try:
        return bool(fingerprint(file, mark["offset"]) == mark["fingerprint"])
    except _DAMAGED:
        return False


def _was_emptied(file: IO[bytes], mark: Mark) -> bool:
    """Say whether a log that was empty when it was marked was written to and emptied since."""
    status = os.fstat(file.fileno())
    return status.st_size == 0 and str(mark["fingerprint"]) != f"empty:{status.st_mtime_ns}"


def _open_siblings(stack: contextlib.ExitStack, path: Path) -> List[Tuple[IO[bytes], float]]:
    """Open the rotated files of a log, oldest first, each with the time of its last change.

    They are called C(x.log.1), C(x.log.2.gz), C(x.log-<date>), or as pm2-logrotate does C(x__<date>.log). A compressed
    file beside the plain one is not finished yet.
    """
    names = (f"{path.name}.", f"{path.name}-", f"{path.stem}__")
    try:
        listed = os.listdir(str(path.parent))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LogError(f"Cannot look for rotated files in {path.parent}: {error.strerror}") from error
    found = []
    for name in listed:
        if name.startswith(names) and not (name.endswith(".gz") and name[:-3] in listed):
            with contextlib.suppress(FileNotFoundError, LogError):
                file = stack.enter_context(open_log(path.parent / name))
                found.append(
                    (os.fstat(file.fileno()).st_mtime, name, _decompressed(file) if name.endswith(".gz") else file)
                )
    return [(file, changed) for changed, _name, file in sorted(found, key=lambda entry: entry[:2])]


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]


def read_chunks(piece: Piece) -> Iterator[bytes]:
    """Yield a piece in chunks of whole lines; a line that is longer than a chunk comes in parts.

    Raises LostLinesError where the file turns out to end before the piece does.
    """
    left = sys.maxsize if piece.end is None else piece.end - piece.offset
    buffer = bytearray(2 * CHUNK)
    view = memoryview(buffer)
    kept = 0
    try:
        piece.file.seek(piece.offset)
        while left > 0:
            count = piece.file.readinto(view[kept : kept + min(CHUNK, left)])  # type: ignore[attr-defined]
            if not count:
                break
            left -= count
            filled = kept + count
            cut = buffer.rfind(b"\n", 0, filled) + 1 or (filled if filled >= CHUNK else 0)
            if cut:
                yield bytes(view[:cut])
            kept = filled - cut
            view[:kept] = view[cut:filled]
    except _DAMAGED as error:
        raise LostLinesError("a compressed log is damaged") from error
    if kept:
        yield bytes(view[:kept])
    if left and piece.end is not None:
        raise LostLinesError("a log was truncated while it was read")
