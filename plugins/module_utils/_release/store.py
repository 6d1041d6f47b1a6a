# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of an app's release records: `<state_path>/releases/<id>.json`, changed by one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._host.files import owner_of
from ansible_collections.greenlight.release.plugins.module_utils._release.record import (
    Record,
    RecordError,
    needed_backups,
    sequence_of,
)
from ansible_collections.greenlight.release.plugins.module_utils._release.shape import check_record

# What a full disk must leave for the record: more than any needs, twice, as the old one stays until the new is whole.
_RESERVED = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MAKE_IT = "create it for the user who runs the app, with mode 0700, or set greenlight_state_path"


@contextlib.contextmanager
def exclusive(state_path: Path, uid: int) -> Iterator[None]:
    """Hold the folder's mutex as the user `uid`, so that reading, judging and writing a record is one step.

    It is a kernel lock: it ends with the process, however that ends. The lock that outlives a process is in the record.
    Raises RecordError when the folder cannot be made or is not safe to use.
    """
    try:
        for folder in (state_path, state_path / "releases"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = trust.open_lock(state_path / ".mutex")
    except OSError as error:
        raise RecordError(
            f"Cannot use {state_path} for release records: {error.strerror}; {files.remedy(error, _MAKE_IT)}"
        ) from error
    except trust.TrustError as error:
        raise RecordError(str(error)) from error
    try:
        _refuse_writable_by_others(state_path, uid)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hold_switch(
    state_path: Path, timeout: float, now: Callable[[], float], sleep: Callable[[float], None]
) -> Optional[int]:
    """Take the host's own lock on the switch until this process ends, and return its descriptor, None without a folder.

    A module outlives the run that began it. The next run, which may roll back, waits until it has ended, at
    most `timeout` seconds by the clock `now`. Raises RecordError.
    """
    file, began = state_path / ".switch", now()
    try:
        descriptor = trust.open_lock(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        what = files.remedy(error, "become the user who runs the app")
        raise RecordError(f"Cannot lock {file}: {error.strerror}; {what}") from error
    except trust.TrustError as error:
        raise RecordError(str(error)) from error
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if now() - began >= timeout:
                holder = os.pread(descriptor, 20, 0).decode() or "unknown"
                os.close(descriptor)
                raise RecordError(
                    f"Process {holder} of another run has been at the switch for {timeout:g} seconds; wait, or end it"
                ) from None
            sleep(0.1)
        else:
            # Only for whoever waits: on a full disk the lock holds without it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor


def _refuse_writable_by_others(state_path: Path, uid: int) -> None:
    """Raise RecordError where another user than `uid` and root could write what a rollback then carries out."""
    for folder in (state_path, state_path / "releases"):
        status = folder.stat()
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise RecordError(
                f"{folder} can be written by other users (mode {stat.S_IMODE(status.st_mode):04o}); chmod it to 0700"
            )
        if status.st_uid not in (uid, 0):
            raise RecordError(
                f"{folder} belongs to {owner_of(folder)}, whose commands this user must not run; become that user, "
                "by greenlight_app_user or become_user"
            )


def read_records(state_path: Path) -> List[Record]:
    """Return all records, oldest first. Raises RecordError for a file that is not a record."""
    try:
        found = [_read_record(path) for path in (state_path / "releases").glob("*.json")]
    except OSError as error:
        what = files.remedy(error, "become the user who runs the app")
        raise RecordError(f"Cannot read the release records in {state_path}: {error.strerror}; {what}") from error
    return sorted(found, key=lambda record: (sequence_of(record), record["id"]))


def backups_to_keep(state_path: Optional[Path], check_mode: bool) -> List[str]:
    """Return the backups that a rollback could need, none without a folder to read records from. Raises RecordError."""
    # In the rehearsal of the first release its record is not there, nor the folder.
    if state_path is None or (check_mode and not state_path.exists()):
        return []
    if not (state_path / "releases").is_dir():
        raise RecordError(f"state_path {state_path} is not a folder of release records; correct it, or leave it out")
    return needed_backups(read_records(state_path))


def _read_record(path: Path) -> Record:
    try:
        with os.fdopen(trust.open_regular(path), encoding="utf-8") as file:
            return check_record(json.load(file), path.stem)
    except trust.TrustError as error:
        raise RecordError(f"{error}, or move it out of the folder if it is no release record") from error
    except ValueError as error:
        raise RecordError(
            f"{path} is not valid JSON, perhaps truncated; restore it from a backup, or move it out of the "
            "folder if it is no release record"
        ) from error
    except RecordError as error:
        raise RecordError(f"{path} {error}") from error


def find_record(records: Sequence[Record], release_id: Optional[str]) -> Record:
    """Return the record with that id, or the newest. Raises RecordError when there is none."""
    for record in reversed(records):
        if release_id is None or record["id"] == release_id:
            return record
    raise RecordError(f"No release {release_id or 'of this app'} is on record; deploy one first")


def write_record(state_path: Path, record: Record) -> None:
    """Replace the record's file in one step that a crash cannot halve. Raises RecordError when it cannot be written.

    On a full disk the reserve is freed first, so that the release can still be noted and rolled back.
    """
    final = state_path / "releases" / f"{record['id']}.json"
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    try:
        try:
            files.write_whole(final, text)
        except OSError as error:
            if error.errno not in _FULL or not _give_up_reserve(state_path):
                raise
            files.write_whole(final, text)
    except OSError as error:
        raise RecordError(
            f"Cannot write the release record {final}: {error.strerror}; nothing was done that is not in it"
        ) from error


def reserve_space(state_path: Path) -> None:
    """Set space aside for the notes of a release, before it changes anything. Raises RecordError without it."""
    reserve = state_path / ".reserve"
    try:
        if reserve.exists() and reserve.stat().st_size == _RESERVED:
            return
        files.write_whole(reserve, "\n" * _RESERVED)
    except OSError as error:
        raise RecordError(
            f"Cannot set {_RESERVED >> 20} MiB aside in {state_path} for the release record: {error.strerror}; "
            "free some space first"
        ) from error


def _give_up_reserve(state_path: Path) -> bool:
    """Free the reserve, and say whether there was one."""
    try:
        (state_path / ".reserve").unlink()
    except FileNotFoundError:
        return False
    return True
