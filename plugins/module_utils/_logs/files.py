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
import io
import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs import compressed
from ansible_collections.greenlight.release.plugins.module_utils._logs.marks import (
    CHUNK,
    Mark,
    NoLogError,
    end_of_last_line,
    fingerprint,
    make_cursor,
    make_mark,
    mark_file,
    open_log,
)
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError

# What the clock of the kernel, by which files are dated, may be behind the one that dates marks, in seconds.
_CLOCK = 0.02
# logrotate puts the date before the suffix where dateext is used with extension: shop-out-20260219.log.
_DATED = r"-\d{8}(?:-?\d{2,10})?"
# An app may go on writing to a log that was renamed; older ones than these are closed.
_REMEMBERED = 3


class LostLinesError(LogError):
    """A log became shorter, or turned out to be damaged, while it was read."""


@dataclass(frozen=True)
class Piece:
    """A part of an open log: the offsets between which it is read, to its end where `end` is None."""

    file: IO[bytes]
    offset: int
    end: Optional[int] = None


@dataclass(frozen=True)
class NewContent:
    """What was written since a mark: pieces of whole lines, oldest first, whether they are all, and where they end.

    `rest` is a last line without an end, which may still be written.
    """

    pieces: List[Piece]
    complete: bool
    end: Mark
    rest: Optional[Piece] = None


@dataclass(frozen=True)
class _Sibling:
    """A rotated file, with the time of its last change, and how much of it was there at the mark."""

    file: IO[bytes]
    changed: float
    known: int = 0

    @property
    def is_plain(self) -> bool:
        return isinstance(self.file, io.FileIO)

    def piece(self) -> Piece:
        return self.piece_from(self.known)

    def piece_from(self, offset: int) -> Piece:
        # What is written to it from now on is read by the next reading, which knows how far this one came.
        return Piece(self.file, offset, max(offset, self.size()) if self.is_plain else None)

    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def has_grown(self) -> bool:
        return bool(self.known) and self.size() > self.known


@dataclass(frozen=True)
class _Siblings:
    """The rotated files of a log, oldest first, and whether one of them that changed since the mark cannot be read."""

    files: List[_Sibling]
    lost: bool


def mark_log(path: Path, stream: str, at: float) -> Mark:
    """Return the mark at the end of a log, which also says how far its rotated files reach."""
    mark = mark_file(path, stream, at)
    with contextlib.ExitStack() as stack:
        return _with_siblings(mark, _open_siblings(stack, mark))


def take_cursor(files: Iterable[Tuple[str, str]], at: float) -> Dict[str, Any]:
    """Return the marks at the end of several logs, given by path and stream. `at` is in seconds since 1970."""
    return make_cursor([mark_log(Path(path), stream, at) for path, stream in files], at)


def _with_siblings(mark: Mark, siblings: _Siblings) -> Mark:
    known = {}
    for sibling in [each for each in siblings.files if each.is_plain][-_REMEMBERED:]:
        size = sibling.size()
        if size:
            known[str(os.fstat(sibling.file.fileno()).st_ino)] = [size, fingerprint(sibling.file, size)]
    return {**mark, "siblings": known}


def open_since(stack: contextlib.ExitStack, mark: Mark, at: float) -> NewContent:
    """Open what was written to a log since a mark, until the end that it may have.

    The files stay open until the stack is closed.
    """
    since = _open_since(stack, mark, at)
    return _cut(since, mark["until"]) if "until" in mark else since


def _cut(since: NewContent, until: Mapping[str, int]) -> NewContent:
    """Leave out what was written later. Everything stays where none of the files is the one of that end."""
    if not until["inode"]:
        return replace(since, pieces=[], rest=None)
    for index, piece in enumerate(since.pieces):
        if _is_marked(piece.file, until):
            end = max(piece.offset, until["offset"] if piece.end is None else min(piece.end, until["offset"]))
            return replace(since, pieces=[*since.pieces[:index], replace(piece, end=end)], rest=None)
    return since


def _open_since(stack: contextlib.ExitStack, mark: Mark, at: float) -> NewContent:
    path = Path(mark["path"])
    try:
        current = stack.enter_context(open_log(path))
    except FileNotFoundError:
        return _since_rotation(mark, at, _open_siblings(stack, mark))
    size = os.fstat(current.fileno()).st_size
    siblings = _open_siblings(stack, mark)
    is_marked = _is_marked(current, mark) and mark["offset"] <= size
    end = max(end_of_last_line(current, size), mark["offset"] if is_marked else 0)
    end_mark = _with_siblings(make_mark(path, mark["stream"], at, current, end), siblings)
    rest = Piece(current, end, size) if end < size else None
    if is_marked and mark["offset"] and _has_marked(current, mark) and not _was_copied(mark, siblings):
        grown = [sibling.piece() for sibling in siblings.files if sibling.has_grown()]
        return NewContent([*grown, Piece(current, mark["offset"], end)], not siblings.lost, end_mark, rest)
    before = _since_rotation(mark, at, siblings)
    pieces = [*before.pieces, Piece(current, 0, end)]
    complete = before.complete
    if not mark["offset"] and is_marked:
        complete = (bool(before.pieces) or not _was_emptied(current, mark)) and not siblings.lost
    return NewContent(pieces, complete, end_mark, rest)


def _was_copied(mark: Mark, siblings: _Siblings) -> bool:
    """Say whether a log of equal lines may have been copied and truncated, and have grown past the mark again."""
    return any(not each.known and _has_changed(each, mark) and _has_marked(each.file, mark) for each in siblings.files)


def _has_changed(sibling: _Sibling, mark: Mark) -> bool:
    return bool(sibling.changed >= mark["at"] - _CLOCK)


def _since_rotation(mark: Mark, at: float, siblings: _Siblings) -> NewContent:
    """Return what the rotated files of a log hold since a mark."""
    files = siblings.files
    if not mark["offset"]:
        pieces = [each.piece() for each in files if _has_changed(each, mark) and (not each.known or each.has_grown())]
        known = not mark["inode"] or bool(pieces) or any(_is_marked(each.file, mark) for each in files)
        return NewContent(pieces, known and not siblings.lost, _mark_behind(pieces, mark, at, siblings))
    index = _find_marked(mark, files)
    if index is None:
        return NewContent([], False, _mark_behind([], mark, at, siblings))
    before = [each.piece() for each in files[:index] if each.has_grown()]
    behind = [each.piece() for each in files[index + 1 :] if not each.known or each.has_grown()]
    pieces = [*before, files[index].piece_from(mark["offset"]), *behind]
    return NewContent(pieces, not siblings.lost, _mark_behind(pieces, mark, at, siblings))


def _find_marked(mark: Mark, files: List[_Sibling]) -> Optional[int]:
    """Return which file was marked: the one with its inode, else the newest with its content, a copy of it."""
    having = [index for index, sibling in enumerate(files) if _has_marked(sibling.file, mark)]
    same = [index for index in having if _is_marked(files[index].file, mark)]
    return max(same or having, default=None)


def _mark_behind(pieces: List[Piece], mark: Mark, at: float, siblings: _Siblings) -> Mark:
    """Return the mark behind rotated files of a log of which there is no new one yet: that file may still grow."""
    newest = pieces[-1].file if pieces else None
    if isinstance(newest, io.FileIO):
        behind = make_mark(Path(mark["path"]), mark["stream"], at, newest, pieces[-1].end or 0)
        return _with_siblings(behind, siblings)
    # What is compressed does not grow, and must not be read again.
    behind = {**mark, "at": at + 2 * _CLOCK, "device": 0, "inode": 0, "offset": 0, "fingerprint": ""}
    return _with_siblings(behind, siblings)


def _is_marked(file: IO[bytes], mark: Mapping[str, Any]) -> bool:
    status = os.fstat(file.fileno())
    return bool(status.st_dev == mark["device"] and status.st_ino == mark["inode"])


def _has_marked(file: IO[bytes], mark: Mark) -> bool:
    try:
        found = fingerprint(file, mark["offset"])
    except compressed.DAMAGED:
        return False
    return bool(found) and found == mark["fingerprint"]


def _was_emptied(file: IO[bytes], mark: Mark) -> bool:
    """Say whether a log that was empty when it was marked was written to and emptied since."""
    status = os.fstat(file.fileno())
    return status.st_size == 0 and str(mark["fingerprint"]) != f"empty:{status.st_mtime_ns}"


def _open_siblings(stack: contextlib.ExitStack, mark: Mark) -> _Siblings:
    """Open the rotated files of a log.

    They are called `x.log.1`, `x.log.2.gz`, `x.log-<date>`, `x-<date>.log`, or as pm2-logrotate does `x__<date>.log`. A
    compressed file next to the plain one is not finished yet.
    """
    path = Path(mark["path"])
    found, lost = [], False
    for name in _names_of_siblings(path):
        try:
            if compressed.is_unreadable(name):
                raise LogError(f"{name} is compressed in a format that cannot be read")
            file = stack.enter_context(open_log(path.parent / name))
        except (FileNotFoundError, NoLogError):
            continue
        except LogError:
            lost = lost or _time_of(path.parent / name) >= mark["at"] - _CLOCK
            continue
        changed = os.fstat(file.fileno()).st_mtime
        if compressed.is_compressed(name):
            found.append((changed, name, _Sibling(compressed.open_within(file, name), changed)))
        else:
            found.append((changed, name, _Sibling(file, changed, _known_size(file, mark.get("siblings", {})))))
    return _Siblings([sibling for _changed, _name, sibling in sorted(found, key=lambda entry: entry[:2])], lost)


def _names_of_siblings(path: Path) -> List[str]:
    names = (f"{path.name}.", f"{path.name}-", f"{path.stem}__")
    try:
        listed = set(os.listdir(str(path.parent)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LogError(f"Cannot search for rotated files in {path.parent}: {error.strerror}") from error
    dated = re.compile(re.escape(path.stem) + _DATED + re.escape(path.suffix) + r"(?:\.\w+)?")
    return [
        name
        for name in listed
        if (name.startswith(names) or dated.fullmatch(name))
        and not (compressed.is_compressed(name) and name.rpartition(".")[0] in listed)
    ]


def _time_of(path: Path) -> float:
    """Return when a file was changed, in seconds since 1970; 0 for one that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _known_size(file: IO[bytes], known: Mapping[str, Tuple[int, str]]) -> int:
    """Return how much of a rotated file was there at the mark; 0 for one that the mark does not know."""
    size, was = known.get(str(os.fstat(file.fileno()).st_ino), (0, ""))
    # Another file may have got the inode meanwhile.
    return size if size and fingerprint(file, size) == was else 0


def open_rotated(stack: contextlib.ExitStack, path: Path, most: int) -> List[Piece]:
    """Open the newest rotated files of a log, together of `most` bytes at most, oldest first."""
    mark: Mark = {"path": str(path), "at": 0.0}
    pieces: List[Piece] = []
    for sibling in reversed(_open_siblings(stack, mark).files):
        most -= sibling.size()
        if most < 0:
            break
        pieces.insert(0, Piece(sibling.file, 0))
    return pieces


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
    except compressed.DAMAGED as error:
        raise LostLinesError("a compressed log is damaged") from error
    if kept:
        yield bytes(view[:kept])
    if left and piece.end is not None:
        raise LostLinesError("a log was truncated while it was read")
