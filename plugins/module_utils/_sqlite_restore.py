# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a backup in the place of a database, so that a crash leaves the old one or the new one, whole.

The order: verify the backup; refuse a database that a process has open; keep what a killed process left as it is; stage
the new file beside it; fold the old WAL into the old file, so that it is whole by itself and nothing of it can be
replayed onto the new one; set the old files aside; rename.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from ansible_collections.greenlight.release.plugins.module_utils import _files, _proc, _sqlite_stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import SIDECARS, SqliteError, connection
from ansible_collections.greenlight.release.plugins.module_utils._sqlite_restore_plan import (
    Live,
    Restore,
    find_holders,
    identities_of,
    judge,
    look_at,
    present_files,
    refuse_lack_of_space,
    refuse_open,
    result_of,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite_rows import Differences, compare_rows


def restore(wanted: Restore) -> Dict[str, Any]:
    """Replace the live database where that is needed, and say what was done. Raises SqliteError.

    The caller has checked the backup.
    """
    real = wanted.real
    with undisturbed(wanted):
        holders = find_holders(real)
        if holders and not wanted.only_if_changed:
            refuse_open(real)
        kept = _keep_leftovers(wanted) if not holders else None
        live = look_at(real, wanted.timeout)
        replacement = judge(live, wanted)
        if not replacement.needed:
            discard(kept)
            return result_of(False, replacement.reason, replacement.differences, None)
        refuse_open(real)
        return _replace(wanted, live, replacement.reason, kept)


@contextlib.contextmanager
def undisturbed(wanted: Restore) -> Iterator[None]:
    """Keep other restores out of the folder, clear what killed ones left, and explain what the system says."""
    folder = os.open(str(wanted.real.parent), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sweep(wanted)
        yield
    except BlockingIOError as error:
        raise SqliteError(f"Another restore is at work in {wanted.real.parent}; wait until it has ended") from error
    except OSError as error:
        raise SqliteError(f"Cannot restore {wanted.real}: {error.strerror}; it was left as it was") from error
    finally:
        os.close(folder)


def _sweep(wanted: Restore) -> None:
    name = wanted.real.name
    for path in list(wanted.real.parent.iterdir()):
        if path.name.startswith(f".{name}.restore."):
            path.unlink()
    for path in list(wanted.aside.iterdir()) if wanted.aside.is_dir() else []:
        if path.name.startswith(f".{name}.") and path.name.endswith(".replaced.partial"):
            discard(path)


def _keep_leftovers(wanted: Restore) -> Optional[Path]:
    """Set everything aside as it is if a killed process left something that opening the database would consume."""
    sidecars = [Path(f"{wanted.real}{suffix}") for suffix in ("-wal", "-journal")]
    if any(path.exists() and path.stat().st_size for path in sidecars):
        refuse_lack_of_space(wanted, None)
        return set_aside(wanted)
    return None


def _replace(wanted: Restore, live: Live, reason: str, kept: Optional[Path]) -> Dict[str, Any]:
    real, staged = wanted.real, wanted.staged
    refuse_lack_of_space(wanted, kept)
    try:
        _sqlite_stage.stage(staged, wanted.manifest, wanted.timeout)
        differences: Differences = {}
        if live.contents:
            with connection(real, wanted.timeout) as opened:
                differences = compare_rows(opened, staged)
            _fold(real, wanted.timeout)
            if _sqlite_stage.same_content(staged, real):
                discard(kept)
                return result_of(False, "the database holds what the backup holds", {}, None)
        _sqlite_stage.make_like(staged, real)
        _sqlite_stage.set_journal_mode(staged, wanted.manifest["journal_mode"], wanted.timeout)
        kept = kept or set_aside(wanted)
        refuse_open(real)
        _swap(real, staged)
    finally:
        _sqlite_stage.remove_with_sidecars(staged)
    return result_of(True, reason, differences, kept)


def _fold(real: Path, timeout: float) -> None:
    """Empty the WAL into the file; that nobody else has it open is SQLite's own word, also for users unseen by us."""
    with connection(real, timeout) as opened:
        opened.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
        opened.execute("BEGIN EXCLUSIVE")
        opened.execute("COMMIT")
        if opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise SqliteError(f"{real} is open in another process; stop it before the database is restored")


def set_aside(wanted: Restore) -> Optional[Path]:
    """Copy what will be replaced, sidecars included, and return the folder; None when there is nothing."""
    present = present_files(wanted.real)
    if not present:
        return None
    wanted.keeping.mkdir(parents=True, mode=0o700)
    try:
        for path in present:
            with path.open("rb") as source:
                copy_aside(source.fileno(), wanted.keeping / path.name)
    except OSError:
        discard(wanted.keeping)
        raise
    return name_kept(wanted)


def copy_aside(source: int, target: Path) -> None:
    with os.fdopen(_files.create_private(target), "wb") as copy:
        _files.copy_in_kernel(source, copy.fileno(), os.fstat(source).st_size)
    _files.sync_in_steps(target)


def name_kept(wanted: Restore) -> Path:
    """Give the folder of what was set aside its name, now that it is complete."""
    _files.sync(wanted.keeping)
    os.rename(str(wanted.keeping), str(wanted.kept))
    _files.sync(wanted.aside)
    return wanted.kept


def discard(folder: Optional[Path]) -> None:
    if folder and folder.exists():
        shutil.rmtree(str(folder))


def _swap(real: Path, staged: Path) -> None:
    """Let the staged file take the place of the database, whose sidecars hold nothing any more."""
    old = identities_of(real)
    for suffix in SIDECARS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(real) + suffix)
    _files.sync(real.parent)
    os.replace(str(staged), str(real))
    try:
        _files.sync(real.parent)
    except OSError as error:
        raise SqliteError(
            f"{real} was restored, but the folder could not be synced ({error.strerror}): check the disk, as a power "
            "failure could bring the old database back"
        ) from error
    late = _proc.describe(_proc.holders(old))
    if late:
        raise SqliteError(f"{real} was restored, but process {late} opened the old one meanwhile; restart it")
