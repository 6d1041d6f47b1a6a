# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of an app's release records: C(<state_path>/releases/<id>.json), changed by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Iterator, List, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils import _files
from ansible_collections.greenlight.release.plugins.module_utils._record import FORMAT, Record, RecordError


@contextlib.contextmanager
def exclusive(state_path: Path) -> Iterator[None]:
    """Hold the folder's mutex, so that reading, judging and writing a record is one step.

    It is a kernel lock: it ends with the process, however that ends. The lock that outlives a process is in the record.
    Raises RecordError when the folder cannot be made or is not safe to use.
    """
    try:
        for folder in (state_path, state_path / "releases"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(str(state_path / ".mutex"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RecordError(
            f"Cannot use {state_path} for release records: {error.strerror}; create it for the user who runs the app, "
            "with mode 0700, or set greenlight_state_path"
        ) from error
    try:
        _refuse_writable_by_others(state_path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_writable_by_others(state_path: Path) -> None:
    status = state_path.stat()
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RecordError(
            f"{state_path} can be written by other users (mode {stat.S_IMODE(status.st_mode):04o}); chmod it to 0700"
        )


def read_records(state_path: Path) -> List[Record]:
    """Return all records, oldest first. Raises RecordError for a file that is not a record."""
    try:
        return [_read_record(path) for path in sorted((state_path / "releases").glob("*.json"))]
    except OSError as error:
        raise RecordError(f"Cannot read the release records in {state_path}: {error.strerror}") from error


def _read_record(path: Path) -> Record:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is not a release record; move it out of the folder") from error
    if version != FORMAT:
        raise RecordError(f"{path} has format {version!r}, this version reads {FORMAT}; update the collection")
    return dict(record)


def find_record(records: Sequence[Record], release_id: Optional[str]) -> Record:
    """Return the record with that id, or the newest. Raises RecordError when there is none."""
    for record in reversed(records):
        if release_id is None or record["id"] == release_id:
            return record
    raise RecordError(f"No release {release_id or 'of this app'} is on record; deploy one first")


def write_record(state_path: Path, record: Record) -> None:
    """Replace the record's file in one step that a crash cannot halve. Raises RecordError when it cannot be written."""
    final = state_path / "releases" / f"{record['id']}.json"
    try:
        _files.write_whole(final, json.dumps(record, indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise RecordError(f"Cannot write the release record {final}: {error.strerror}") from error
