# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a SQLite database: verified before they get their name, described by a manifest beside them.

The manifest C(<backup>.json) is a JSON object: C({format, source, signature, size, sha256, created, release_id,
method, verified, ...}) and the fields of C(_sqlite.Contents). C(signature) is what the source's files looked like
before the copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils import _files
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import (
    SIDECARS,
    Contents,
    SqliteError,
    check,
    connection,
    read_contents,
    real_database,
    refuse_other_user,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite_snapshot import take_snapshot

FORMAT = 1
_STAMP = "%Y%m%dT%H%M%SZ"
# Fine enough to tell the order of two backups of one second.
_CREATED = "%Y-%m-%dT%H:%M:%S.%fZ"
# Folding the WAL and writing the manifest need a little more than the files themselves.
_MARGIN = 1 << 20

Manifest = Dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """One backup to be made. C(verify) is full, quick or none; C(timeout) in seconds bounds every wait for a lock."""

    real: Path
    folder: Path
    name: str
    verify: str
    timeout: float
    release_id: str
    created: datetime


def plan_backup(
    path: Path, dest: Path, verify: str, timeout: float, release_id: str, now: datetime, token: str
) -> Plan:
    """Check everything that can be checked before anything is written. C(token) makes the name unique.

    Raises SqliteError.
    """
    real = real_database(path)
    refuse_other_user(real)
    _check_folder(dest)
    if dest.resolve() == real.parent:
        raise SqliteError(f"{dest} is the folder of the database itself; keep the backups in another one")
    needed = sum(size for size, _time in signature_of(real).values()) + _MARGIN
    free = shutil.disk_usage(str(dest if dest.exists() else _existing_parent(dest))).free
    if free < needed:
        raise SqliteError(f"No space for a backup in {dest}: {needed} bytes are needed, {free} are free")
    return Plan(real, dest, f"{real.name}.{now.strftime(_STAMP)}.{token}.db", verify, timeout, release_id, now)


def _check_folder(dest: Path) -> None:
    if dest.exists() and not dest.is_dir():
        raise SqliteError(f"{dest} is not a folder; give the folder for the backups")
    if dest.exists() and dest.stat().st_mode & 0o022:
        raise SqliteError(f"{dest} can be written by other users; chmod it to 0700")


def _existing_parent(folder: Path) -> Path:
    return next(parent for parent in folder.absolute().parents if parent.exists())


def signature_of(real: Path) -> Dict[str, List[int]]:
    """Return file suffix -> [size, time of the last change in ns] of a database and its WAL."""
    found = {}
    for suffix in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(str(real) + suffix)
            if suffix == "" or status.st_size:
                found[suffix] = [status.st_size, status.st_mtime_ns]
    return found


def make_backup(plan: Plan) -> Manifest:
    """Take, verify, sync and name a backup, and return its manifest with its path. Raises SqliteError."""
    try:
        plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _partial(plan.folder / f".{plan.name}.partial") as partial:
            signature = signature_of(plan.real)
            method, seen = take_snapshot(plan.real, partial, plan.timeout)
            sha256, contents = _verify(partial, plan, seen)
            manifest = _manifest(plan, partial, signature, method, sha256, contents, seen.journal_mode)
            final = plan.folder / plan.name
            os.link(str(partial), str(final))
        _files.write_whole(manifest_path(final), json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise SqliteError(f"Cannot write a backup to {plan.folder}: {error.strerror}") from error
    return {**manifest, "path": str(final), "manifest": str(manifest_path(final))}


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Give a temporary name, and leave nothing under it, nor any file that SQLite puts beside it."""
    try:
        yield path
    finally:
        for suffix in ("", *SIDECARS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(str(path) + suffix)


def manifest_path(backup: Path) -> Path:
    return backup.with_name(backup.name + ".json")


def _verify(partial: Path, plan: Plan, seen: Contents) -> Tuple[str, Contents]:
    """Sync, hash and check the copy at the same time: none of the three holds Python's lock for long."""
    results: Dict[str, Any] = {}
    failures: List[BaseException] = []
    tasks: Dict[str, Callable[[], Any]] = {
        "sync": lambda: _files.sync(partial),
        "sha256": lambda: _files.sha256_of(partial),
        "contents": lambda: _check_copy(partial, plan),
    }

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
    contents: Contents = results["contents"]
    if (contents.schema_sha256, contents.user_version) != (seen.schema_sha256, seen.user_version):
        raise SqliteError(f"The schema of {plan.real} changed while it was copied; take the backup again")
    return results["sha256"], contents


def _check_copy(partial: Path, plan: Plan) -> Contents:
    with connection(partial, plan.timeout, mode="ro", immutable=True) as copy:
        problem = "" if plan.verify == "none" else check(copy, plan.verify == "full")
        if problem:
            raise SqliteError(f"{plan.real} is damaged, so no backup was made of it: {problem}")
        return read_contents(copy)


def _manifest(
    plan: Plan,
    partial: Path,
    signature: Dict[str, List[int]],
    method: str,
    sha256: str,
    contents: Contents,
    journal_mode: str,
) -> Manifest:
    return {
        "format": FORMAT,
        "source": str(plan.real),
        "signature": signature,
        "size": partial.stat().st_size,
        "sha256": sha256,
        "created": plan.created.strftime(_CREATED),
        "release_id": plan.release_id,
        "method": method,
        "verified": plan.verify,
        **vars(contents),
        "journal_mode": journal_mode,
    }


def read_manifest(backup: Path) -> Manifest:
    """Return the manifest of a backup with its path. Raises SqliteError when there is none that can be read."""
    path = manifest_path(backup)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SqliteError(
            f"{backup} has no manifest {path.name} that can be read, so it is no backup of ours"
        ) from error
    if not known:
        raise SqliteError(f"{path} has another format than {FORMAT}; update the collection")
    return {**manifest, "path": str(backup), "manifest": str(path)}


def verify_backup(manifest: Manifest) -> str:
    """Return "" when a backup is what its manifest says, else what is wrong with it."""
    backup = Path(manifest["path"])
    try:
        size = backup.stat().st_size
        if size != manifest["size"]:
            return f"it has {size} bytes, its manifest says {manifest['size']}"
        if _files.sha256_of(backup) != manifest["sha256"]:
            return "its SHA-256 is not the one in its manifest"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return ""


def list_backups(folder: Path) -> List[Manifest]:
    """Return the manifests of the backups in a folder, oldest first; files without a readable one are not ours."""
    found = []
    for path in sorted(folder.glob("*.db.json")):
        with contextlib.suppress(SqliteError):
            found.append(read_manifest(path.with_name(path.name[: -len(".json")])))
    return sorted(found, key=lambda manifest: (manifest["created"], manifest["path"]))


def choose_to_remove(manifests: Sequence[Manifest], keep: Dict[str, int], protect: Sequence[str]) -> List[Manifest]:
    """Return the backups that no rule keeps; C(manifests) are oldest first.

    C(last) keeps that many of the newest, C(daily) and C(weekly) the newest of that many days and ISO weeks. Without a
    rule everything is kept.
    """
    if not keep:
        return []
    kept = {str(path) for path in protect}
    newest_first = list(reversed(manifests))
    kept.update(manifest["path"] for manifest in newest_first[: keep.get("last", 0)])
    for rule, pattern in (("daily", "%Y-%m-%d"), ("weekly", "%G-%V")):
        periods: Dict[str, str] = {}
        for manifest in newest_first:
            created = datetime.strptime(manifest["created"], _CREATED)
            periods.setdefault(created.strftime(pattern), manifest["path"])
        kept.update(list(periods.values())[: keep.get(rule, 0)])
    return [manifest for manifest in manifests if manifest["path"] not in kept]


def remove_backups(manifests: Sequence[Manifest]) -> None:
    """Delete backups, the manifest last, so that a half-deleted one is still known as ours. Raises SqliteError."""
    for manifest in manifests:
        try:
            for path in (manifest["path"], manifest["manifest"]):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
        except OSError as error:
            raise SqliteError(f"Cannot remove the backup {manifest['path']}: {error.strerror}") from error


def is_up_to_date(manifest: Manifest, real: Path) -> bool:
    """Say whether the database's files are still what they were before the backup was taken of them."""
    return bool(manifest["source"] == str(real) and manifest["signature"] == signature_of(real))


def parse_keep(keep: Dict[str, Any]) -> Dict[str, int]:
    """Return the rules of retention. Raises SqliteError for an unknown one or a number that is none."""
    for rule, number in keep.items():
        if rule not in ("last", "daily", "weekly"):
            raise SqliteError(f"keep has no rule {rule!r}; use last, daily and weekly")
        if not str(number).isdigit():
            raise SqliteError(f"keep.{rule} must be a whole number, not {number!r}")
    return {rule: int(number) for rule, number in keep.items()}
