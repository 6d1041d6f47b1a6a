# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a backup in the place of a database, so that a crash leaves the old one or the new one, whole.

Everybody is locked out of the old file from before it is read until it has lost its name, so what is set aside is
all that was ever committed to it. What a killed process left, a WAL or a journal, is set aside as it is; then it is
folded into a copy of the old file, which takes the old one's name first: SQLite may finish it on either as often as it
likes, but never on the new file, which takes the name when the sidecars are gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import files, proc, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import set_aside, sidecars, stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SIDECARS,
    DamagedError,
    SqliteError,
    connection,
    remove_with_sidecars,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.inspection import (
    Live,
    find_holders,
    identities_of,
    inspect_live,
    inspect_still,
    refuse_open,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.lock import locked_out, make_unusable
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import SET_ASIDE, read_backup
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.restore_plan import (
    Restore,
    judge,
    leftovers_of,
    plain_backup,
    present_files,
    refuse_lack_of_space,
    result_of,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.rows import Differences, compare_rows


def restore(wanted: Restore) -> Dict[str, Any]:
    """Replace the live database where that is needed, and say what was done. Raises SqliteError.

    The caller has checked the backup.
    """
    real = wanted.real
    with undisturbed(wanted) as folder, _kept_for_the_app(wanted):
        if wanted.only_if_changed and find_holders(real):
            # While the app runs, the only answer that may be given is that nothing needs to be done.
            replacement = judge(inspect_live(real, wanted.timeout), wanted)
            if not replacement.needed:
                return result_of(False, replacement.reason, replacement.differences, None)
        refuse_open(real)
        with ExitStack() as locks:
            descriptors = [locks.enter_context(locked_out(real, wanted.timeout))] if real.exists() else []
            refuse_open(real)
            return _restore_alone(wanted, folder, descriptors, locks)


def _kept_for_the_app(wanted: Restore) -> ContextManager[None]:
    """Return what leaves the app the files next to its database that it needs and could not make."""
    needs_them = wanted.manifest["journal_mode"] == "wal"
    return sidecars.kept(wanted.real) if needs_them else contextlib.nullcontext()


@contextlib.contextmanager
def undisturbed(wanted: Restore) -> Iterator[int]:
    """Keep other restores out of the folder, clear what killed ones left, and explain what the system says.

    The folder is given open. Names are changed in it and not by its path, which could lead elsewhere meanwhile.
    """
    folder = trust.open_folder_of(wanted.real)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sweep(wanted)
        yield folder
    except BlockingIOError as error:
        raise SqliteError(f"Another restore is at work in {wanted.real.parent}; wait until it has ended") from error
    except OSError as error:
        raise SqliteError(f"Cannot restore {wanted.real}: {files.explain(error)}; it was left as it was") from error
    finally:
        os.close(folder)


def prepare(wanted: Restore) -> bool:
    """Write the new file next to the database, ready to take its name, while the app serves. Raises SqliteError.

    Return whether the database is known to differ from it: that need not be found out while users wait.
    """
    with undisturbed(wanted), ExitStack() as undo:
        refuse_lack_of_space(wanted)
        undo.callback(remove_with_sidecars, wanted.staged)
        _write_staged(wanted)
        differs = not (wanted.real.exists() and stage.same_content(wanted.staged, wanted.real))
        undo.pop_all()
    return differs


def _sweep(wanted: Restore) -> None:
    name = wanted.real.name
    for path in list(wanted.real.parent.iterdir()):
        if path.name.startswith(f".{name}.restore.") and path != wanted.staged:
            path.unlink()
    for path in list(wanted.aside.iterdir()) if wanted.aside.is_dir() else []:
        if path.name.startswith(f".{name}.") and path.name.endswith((".replaced.partial", ".replaced.staged")):
            discard(path) if path.is_dir() else path.unlink()
        if path.name.startswith(f"{name}.") and path.name.endswith(SET_ASIDE):
            # Its manifest is written when it has its name already.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (path / f".{name}.json.partial").unlink()


def _restore_alone(wanted: Restore, folder: int, descriptors: List[int], locks: ExitStack) -> Dict[str, Any]:
    """Restore while everybody is locked out."""
    # What is undone when the database is not replaced, and what is cleared away in any case.
    with ExitStack() as undo, ExitStack() as cleared:
        for path in (wanted.staged, wanted.folded):
            cleared.callback(remove_with_sidecars, path)
        leftovers = leftovers_of(wanted.real)
        live, old = _inspect(wanted, bool(leftovers))
        replacement = judge(live, wanted)
        if not replacement.needed:
            return result_of(False, replacement.reason, replacement.differences, None)
        differences = _stage(wanted, live, old)
        if live.contents and not wanted.differs and stage.same_content(wanted.staged, old):
            return result_of(False, "the database holds what the backup holds", {}, None)
        kept = _keep(wanted, live, leftovers)
        undo.callback(discard, kept)
        if leftovers and live.contents:
            descriptors.append(_put_folded(wanted, folder, locks))
        _swap(wanted, folder, descriptors, kept, undo)
    return result_of(True, replacement.reason, differences, kept)


def _inspect(wanted: Restore, has_leftovers: bool) -> Tuple[Live, Path]:
    """Inspect the database, or a copy in which SQLite finishes what was left; return that file as well."""
    if not (has_leftovers and wanted.real.exists()):
        return inspect_still(wanted.real, wanted.timeout, bool(wanted.why)), wanted.real
    refuse_lack_of_space(wanted)
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError), trust.reading(Path(f"{wanted.real}{suffix}")) as source:
            copy_aside(source, Path(f"{wanted.folded}{suffix}"))
    stage.make_like(wanted.folded, wanted.real)
    live = inspect_live(wanted.folded, wanted.timeout, bool(wanted.why))
    if live.contents:
        stage.fold(wanted.folded, wanted.timeout)
    return live, wanted.folded


def _stage(wanted: Restore, live: Live, old: Path) -> Differences:
    """Write the new file next to the old one unless it is there, and return the rows in which they differ.

    Where users wait the rows are compared later, see `compare_set_aside`.
    """
    refuse_lack_of_space(wanted)
    if not wanted.staged.exists():
        _write_staged(wanted)
    if not live.contents or wanted.why:
        return {}
    # The lock would keep a connection that locks out, and nobody changes the file.
    with connection(old, wanted.timeout, "ro", immutable=True) as opened:
        return compare_rows(opened, wanted.staged)


def _write_staged(wanted: Restore) -> None:
    stage.stage(wanted.staged, wanted.manifest, wanted.timeout)
    stage.make_like(wanted.staged, wanted.real)
    stage.set_journal_mode(wanted.staged, wanted.manifest["journal_mode"], wanted.timeout)


def compare_set_aside(wanted: Restore, folder: Path) -> Differences:
    """Return the rows in which what was set aside in a folder differs from the backup; {} for a damaged database.

    Raises SqliteError, OSError.
    """
    kept = read_backup(folder)
    if kept["damaged"]:
        return {}
    aside = replace(wanted, manifest=kept, token=f"{wanted.token}.old")
    with contextlib.suppress(DamagedError), plain_backup(wanted) as backup, plain_backup(aside) as old:
        with connection(old, wanted.timeout, "ro", immutable=True) as opened:
            return compare_rows(opened, backup)
    return {}


def _keep(wanted: Restore, live: Live, leftovers: Sequence[Path]) -> Optional[Path]:
    """Copy what will be replaced, sidecars included, and return the folder; None when there is nothing."""
    present = present_files(wanted.real)
    if not present:
        return None
    refuse_lack_of_space(wanted)
    wanted.keeping.mkdir(parents=True, mode=0o700)
    try:
        for path in present:
            with trust.reading(path) as source:
                copy_aside(source, wanted.keeping / path.name)
        set_aside.describe(wanted, live, leftovers)
    except (OSError, trust.TrustError):
        discard(wanted.keeping)
        raise
    return name_kept(wanted)


def copy_aside(source: int, target: Path) -> None:
    with os.fdopen(files.create_private(target), "wb") as copy:
        files.copy_in_kernel(source, copy.fileno(), os.fstat(source).st_size)
    files.sync_in_steps(target)


def name_kept(wanted: Restore) -> Path:
    """Give the folder of what was set aside its name, now that it is complete."""
    files.sync(wanted.keeping)
    os.rename(str(wanted.keeping), str(wanted.kept))
    files.sync(wanted.aside)
    return wanted.kept


def discard(folder: Optional[Path]) -> None:
    if folder and folder.exists():
        shutil.rmtree(str(folder))


def _put_folded(wanted: Restore, folder: int, locks: ExitStack) -> int:
    """Let the old database without leftovers take the name of the one with them, locked as well; return it."""
    descriptor = locks.enter_context(locked_out(wanted.folded, wanted.timeout))
    files.sync_in_steps(wanted.folded)
    trust.refuse_exchanged(wanted.real.parent, folder)
    os.replace(wanted.folded.name, wanted.real.name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
    return descriptor


def _swap(wanted: Restore, folder: int, descriptors: List[int], kept: Optional[Path], undo: ExitStack) -> None:
    """Let the staged file take the place of the database, whose sidecars hold nothing any more."""
    real = wanted.real
    trust.refuse_exchanged(real.parent, folder)
    for suffix in SIDECARS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(real.name + suffix, dir_fd=folder)
    os.fsync(folder)
    old = identities_of(real)
    os.replace(wanted.staged.name, real.name, src_dir_fd=folder, dst_dir_fd=folder)
    undo.pop_all()
    try:
        os.fsync(folder)
        for descriptor in descriptors:
            make_unusable(descriptor)
    except OSError as error:
        raise SqliteError(
            f"{real} was restored, but then the system said: {files.explain(error)}; check the disk. "
            f"What was replaced is in {kept}"
        ) from error
    late = proc.describe(proc.holders(old))
    if late:
        raise SqliteError(
            f"{real} was restored, but process {late} had opened the old one meanwhile and now cannot use it; restart "
            f"it. What was replaced is in {kept}"
        )
