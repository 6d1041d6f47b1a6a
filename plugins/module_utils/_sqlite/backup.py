# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a SQLite database: verified before they get their name, described by a manifest next to them.

What is being made lies under a hidden name until it is whole and on the disk. Then the manifest gets its name, then the
backup: a backup under its final name always has a manifest, and a manifest without a backup was left by a killed run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import sqlite3
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import compress
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.backup_plan import (
    Access,
    BackupPlan,
    refuse_lack_of_space,
    signature_of,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import Checked, check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    Contents,
    SqliteError,
    connection,
    explain,
    read_contents,
    remove_with_sidecars,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import (
    CREATED,
    FORMAT,
    Manifest,
    created_at,
    is_there,
    list_backups,
    manifest_path,
    next_sequence,
    read_manifest,
    remove_backups,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.schema import Schema, read_schema, to_json
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.snapshot import Snapshot, take_snapshot

_LEFT_BEHIND = re.compile(r"\..+\.[0-9a-f]{6}(\.packed|\.json)?\.greenlight(-wal|-shm|-journal)?|\..+\.copied\.partial")
# File times come from a clock that moves only every few milliseconds.
_COARSE_SECONDS = 0.02
# Some filesystems keep whole seconds, FAT every second one.
_WHOLE_SECONDS = 2
LOCK = ".lock"


def is_up_to_date(manifest: Manifest, real: Path) -> bool:
    """Say whether the database's files are still what they were before the backup was taken of them.

    A time younger than the resolution of the kernel's clock proves nothing: another change could have the same.
    """
    if manifest["source"] != str(real) or manifest["signature"] != signature_of(real) or not is_there(manifest):
        return False
    created = created_at(manifest).timestamp()
    return all(changed / 1e9 < created - _resolution(changed) for _size, changed in manifest["signature"].values())


def _resolution(changed: int) -> float:
    """Return how many seconds after a file time, in ns, another change could still bear the same time."""
    return _COARSE_SECONDS if changed % 1_000_000_000 else _WHOLE_SECONDS


def make_backup(plan: BackupPlan) -> Manifest:
    """Take, verify, sync and name a backup, and return its manifest with its path. Raises SqliteError."""
    refuse_lack_of_space(plan)
    with writing_to(plan) as partial:
        signature = signature_of(plan.real)
        snapshot = take_snapshot(plan.real, partial, plan.timeout, plan.verify != "none")
        sha256, checked, contents, schema = _verify(partial, plan, snapshot)
        manifest = {
            **describe(plan, snapshot.contents, signature, schema),
            "method": snapshot.method,
            "verified": "quick" if checked.unknown else plan.verify,
            "unknown": list(checked.unknown),
            "row_counts": contents.row_counts if plan.verify != "none" else None,
            "page_count": contents.page_count,
            "wal_salt": snapshot.wal_salt,
            "content_size": partial.stat().st_size,
            "content_sha256": sha256,
        }
        if plan.compression == "none":
            return store(plan, partial, sha256, manifest)
        packed = plan.hidden(".packed")
        return store(plan, packed, _compress(partial, packed, plan, str(sha256)), manifest)


def describe(plan: BackupPlan, contents: Contents, signature: Dict[str, List[int]], schema: Schema) -> Manifest:
    """Return what the manifests of all kinds of backup say of the database."""
    return {
        "format": FORMAT,
        "source": str(plan.real),
        "signature": signature,
        "created": plan.created.strftime(CREATED),
        "release_id": plan.release_id,
        "compression": plan.compression,
        "sqlite_version": sqlite3.sqlite_version,
        "base": None,
        "base_sha256": None,
        "schema": to_json(schema),
        **vars(contents),
    }


@contextlib.contextmanager
def writing_to(plan: BackupPlan) -> Iterator[Path]:
    """Give a hidden name in the folder, and leave nothing under it. Raises SqliteError for what the system says."""
    folder = plan.final.parent
    try:
        _make_folder(folder, plan.access)
        with folder_in_use(folder):
            try:
                yield plan.hidden()
            finally:
                for path in (plan.hidden(), plan.hidden(".packed"), plan.hidden(".json")):
                    remove_with_sidecars(path)
    except OSError as error:
        raise SqliteError(f"Cannot write a backup to {folder}: {files.explain(error)}") from error


def _make_folder(folder: Path, access: Access) -> None:
    """Create a folder, and those above it that are missing, for nobody but those who may read the backups."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        mode = 0o750 if access.mode & 0o040 else 0o700
        trust.make_folder(
            each, mode, -1 if access.uid is None else access.uid, -1 if access.gid is None else access.gid
        )
        files.sync(each.parent)


@contextlib.contextmanager
def folder_in_use(folder: Path) -> Iterator[None]:
    """Hold the folder's lock with others who write to it; who is alone first removes what killed runs left."""
    descriptor = _open_lock(folder)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sweep(folder)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _open_lock(folder: Path) -> int:
    descriptor = trust.open_lock(folder / LOCK)
    if os.geteuid() == 0 and not os.fstat(descriptor).st_size:
        # Root may have made the folder for another user, who must be able to lock it as well. A lock is empty.
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Say whether no other run is at work in a folder of backups, and keep others out meanwhile. Raises SqliteError."""
    try:
        descriptor = _open_lock(folder)
    except FileNotFoundError:
        yield True
        return
    except OSError as error:
        raise SqliteError(f"Cannot use {folder} for backups: {files.explain(error)}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    for path in list(folder.iterdir()):
        if _LEFT_BEHIND.fullmatch(path.name):
            path.unlink()
    remove_backups([manifest for manifest in list_backups(folder) if not os.path.lexists(manifest["path"])])


def together(tasks: Dict[str, Callable[[], Any]]) -> Dict[str, Any]:
    """Run tasks at the same time and return their results. The first failure is raised when all have ended."""
    results: Dict[str, Any] = {}
    failures: List[BaseException] = []

    def run(name: str, task: Callable[[], Any]) -> None:
        try:
            results[name] = task()
        except (SqliteError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=each) for each in tasks.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def _verify(partial: Path, plan: BackupPlan, snapshot: Snapshot) -> Tuple[Optional[str], Checked, Contents, Schema]:
    """Sync, hash and check the copy at the same time: none of the three holds Python's lock for long."""
    is_needed = plan.verify != "none" or plan.compression != "none"
    results = together(
        {
            "sync": lambda: files.sync_in_steps(partial) if plan.compression == "none" else None,
            "sha256": lambda: files.sha256_of(partial) if is_needed else None,
            "copy": lambda: _check_copy(partial, plan),
        }
    )
    checked, contents, schema = results["copy"]
    seen = snapshot.contents
    if (contents.schema_sha256, contents.user_version) != (seen.schema_sha256, seen.user_version):
        raise SqliteError(f"The schema of {plan.real} changed while it was copied; take the backup again")
    if snapshot.row_counts is not None and snapshot.row_counts != contents.row_counts:
        raise SqliteError(f"The copy of {plan.real} does not hold the rows that it held; take the backup again")
    return results["sha256"], checked, contents, schema


def _check_copy(partial: Path, plan: BackupPlan) -> Tuple[Checked, Contents, Schema]:
    is_checked = plan.verify != "none"
    with connection(partial, plan.timeout, mode="ro", immutable=True) as copy:
        checked = check(copy, plan.verify == "full") if is_checked else Checked("")
        if checked.problem:
            raise SqliteError(f"{plan.real} is damaged, so no backup was made of it: {checked.problem}")
        try:
            return checked, read_contents(copy, with_rows=is_checked), read_schema(copy)
        except sqlite3.DatabaseError as error:
            raise SqliteError(explain(plan.real, error, plan.timeout)) from error


def _compress(partial: Path, packed: Path, plan: BackupPlan, sha256: str) -> str:
    """Compress the copy, make sure that it can be restored, and return the SHA-256 of the file."""
    compress.compress(partial, packed, plan.compression)
    results = together(
        {
            "sync": lambda: files.sync_in_steps(packed),
            "sha256": lambda: files.sha256_of(packed),
            "content": lambda: compress.sha256_of_content(packed, plan.compression),
        }
    )
    if results["content"] != sha256:
        raise SqliteError(f"The {plan.compression} file of {plan.real} does not hold what was put in; check the disk")
    return str(results["sha256"])


def store(plan: BackupPlan, finished: Path, sha256: Optional[str], manifest: Manifest) -> Manifest:
    """Give a synced backup its manifest and its name, and return the manifest with the paths."""
    _give_to(finished, plan.access)
    number = next_sequence(plan.final.parent, str(plan.real))
    manifest = {**manifest, "sequence": number, "size": finished.stat().st_size, "sha256": sha256}
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    partial, description = files.write_synced(plan.hidden(".json"), text), manifest_path(plan.final)
    _give_to(partial, plan.access)
    files.name_exclusively(partial, description)
    try:
        files.name_exclusively(finished, plan.final)
    except OSError:
        description.unlink()
        raise
    return read_manifest(plan.final)


def _give_to(path: Path, access: Access) -> None:
    """Set owner and mode of the open file: the folder may be one in which another user could exchange the name."""
    descriptor = trust.open_made(path)
    try:
        os.fchown(descriptor, -1 if access.uid is None else access.uid, -1 if access.gid is None else access.gid)
        os.fchmod(descriptor, access.mode)
    finally:
        os.close(descriptor)
