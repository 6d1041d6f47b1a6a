# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore is to do: is the backup fit, who has the database open, does it have to be replaced, is there room."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import AbstractSet, Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import rows, stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SIDECARS,
    Contents,
    SqliteError,
    holds_transaction,
    is_read_only,
    refuse_hard_links,
    refuse_no_database,
    remove_with_sidecars,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.inspection import (
    Live,
    find_holders,
    peek_at,
    peeking,
    refuse_open,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import Manifest, verify_backup

_MARGIN = 1 << 20


@dataclass(frozen=True)
class Restore:
    """One restore. `only_if_changed` leaves a sound database of the same schema alone; `timeout` is in seconds.

    `why` is set where it was ruled before that the database is restored, and says for what reason. Then nothing is done
    while it is restored that takes longer for a larger database, but for a copy of what is replaced. `differs` says
    that it was seen to differ from the backup, so that they are not compared once more.
    `token` makes the names of the files that it makes unique, `aside` is the folder for what it replaces.
    """

    real: Path
    manifest: Manifest
    aside: Path
    timeout: float
    now: datetime
    token: str
    only_if_changed: bool = False
    force: bool = False
    why: str = ""
    differs: bool = False

    @property
    def kept(self) -> Path:
        return self.aside / f"{self.real.name}.{self.now.strftime('%Y%m%dT%H%M%SZ')}.{self.token}.replaced"

    @property
    def keeping(self) -> Path:
        """Hidden name of `kept` as long as it is not complete."""
        return self.aside / f".{self.kept.name}.partial"

    @property
    def staged(self) -> Path:
        return self.real.with_name(f".{self.real.name}.restore.{self.token}")

    @property
    def folded(self) -> Path:
        """Hidden name of a copy of the old database, with what a killed process left folded into it."""
        return self.real.with_name(f".{self.real.name}.restore.{self.token}.old")


@dataclass(frozen=True)
class Replacement:
    """Whether a restore is needed, why, and the numbers of rows where backup and live database differ."""

    needed: bool
    reason: str
    differences: rows.Differences


def check_backup(wanted: Restore) -> None:
    """Raise SqliteError for a backup that is damaged, or of another database unless `force`."""
    manifest = wanted.manifest
    problem = verify_backup(manifest)
    if problem:
        raise SqliteError(f"The backup {manifest['path']} is not sound: {problem}; choose another one")
    if manifest["source"] != str(wanted.real) and not wanted.force:
        raise SqliteError(
            f"The backup {manifest['path']} is one of {manifest['source']}, not of {wanted.real}; "
            "set force to restore it here"
        )
    if manifest["source"] != str(wanted.real):
        refuse_no_database(wanted.real)
    if not wanted.real.parent.is_dir():
        raise SqliteError(f"The folder {wanted.real.parent} does not exist; create it, or correct the path")
    refuse_hard_links(wanted.real)
    if is_read_only(wanted.real.parent):
        raise SqliteError(f"{wanted.real.parent} is mounted read-only; restore the database where it can be written")


def refuse_hindrances(wanted: Restore, stopped_first: AbstractSet[int]) -> None:
    """Raise SqliteError for what would stop a restore, while the app still runs.

    `stopped_first` are the processes that will have ended by then. The caller has checked the backup.
    """
    holders = {pid: name for pid, name in find_holders(wanted.real).items() if pid not in stopped_first}
    if holders:
        raise SqliteError(
            f"{wanted.real} is open in process {proc.describe(holders)}, which the rollback does not stop; end it, or "
            "set greenlight_rollback_database to keep to leave the database as it is"
        )
    refuse_lack_of_space(wanted)


@contextlib.contextmanager
def plain_backup(wanted: Restore) -> Iterator[Path]:
    """Give the backup as a plain database file to be read. Raises SqliteError, OSError."""
    if stage.is_plain(wanted.manifest):
        yield Path(wanted.manifest["path"])
        return
    with staged_backup(wanted) as staged:
        yield staged


@contextlib.contextmanager
def staged_backup(wanted: Restore) -> Iterator[Path]:
    """Give a plain copy of what was verified, which nobody can exchange. Raises SqliteError, TrustError, OSError."""
    staged = wanted.keeping.with_suffix(".staged")
    wanted.aside.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        stage.stage(staged, wanted.manifest, wanted.timeout)
        yield staged
    finally:
        remove_with_sidecars(staged)


def schema_changed(live: Contents, manifest: Manifest) -> bool:
    return (live.schema_sha256, live.user_version) != (manifest["schema_sha256"], manifest["user_version"])


def judge(live: Live, wanted: Restore) -> Replacement:
    """Say whether the live database has to be replaced by the backup. Raises SqliteError for one of another app."""
    manifest = wanted.manifest
    if live.contents is None:
        return Replacement(True, f"the live database is not sound: {live.problem}", {})
    refuse_other_application(live.contents, wanted)
    differences = rows.compare_counts(live.contents.row_counts, manifest["row_counts"])
    if wanted.why:
        return Replacement(True, wanted.why, differences)
    if schema_changed(live.contents, manifest):
        return Replacement(True, "the schema changed since the backup", differences)
    if wanted.only_if_changed:
        return Replacement(False, "the live database is sound and its schema is that of the backup", differences)
    return Replacement(True, "a restore was asked for", differences)


def refuse_other_application(live: Contents, wanted: Restore) -> None:
    ours, theirs = live.application_id, wanted.manifest["application_id"]
    if ours and theirs and ours != theirs and not wanted.force:
        raise SqliteError(
            f"The backup {wanted.manifest['path']} has application_id {theirs}, {wanted.real} has {ours}, so it is of "
            "another app; set force to restore it here"
        )


def predict(wanted: Restore, online: bool) -> Dict[str, Any]:
    """Return what a restore would do, without changing anything. The caller has checked the backup.

    Raises SqliteError for what would stop the restore.
    """
    if not online and not wanted.only_if_changed:
        refuse_open(wanted.real)
    live = peek_at(wanted.real, wanted.timeout)
    replacement = judge(live, wanted)
    if not replacement.needed:
        return result_of(False, replacement.reason, replacement.differences, None)
    refuse_impossible(live, wanted) if online else refuse_open(wanted.real)
    refuse_lack_of_space(wanted)
    differences = replacement.differences
    if live.contents and stage.is_plain(wanted.manifest):
        with peeking(wanted.real, wanted.timeout) as opened:
            differences = rows.compare_rows(opened, Path(wanted.manifest["path"]))
    return result_of(True, replacement.reason, differences, None)


def pages_of(manifest: Manifest) -> int:
    return int(manifest["content_size"] // manifest["page_size"])


def refuse_impossible(live: Live, wanted: Restore) -> None:
    """Raise SqliteError for a database that cannot be restored while processes have it open."""
    if live.contents is None:
        raise SqliteError(f"{wanted.real} cannot be restored online, {live.problem}; stop the app and leave online out")
    if pages_of(wanted.manifest) < 2:
        raise SqliteError(
            f"The backup {wanted.manifest['path']} holds no table; stop the app and leave online out to restore it"
        )
    if live.contents.journal_mode == "wal" and live.contents.page_size != wanted.manifest["page_size"]:
        raise SqliteError(
            f"{wanted.real} has pages of {live.contents.page_size} bytes, the backup of {wanted.manifest['page_size']}"
            ", which cannot be exchanged in WAL mode; stop the app and leave online out"
        )


def refuse_lack_of_space(*every: Restore) -> None:
    """Raise SqliteError unless the new files, what is set aside, and copies to fold leftovers in have room together."""
    needed: Dict[int, Tuple[Path, int]] = {}
    for folder, size in (each for wanted in every for each in _needed_by(wanted)):
        device = os.stat(str(folder)).st_dev
        first, sum_of_others = needed.get(device, (folder, 0))
        needed[device] = (first, sum_of_others + size)
    for folder, size in needed.values():
        free = shutil.disk_usage(str(folder)).free
        if free < size:
            names = " and ".join(str(wanted.real) for wanted in every)
            raise SqliteError(f"No space to restore {names}: {size} bytes are needed in {folder}, {free} are free")


def _needed_by(wanted: Restore) -> List[Tuple[Path, int]]:
    """Return folders, and how many bytes a restore takes there."""
    new = _MARGIN + (0 if wanted.staged.exists() else wanted.manifest["content_size"])
    old = sum(path.stat().st_size for path in present_files(wanted.real))
    live = new + (2 * old if leftovers_of(wanted.real) and not wanted.folded.exists() else 0)
    aside = next(parent for parent in wanted.kept.parents if parent.exists())
    return [(wanted.real.parent, live), (aside, old)]


def leftovers_of(real: Path) -> List[Path]:
    """Return the sidecars in which a killed process left something that opening the database would consume."""
    return [Path(f"{real}{suffix}") for suffix in ("-wal", "-journal") if holds_transaction(real, suffix)]


def present_files(real: Path) -> List[Path]:
    return [path for path in (Path(f"{real}{suffix}") for suffix in ("", *SIDECARS)) if path.exists()]


def result_of(restored: bool, reason: str, differences: rows.Differences, kept: Optional[Path]) -> Dict[str, Any]:
    return {
        "changed": restored,
        "restored": restored,
        "reason": reason,
        "differences": differences,
        "lost": rows.describe_loss(differences) if restored else "",
        "set_aside": str(kept) if kept else None,
    }
