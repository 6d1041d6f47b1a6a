# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as modules want them: taken or brought up to date, restored, and removed when no rule keeps them.

Everything here returns values of JSON, so that it can be the work of a watched child.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup as sqlite_backup
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import (
    backup_plan,
    database,
    drill,
    inspection,
    newest,
    off_host,
    restore_plan,
    rows,
    ruling,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import manifest as sqlite_manifest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import merge as sqlite_merge
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import online as sqlite_online
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import restore as sqlite_restore
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import stage as sqlite_stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import update as sqlite_update
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.backup_plan import BackupPlan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import Manifest

Result = TypeVar("Result")

Restore = restore_plan.Restore
Bounds = ruling.Bounds
Ruling = ruling.Ruling
real_database, resolve, inspect = database.real_database, database.resolve, inspection.inspect
remove_with_sidecars = database.remove_with_sidecars
find_holders, refuse_hindrances = inspection.find_holders, restore_plan.refuse_hindrances
refuse_lack_of_space = restore_plan.refuse_lack_of_space
rule, has_schema, KEEP = ruling.rule, ruling.has_schema, ruling.KEEP
Copying = off_host.Copying
copy_off_host = off_host.copy
Drill = drill.Drill
drill_newest, clear_drill = drill.drill, drill.clear
describe_newest = newest.describe_newest


@dataclass(frozen=True)
class Retention:
    """Which backups are kept: rules, and the paths of others. `needed` returns more paths, and is asked last."""

    keep: Mapping[str, Any] = field(default_factory=dict)
    protect: Sequence[str] = ()
    needed: Callable[[], Sequence[str]] = tuple


@dataclass(frozen=True)
class BackUp:
    """A backup of `path` in `dest`; `update` is one to be brought up to date. See `sqlite_backup` for the rest."""

    path: str
    dest: str
    update: Optional[str] = None
    verify: str = "quick"
    timeout: float = 60
    release_id: str = ""
    compression: str = "none"
    owner: Optional[str] = None
    group: Optional[str] = None
    mode: Any = "0600"
    retention: Retention = Retention()


def explained(work: Callable[[], Result]) -> Result:
    """Do some work, and raise what the system refused as SqliteError."""
    try:
        return work()
    except OSError as error:
        raise database.SqliteError(files.told(error)) from error
    except trust.TrustError as error:
        raise database.SqliteError(str(error)) from error


def is_intact(backup: str) -> bool:
    """Say whether a backup is what its manifest says. Raises SqliteError."""
    return sqlite_manifest.is_there(sqlite_manifest.read_manifest(Path(backup)))


def unpack(backup: str, target: Path, timeout: float) -> None:
    """Make a new database file, mode 0600, of what a backup holds. Raises SqliteError, OSError."""
    sqlite_stage.stage(target, sqlite_manifest.read_manifest(Path(backup)), timeout)


def schema_cookie(path: Path, timeout: float) -> int:
    """Return the number that SQLite changes with every change of the schema. Raises SqliteError.

    https://www.sqlite.org/pragma.html#pragma_schema_version
    """
    with database.connection(database.real_database(path), timeout, mode="ro") as opened:
        return int(opened.execute("PRAGMA schema_version").fetchone()[0])


def describe_backups(folder: Path, timeout: float) -> List[Dict[str, Any]]:
    """Return the manifests of all backups in a folder, and of each whether it is sound, and why it is not."""
    manifests, unreadable = sqlite_manifest.read_folder(folder)
    problems = [sqlite_manifest.verify_backup(manifest, timeout) for manifest in manifests]
    found = [{**_shown(known), "sound": not problem, "reason": problem} for known, problem in zip(manifests, problems)]
    return [*found, *({"path": path, "sound": False, "reason": why} for path, why in unreadable.items())]


def take_warnings(result: Dict[str, Any]) -> List[str]:
    """Take out of a result what a user should know of it though it is no error, and return that."""
    unknown = result.get("backup", {}).get("unknown", [])
    parts = [
        f"The database uses the {each} of the app, so the backup could be checked only in part." for each in unknown
    ]
    waiting = result.pop("waiting", "")
    return [*([waiting] if waiting else []), *parts]


def back_up(wanted: BackUp, now: datetime, token: str, check_mode: bool = False) -> Dict[str, Any]:
    """Take a backup unless the known one is up to date, and remove what is not kept. Raises SqliteError, OSError."""
    done = _back_up(wanted, now, token, check_mode)
    # With `update` the app has stopped, so nobody waits.
    return {**done, "waiting": "" if wanted.update else inspection.describe_waiting(Path(wanted.path))}


def _back_up(wanted: BackUp, now: datetime, token: str, check_mode: bool) -> Dict[str, Any]:
    keep = sqlite_manifest.parse_keep(dict(wanted.retention.keep))
    real = database.real_database(Path(wanted.path))
    known = known_backup(wanted)
    if known and sqlite_backup.is_up_to_date(known, real):
        removed = _prune(wanted, keep, Path(known["path"]).parent, known, check_mode)
        shown = _shown(known)
        return {"changed": bool(removed), "backup": shown, "removed": removed, "before": shown}
    plan, update = plan_backup(wanted, now, token)
    before = _newest_of(plan.final.parent, str(real))
    if check_mode:
        return _predict(wanted, keep, plan, update, known, before)
    manifest = (update and known and sqlite_update.update_backup(update, known)) or sqlite_backup.make_backup(plan)
    removed = _prune(wanted, keep, plan.final.parent, manifest, check_mode)
    return {"changed": True, "backup": _shown(manifest), "removed": removed, "before": before}


def _shown(manifest: Manifest) -> Manifest:
    """Return what a user is shown of a manifest: the schema of a large app would be most of it."""
    return {name: value for name, value in manifest.items() if name != "schema"}


def plan_backup(wanted: BackUp, now: datetime, token: str) -> Tuple[BackupPlan, Optional[BackupPlan]]:
    """Return the plan of a whole backup, and of the update where one is asked for. Raises SqliteError."""
    plan = backup_plan.plan_backup(
        Path(wanted.path),
        wanted.dest,
        now,
        token,
        verify=wanted.verify,
        timeout=wanted.timeout,
        release_id=wanted.release_id,
        compression=wanted.compression,
        access=backup_plan.parse_access(wanted.owner, wanted.group, wanted.mode),
    )
    return plan, backup_plan.plan_update(plan, wanted.dest) if wanted.update else None


def _predict(
    wanted: BackUp,
    keep: Dict[str, int],
    plan: BackupPlan,
    update: Optional[BackupPlan],
    known: Optional[Manifest],
    before: Manifest,
) -> Dict[str, Any]:
    if not update:
        backup_plan.refuse_lack_of_space(plan)
    made: Manifest = {
        "path": str((update or plan).final),
        "created": plan.created.strftime(sqlite_manifest.CREATED),
        "base": (known["base"] or Path(known["path"]).name) if update and known else None,
    }
    removed = _prune(wanted, keep, plan.final.parent, made, True)
    return {"changed": True, "backup": {"path": made["path"]}, "removed": removed, "before": before}


def known_backup(wanted: BackUp) -> Optional[Manifest]:
    """Return the manifest of the backup that may be up to date already: the one to be updated, or the file to be made.

    Raises SqliteError.
    """
    if wanted.update:
        return sqlite_manifest.read_manifest(Path(wanted.update))
    dest = Path(wanted.dest)
    return sqlite_manifest.read_manifest(dest) if dest.is_file() else None


def _newest_of(folder: Path, real: str) -> Manifest:
    manifests = [manifest for manifest in sqlite_manifest.list_backups(folder) if manifest["source"] == real]
    manifests = [manifest for manifest in manifests if not sqlite_manifest.is_set_aside(manifest)]
    return _shown(manifests[-1]) if manifests else {}


def _prune(wanted: BackUp, keep: Dict[str, int], folder: Path, made: Manifest, check_mode: bool) -> List[str]:
    source = str(database.resolve(Path(wanted.path)))
    return prune(source, keep, wanted.retention, folder, made, check_mode)


def prune(
    wanted: Optional[str],
    keep: Dict[str, int],
    retention: Retention,
    folder: Path,
    made: Optional[Manifest],
    check_mode: bool,
) -> List[str]:
    """Remove what no rule keeps, and return the paths.

    `wanted` is the database whose backups are meant, None for all. `made` is the manifest of the backup that was just
    taken. While another run works in the folder nothing is removed; the next run does that.
    """
    protect = [*retention.protect, *retention.needed(), *([made["path"]] if made else [])]
    protect = [str(database.resolve(Path(path))) for path in protect]
    alone_in: ContextManager[bool] = contextlib.nullcontext(True) if check_mode else sqlite_backup.alone_in(folder)
    with alone_in as alone:
        found = sqlite_manifest.list_backups(database.resolve(folder)) if alone else []
        backups = [backup for backup in found if sqlite_manifest.is_there(backup)]
        if made and made["path"] not in [backup["path"] for backup in backups]:
            backups.append({**made, "source": wanted, "path": str(database.resolve(Path(made["path"])))})
        chosen: List[Manifest] = []
        for source in sorted({backup["source"] for backup in backups} if wanted is None else {wanted}):
            mine = [backup for backup in backups if backup["source"] == source]
            # What was set aside takes the place of no backup.
            for each in (False, True):
                same = [backup for backup in mine if sqlite_manifest.is_set_aside(backup) == each]
                chosen += sqlite_manifest.choose_to_remove(same, keep, [*protect, *_inside(same, protect)])
        if not check_mode:
            sqlite_manifest.remove_backups(chosen)
    return [backup["path"] for backup in chosen]


def _inside(backups: Sequence[Manifest], folders: Sequence[str]) -> List[str]:
    """Return what was set aside in one of these folders."""
    return [backup["path"] for backup in backups if str(Path(backup["path"]).parent) in folders]


def plan_restore(
    src: str,
    path: str,
    timeout: float,
    now: datetime,
    token: str,
    only_if_changed: bool = False,
    force: bool = False,
    set_aside: Optional[str] = None,
    is_checked: bool = False,
) -> Restore:
    """Return what is to be restored, the backup checked unless that was done already. Raises SqliteError."""
    manifest = sqlite_manifest.read_backup(database.resolve(Path(src)))
    backup = Path(manifest["path"])
    own = backup.parent.parent if sqlite_manifest.is_set_aside(manifest) else backup.parent
    aside = Path(set_aside or own).absolute()
    real = database.own_file(Path(path))
    wanted = Restore(real, manifest, aside, timeout, now, token, only_if_changed, force)
    if not is_checked:
        restore_plan.check_backup(wanted)
    return wanted


def restore(wanted: Restore, online: bool = False, check_mode: bool = False) -> Dict[str, Any]:
    """Put a backup that was checked in the place of the database, where that is needed. Raises SqliteError, OSError."""
    if check_mode:
        done = restore_plan.predict(wanted, online)
    elif online:
        done = sqlite_online.restore_online(wanted)
    else:
        done = sqlite_restore.restore(wanted)
    return {**done, "backup": _shown(wanted.manifest)}


def prepare_restore(wanted: Restore) -> bool:
    """Do what of a restore can be done while the app serves, and return whether the database differs from the backup.

    Raises SqliteError, OSError.
    """
    return sqlite_restore.prepare(wanted)


def count_lost(wanted: Restore, set_aside: str) -> Dict[str, Any]:
    """Return which rows a restore has undone, by what it set aside. Raises SqliteError, OSError."""
    differences = sqlite_restore.compare_set_aside(wanted, Path(set_aside))
    return {"differences": differences, "lost": rows.describe_loss(differences)}


def merge(src: str, wanted: BackUp, now: datetime, token: str, check_mode: bool) -> Dict[str, Any]:
    """Put the rows of a backup that are missing into the live database, after a backup of that.

    The keys of conflicts are written to a private file next to that backup. Raises SqliteError, OSError.
    """
    real = database.real_database(Path(wanted.path))
    planned = plan_restore(src, wanted.path, wanted.timeout, now, token)
    # What is only counted may be read where it lies; what is put in is a copy of what was verified.
    give = restore_plan.plain_backup if check_mode else restore_plan.staged_backup
    with give(planned) as aside:
        found = sqlite_merge.predict(real, aside, wanted.timeout)
        made: Dict[str, Any] = {}
        if found["merged"] and not check_mode:
            made = back_up(wanted, now, token)["backup"]
            found = sqlite_merge.merge(real, aside, wanted.timeout)
    conflicts = found["conflicts"]
    file = Path(made["path"] + ".conflicts") if made and conflicts else None
    if file:
        files.write_whole(file, json.dumps(conflicts, indent=2, sort_keys=True) + "\n")
    counts = {table: len(keys) for table, keys in conflicts.items()}
    told = {"conflicts": counts, "conflicts_file": str(file) if file else None, "backup": made}
    return {**found, **told, "changed": bool(found["merged"])}


def remove(dest: str, wanted: Optional[str], retention: Retention, check_mode: bool) -> Dict[str, Any]:
    """Remove what no rule keeps from a folder of backups. Raises SqliteError, OSError."""
    keep = sqlite_manifest.parse_keep(dict(retention.keep))
    source = str(database.resolve(Path(wanted))) if wanted else None
    removed = prune(source, keep, retention, Path(dest), None, check_mode)
    return {"changed": bool(removed), "removed": removed}


def diff_of(result: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the diff: of manifests when a backup was taken, and of rows when one was restored."""
    if "merged" in result:
        return {"before": {}, "after": result["merged"]}
    if "restored" in result:
        counts = result["differences"] if result["restored"] else {}
        before, after = ({table: counts[table][side] for table in counts} for side in ("live", "backup"))
        return {"before": before, "after": after}
    gone = dict.fromkeys(result["removed"], "removed")
    if "backup" not in result:
        return {"before": dict.fromkeys(result["removed"], "kept"), "after": gone}
    return {"before": result["before"], "after": {**result["backup"], **gone}}
