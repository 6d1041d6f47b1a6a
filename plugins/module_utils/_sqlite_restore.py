# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a backup in the place of a database, so that a crash leaves the old one or the new one, whole.

The order: verify the backup; refuse a database that a process has open; stage the new file beside it; fold the old WAL
into the old file, so that it is whole by itself and nothing of it can be replayed onto the new one; set the old files
aside; rename.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, Optional

from ansible_collections.greenlight.release.plugins.module_utils import _files, _proc
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import (
    SIDECARS,
    Contents,
    SqliteError,
    check,
    connection,
    read_contents,
    refuse_other_user,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite_backup import Manifest, verify_backup


@dataclass(frozen=True)
class Live:
    """The database that is to be replaced; C(contents) is None when it is missing or damaged, as C(problem) says."""

    real: Path
    contents: Optional[Contents]
    problem: str


@dataclass(frozen=True)
class Replacement:
    """Whether a restore is needed, why, and the rows per table where backup and live database differ."""

    needed: bool
    reason: str
    differences: Dict[str, Dict[str, int]]


def check_backup(manifest: Manifest, real: Path, force: bool) -> None:
    """Raise SqliteError for a backup that is damaged, or of another database unless C(force)."""
    problem = verify_backup(manifest)
    if problem:
        raise SqliteError(f"The backup {manifest['path']} is not sound: {problem}; choose another one")
    if manifest["source"] != str(real) and not force:
        raise SqliteError(
            f"The backup {manifest['path']} is one of {manifest['source']}, not of {real}; set force to restore it here"
        )


def refuse_open(real: Path) -> None:
    """Raise SqliteError when a process has the database or one of its sidecars open."""
    files = set()
    for suffix in ("", *SIDECARS):
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(str(real) + suffix)
            if suffix == "" and status.st_nlink > 1:
                raise SqliteError(f"{real} has {status.st_nlink} hard links; a restore would leave the others behind")
            files.add((status.st_dev, status.st_ino))
    holders = _proc.holders(frozenset(files))
    if holders:
        shown = ", ".join(f"{pid} ({name})" for pid, name in sorted(holders.items()))
        raise SqliteError(f"{real} is open in process {shown}; stop it before the database is restored")


def look_at(real: Path, timeout: float) -> Live:
    """Look at the live database. Opening it lets SQLite finish what a killed process left behind.

    Raises SqliteError when it cannot be looked at, as when it is locked: that says nothing about its soundness.
    """
    if not real.exists():
        return Live(real, None, "it does not exist")
    refuse_other_user(real)
    with connection(real, timeout) as opened:
        problem = check(opened, thoroughly=False)
        return Live(real, None if problem else read_contents(opened), problem)


def compare(live: Live, manifest: Manifest, only_if_changed: bool) -> Replacement:
    """Say whether the live database has to be replaced by the backup."""
    if live.contents is None:
        return Replacement(True, f"the live database is not sound: {live.problem}", {})
    differences = _row_differences(live.contents.row_counts, manifest["row_counts"])
    if (live.contents.schema_sha256, live.contents.user_version) != (
        manifest["schema_sha256"],
        manifest["user_version"],
    ):
        return Replacement(True, "the schema changed since the backup", differences)
    if only_if_changed:
        return Replacement(False, "the live database is sound and its schema is that of the backup", differences)
    return Replacement(True, "a restore was asked for", differences)


def _row_differences(live: Dict[str, int], backup: Dict[str, int]) -> Dict[str, Dict[str, int]]:
    tables = sorted(set(live) | set(backup))
    return {
        table: {"live": live.get(table, 0), "backup": backup.get(table, 0)}
        for table in tables
        if live.get(table) != backup.get(table)
    }


def restore(live: Live, manifest: Manifest, aside: Path, timeout: float, now: datetime, token: str) -> Dict[str, Any]:
    """Replace the live database, and return C({changed, set_aside}). Raises SqliteError.

    The caller has checked the backup and that no process has the database open.
    """
    real = live.real
    staged = real.with_name(f".{real.name}.restore.{token}")
    try:
        _stage(staged, real, manifest, timeout)
        if live.contents is not None:
            _fold_live(real, timeout)
            if _files.sha256_of(staged) == _files.sha256_of(real):
                return {"changed": False, "set_aside": None}
        kept = _set_aside(real, aside / f"{real.name}.{now.strftime('%Y%m%dT%H%M%SZ')}.{token}.replaced")
        refuse_open(real)
        _remove_sidecars(real)
        os.replace(str(staged), str(real))
        _files.sync(real.parent)
    except OSError as error:
        raise SqliteError(f"Cannot restore {real}: {error.strerror}; it was left as it was") from error
    finally:
        for suffix in ("", *SIDECARS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(str(staged) + suffix)
    return {"changed": True, "set_aside": str(kept) if kept else None}


def _stage(staged: Path, real: Path, manifest: Manifest, timeout: float) -> None:
    """Put a synced copy of the backup beside the database, with its owner, mode and journal mode."""
    like = os.stat(str(real if real.exists() else real.parent))
    descriptor = _files.create_private(staged)
    source = os.open(manifest["path"], os.O_RDONLY)
    try:
        _files.copy_in_kernel(source, descriptor, manifest["size"])
        if os.geteuid() == 0:
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, like.st_mode & 0o666 if real.exists() else 0o600)
    finally:
        os.close(source)
        os.close(descriptor)
    with connection(staged, timeout) as copy:
        copy.execute(f"PRAGMA journal_mode = {'WAL' if manifest['journal_mode'] == 'wal' else 'DELETE'}").fetchone()
    _files.sync(staged)


def _fold_live(real: Path, timeout: float) -> None:
    with connection(real, timeout) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _set_aside(real: Path, folder: Path) -> Optional[Path]:
    """Copy what will be replaced, sidecars included, and return the folder; None when there is nothing."""
    present = [suffix for suffix in ("", *SIDECARS) if os.path.exists(str(real) + suffix)]
    if not present:
        return None
    folder.mkdir(parents=True, mode=0o700)
    for suffix in present:
        target = folder / (real.name + suffix)
        shutil.copyfile(str(real) + suffix, str(target))
        target.chmod(0o600)
        _files.sync(target)
    _files.sync(folder)
    return folder


def _remove_sidecars(real: Path) -> None:
    for suffix in SIDECARS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(real) + suffix)
    _files.sync(real.parent)
