# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of a release, kept as files before it is rolled back, so that a person can read it later.

They lie in `<state_path>/evidence/<release id>/`: a file for each log with the lines since the switch, and JSON files
of what was found. What is kept first is never replaced: once a rollback has begun to change the host, there is nothing
left to see. Lines are shown without secrets, and only the first and the last ones of a long log.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._logs.files import Piece, open_since, read_chunks
from ansible_collections.greenlight.release.plugins.module_utils._logs.marks import Mark, check_cursor
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import names_secret, redact, show

# Of how many releases the evidence is kept, and how much of each end of a log.
KEPT = 10
ENDS = 1 << 18
_LINE = 2000


class EvidenceError(GreenlightError):
    """The evidence cannot be kept."""


@dataclass(frozen=True)
class Evidence:
    """`cursor` is where the logs are read from, {} for none; `findings` gets a JSON file for each of its keys."""

    cursor: Mapping[str, Any]
    findings: Mapping[str, Any]


def folder_of(state_path: Path, release_id: str) -> Path:
    return state_path / "evidence" / release_id


def keep(state_path: Path, release_id: str, evidence: Evidence, at: float) -> Path:
    """Write the evidence of a release in one step, unless there is some, and return its folder.

    `at` is the time in seconds since 1970. Raises EvidenceError.
    """
    final = folder_of(state_path, release_id)
    if final.is_dir():
        return final
    partial = final.with_name(f".{release_id}.partial")
    try:
        final.parent.mkdir(mode=0o700, exist_ok=True)
        _make_room(final)
        partial.mkdir(mode=0o700)
        for name, text in _texts(evidence, at):
            files.write_synced(partial / name, text)
        os.rename(str(partial), str(final))
        files.sync(final.parent)
    except OSError as error:
        shutil.rmtree(str(partial), ignore_errors=True)
        raise EvidenceError(f"The evidence cannot be kept in {final}: {files.explain(error)}") from error
    return final


def _make_room(newest: Path) -> None:
    """Remove what a killed run left, and the evidence of old releases.

    Ids begin with the time, so they sort by age, apart from those of a clock that was ahead.
    """
    folders = sorted(newest.parent.iterdir())
    left = [folder for folder in folders if folder.name.startswith(".")]
    for folder in left + folders[len(left) : max(len(left), len(folders) + 1 - KEPT)]:
        shutil.rmtree(str(folder))


def _texts(evidence: Evidence, at: float) -> List[Tuple[str, str]]:
    texts = [
        (f"{name}.json", json.dumps(_without_secrets(value), indent=2, sort_keys=True) + "\n")
        for name, value in sorted(evidence.findings.items())
    ]
    if not evidence.cursor:
        return texts
    try:
        marks = check_cursor(evidence.cursor)
    except LogError as error:
        return [*texts, ("logs.txt", f"The logs were not read: {error}\n")]
    logs = [(f"{number}-{Path(mark['path']).name}", _lines_since(mark, at)) for number, mark in enumerate(marks)]
    return texts + logs


def _without_secrets(value: Any) -> Any:
    """Return a value of JSON with every text in it as it may be shown."""
    if isinstance(value, Mapping):
        return {
            key: "***" if isinstance(item, str) and names_secret(str(key)) else _without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_secrets(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def _lines_since(mark: Mark, at: float) -> str:
    """Return the first and the last lines that were written to a log since a mark, or why they cannot be read."""
    try:
        with contextlib.ExitStack() as stack:
            since = open_since(stack, mark, at)
            head, tail, left_out = _ends(since.pieces)
    except (LogError, OSError) as error:
        return f"This log was not read: {error}\n"
    lines = [] if since.complete else ["(lines may be missing: the log was rotated or emptied)"]
    lines += _shown(head)
    if left_out:
        lines.append(f"({left_out} bytes are left out here)")
    return "\n".join([*lines, *_shown(tail), ""])


def _ends(pieces: List[Piece]) -> Tuple[bytes, bytes, int]:
    """Return the beginning and the end of what pieces hold, of whole lines, and how many bytes lie between them."""
    head, tail, size = b"", b"", 0
    for piece in pieces:
        for chunk in read_chunks(piece):
            size += len(chunk)
            room = max(0, ENDS - len(head)) if not tail else 0
            head += chunk[:room]
            tail = (tail + chunk[room:])[-ENDS:]
    left_out = size - len(head) - len(tail)
    if left_out:
        # The two lines that were cut in half.
        head, tail = head[: head.rfind(b"\n") + 1], tail[tail.find(b"\n") + 1 :]
    else:
        head, tail = head + tail, b""
    return head, tail, size - len(head) - len(tail)


def _shown(text: bytes) -> List[str]:
    return [show(line, _LINE) for line in text.decode("utf-8", "replace").splitlines()]
