# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read logs until nothing is waited for any more or the time is up, and say what they say."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._logs import confirm as logs_confirm
from ansible_collections.greenlight.release.plugins.module_utils._logs import files as logs_files
from ansible_collections.greenlight.release.plugins.module_utils._logs import marks as logs_marks
from ansible_collections.greenlight.release.plugins.module_utils._logs.confirm import SecondLook
from ansible_collections.greenlight.release.plugins.module_utils._logs.files import LostLinesError, Piece
from ansible_collections.greenlight.release.plugins.module_utils._logs.marks import Mark
from ansible_collections.greenlight.release.plugins.module_utils._logs.process import LogFile
from ansible_collections.greenlight.release.plugins.module_utils._logs.scan import Scan

_PAUSE = 0.5
NO_LOOKS: Mapping[str, SecondLook] = MappingProxyType({})


@dataclass(frozen=True)
class Time:
    """Time as arguments: the date in seconds since 1970, a monotonic clock in seconds, and a pause."""

    date: Callable[[], float]
    now: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass
class LogReading:
    """How far the logs were read. `complete` is whether nothing is missing, `missing` the logs that do not exist.

    `gaps` are the logs of which lines are missing.
    """

    marks: List[Mark]
    complete: bool = True
    missing: Sequence[str] = ()
    notes: Sequence[str] = ()
    gaps: Sequence[str] = ()


def begin(files: Sequence[LogFile], cursor: Optional[Dict[str, Any]], tail_bytes: int, at: float) -> LogReading:
    """Return where to begin: at the cursor, and without one `tail_bytes` before the end of every file.

    A file that the cursor does not know is read from its beginning. Raises LogError.
    """
    if cursor is None:
        return LogReading([logs_marks.tail_file(Path(path), stream, at, tail_bytes) for path, stream in files])
    marks = logs_marks.check_cursor(cursor)
    marked = {mark["path"] for mark in marks}
    added = [(path, stream) for path, stream in files if path not in marked]
    nothing = {"at": float(cursor["at"]), "device": 0, "inode": 0, "offset": 0, "fingerprint": ""}
    marks += [{"path": path, "stream": stream, **nothing} for path, stream in added]
    return LogReading(marks, notes=[f"{path} was not marked, so all of it was read" for path, _stream in added])


def learn(scan: Scan, files: Sequence[LogFile], tail_bytes: int) -> None:
    """Note the kinds of forbidden lines in rotated logs too, as far as the logs themselves leave `tail_bytes` for them.

    After the nightly rotation a log has hardly a line, and every error would be of a new kind. Nothing else is counted.
    """
    rules = replace(scan.rules, require=(), count=(), rates=())
    for path, stream in files:
        older = Scan(rules, {})
        with contextlib.ExitStack() as stack:
            left = tail_bytes - (Path(path).stat().st_size if Path(path).is_file() else 0)
            for piece in logs_files.open_rotated(stack, Path(path), left):
                _add(older, stream, piece)
        scan.learn(older.kinds)


def read(
    scan: Scan,
    reading: LogReading,
    wait: float,
    allow_missing: bool,
    time: Time,
    looks: Mapping[str, SecondLook] = NO_LOOKS,
) -> LogReading:
    """Read on from a reading until nothing is waited for, or for `wait` seconds, and return how far it came.

    A rate that is doubtful by one of the second `looks` is read on for, as long as that says.
    """
    ends = time.now() + wait
    while True:
        with contextlib.ExitStack() as stack:
            at = time.date()
            found = [logs_files.open_since(stack, mark, at) for mark in reading.marks]
            for since in found:
                whole = [_add(scan, since.end["stream"], piece) for piece in since.pieces]
                if not since.complete or not all(whole):
                    reading.complete, reading.gaps = False, [*reading.gaps, since.end["path"]]
            reading.marks = [since.end for since in found]
            reading.missing = [mark["path"] for mark in reading.marks if not mark["inode"]]
            waiting = scan.is_waiting() or (bool(reading.missing) and not allow_missing)
            waiting = waiting or logs_confirm.is_waiting(looks, scan)
            more = logs_confirm.begin(looks, scan) if not waiting or time.now() >= ends else 0.0
            if more:
                ends = time.now() + more
            elif not waiting or time.now() >= ends:
                # The line may still be written: it is judged as it is, and again, whole, from the new cursor on.
                for since in found:
                    if since.rest:
                        _add(scan, since.end["stream"], since.rest)
                return reading
        time.sleep(min(_PAUSE, max(0.0, ends - time.now())))


def _add(scan: Scan, stream: str, piece: Piece) -> bool:
    try:
        scan.add("" if stream == "both" else stream, logs_files.read_chunks(piece))
    except LostLinesError:
        return False
    return True


def describe(
    scan: Scan,
    reading: LogReading,
    since: Optional[float],
    allow_missing: bool,
    at: float,
    looks: Mapping[str, SecondLook] = NO_LOOKS,
) -> Dict[str, Any]:
    """Return the module's result. `since` is when the cursor was taken, in seconds since 1970."""
    span = max(0.0, at - since) if since is not None else None
    absent = [] if allow_missing else list(reading.missing)
    complete = reading.complete and bool(reading.marks) and not absent
    problems = [f"the log {path} does not exist; correct its path, or set allow_missing" for path in absent]
    problems += [] if reading.marks else ["there is no log to read"]
    problems += scan.problems(complete, span)
    return {
        "cursor": logs_marks.make_cursor(reading.marks, at),
        "passed": not problems,
        "reason": "; ".join(problems),
        "complete": complete,
        "gap": "" if complete else _describe_gap([*reading.gaps, *absent]),
        "notes": list(reading.notes),
        "span_seconds": span,
        "lines": scan.results(span),
        "kinds": scan.kinds_found(),
        "styles": scan.styles_found(),
        "measurements": _with_second_looks(scan.measurements(complete, span), logs_confirm.fresh(looks, scan)),
    }


def _describe_gap(paths: Sequence[str]) -> str:
    """Say of which logs lines are missing, and what may have happened to them."""
    if not paths:
        return "there is no log to read"
    return (
        f"lines of {', '.join(dict.fromkeys(paths))} are missing, as it was emptied, moved elsewhere, deleted or "
        "compressed in a format that cannot be read; the next look reads on from here"
    )


def _with_second_looks(measured: Dict[str, Any], fresh: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: {**value, "fresh": fresh[name]} if name in fresh else value for name, value in measured.items()}
