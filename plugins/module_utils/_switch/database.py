# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch does to the database: its backup is brought up to the last committed write, or it is restored.

The work is done in watched children, which are stopped where the storage does not answer.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import AbstractSet, Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._host import proc, watchdog
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import BackUp, Bounds, Restore, Ruling
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError

_RETURNED = ("restored", "reason", "set_aside", "differences", "lost", "question")
_CAREFUL = Bounds(0, 0, None)
_FOR_ONE = "To answer for one database alone, set its rollback in greenlight_databases."
_THE_SAME = "its schema is that of the backup, which is gone"


@dataclass(frozen=True)
class Database:
    """The database and its backup. `timeout` is in seconds, `token` makes the names of new files unique.

    For a rollback `restore` is auto, restore or keep, `bounds` limits what auto may cost, and `schema` is the hash and
    the `user_version` of the schema in the backup, as the release record has them. `restored` is what an interrupted
    rollback has noted of it, empty where it was not restored. `noted` is all that the record has of it.
    """

    path: str
    backup: str
    verify: str
    timeout: float
    release_id: str
    now: Callable[[], datetime]
    token: str
    restore: str = "auto"
    bounds: Bounds = _CAREFUL
    schema: Optional[Tuple[str, int]] = None
    restored: Mapping[str, Any] = field(default_factory=dict)
    noted: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fact(self) -> Dict[str, Any]:
        """What the release record knows of it."""
        schema = list(self.schema) if self.schema else None
        known = {"path": self.path, "backup": self.backup, "schema": schema, "restored": dict(self.restored)}
        return {**self.noted, **{name: value for name, value in known.items() if value}}

    @property
    def update(self) -> BackUp:
        """The wanted backup, an updated copy of the existing one."""
        return BackUp(
            self.path,
            str(Path(self.backup).parent),
            self.backup,
            verify=self.verify,
            timeout=self.timeout,
            release_id=self.release_id,
        )

    def plan_restore(self, why: str, differs: bool = False) -> Restore:
        """Return the plan of a restore. The backup is checked when it is ruled whether that is needed."""
        where = (self.backup, self.path, self.timeout)
        planned = sqlite_api.plan_restore(*where, self.now(), self.token, is_checked=True)
        return replace(planned, why=why, differs=differs)


def _watched(wanted: Database, work: Callable[[], Any]) -> Any:
    return watchdog.run_watched(lambda: sqlite_api.explained(work), wanted.timeout, SqliteError)


def check_backup(wanted: Database, move: Move, may_be_missing: bool) -> None:
    """Raise SqliteError when the backup is not there or could not be brought up to date, GivenUp when storage hangs."""

    if not wanted.backup:
        raise SqliteError(
            f"a backup is needed to go forward; give the one of {wanted.path} that was taken while the app served"
        )

    def work() -> None:
        _refuse_inside(sqlite_api.real_database(Path(wanted.path)), move)
        if may_be_missing and not Path(wanted.backup).exists():
            return
        if not sqlite_api.is_intact(wanted.backup):
            raise SqliteError(f"The backup {wanted.backup} is not what it was; take it again")
        sqlite_api.plan_backup(wanted.update, wanted.now(), wanted.token)

    _watched(wanted, work)


def _refuse_inside(database: Path, move: Move) -> None:
    """Raise SqliteError for a database in what a release replaces: the next one would begin with an empty one."""
    replaced = [move.app_path / path for path in move.built_paths]
    if move.kind == "releases":
        replaced = [move.app_path / "releases", move.app_path / "repository"]
    for folder in replaced:
        if sqlite_api.resolve(folder) in database.parents:
            raise SqliteError(f"The database {database} lies in {folder}, which a release replaces; move it elsewhere")


def back_up(wanted: Database) -> Dict[str, Any]:
    """Bring the backup up to the last committed write, and return facts for the record. Raises as check_backup.

    The schema of the backup stays known when the backup is gone.
    """
    made = _watched(wanted, lambda: sqlite_api.back_up(wanted.update, wanted.now(), wanted.token)["backup"])
    return {"backup": str(made["path"]), "schema": [made["schema_sha256"], made["user_version"]]}


def holders(every: Sequence[Database]) -> Set[int]:
    """Return each process that has one of the databases or a file next to it open."""
    return {pid for each in every for pid in sqlite_api.find_holders(sqlite_api.resolve(Path(each.path)))}


def refuse_strangers(every: Sequence[Database], stopped_first: AbstractSet[int], allowed: Sequence[str]) -> None:
    """Raise SqliteError for a process that would have one of the databases open while they are migrated.

    `stopped_first` will have ended by then, and `allowed` are names of programs that do no harm.
    """
    for each in every:
        _refuse_strangers_of(sqlite_api.resolve(Path(each.path)), stopped_first, allowed)


def _refuse_strangers_of(real: Path, stopped_first: AbstractSet[int], allowed: Sequence[str]) -> None:
    found = sqlite_api.find_holders(real)
    strangers = {pid: name for pid, name in found.items() if pid not in stopped_first and name not in allowed}
    if strangers:
        raise SqliteError(
            f"{real} is open in process {proc.describe(strangers)}, which is not stopped for the migration; end it, "
            "list it in greenlight_processes, or name it in greenlight_allowed_holders"
        )


def check_restores(
    every: Sequence[Database], stopped_first: AbstractSet[int], is_rehearsal: bool
) -> List[Optional[Ruling]]:
    """Return what is to become of each database, as check_restore does, and prepare what is to be restored.

    Raises as check_restore, with all that there is to say.
    """
    rulings: List[Optional[Ruling]] = []
    problems: List[str] = []
    for each in every:
        try:
            rulings.append(check_restore(each, stopped_first, is_rehearsal))
        except SqliteError as error:
            problems.append(str(error))
    if problems and len(every) > 1:
        problems.append(_FOR_ONE)
    if problems:
        raise SqliteError(" ".join(problems))
    restored = [each for each, ruling in zip(every, rulings) if ruling and ruling.restores]
    if len(restored) > 1:
        # Each has room alone.
        _watched(restored[0], lambda: sqlite_api.refuse_lack_of_space(*(each.plan_restore("") for each in restored)))
    # Nothing is written for one as long as another may be refused.
    return rulings if is_rehearsal else [_prepare(each, ruling) for each, ruling in zip(every, rulings)]


def _prepare(wanted: Database, ruling: Optional[Ruling]) -> Optional[Ruling]:
    """Do what of a restore can be done while the app serves, and return the ruling with what that showed."""
    if ruling is None or not ruling.restores:
        return ruling
    return replace(ruling, differs=_watched(wanted, lambda: sqlite_api.prepare_restore(wanted.plan_restore(""))))


def check_restore(wanted: Database, stopped_first: AbstractSet[int], is_rehearsal: bool) -> Optional[Ruling]:
    """Return what is to become of the database, None where only the stop of the app will show it.

    Raises SqliteError where a person must decide, and for what could not be restored once `stopped_first` have ended,
    GivenUp when storage hangs. In a rehearsal a question is no error, and what a restore would cost is counted.
    """
    if wanted.restore == "keep":
        return Ruling(False, "it was asked to keep it")
    if not wanted.backup:
        return Ruling(False, "the release took no backup of it")

    def work() -> Optional[Dict[str, Any]]:
        planned = _plan_unless_needless(wanted)
        ruling = sqlite_api.rule(planned, _bounds_of(wanted), is_rehearsal) if planned else Ruling(False, _THE_SAME)
        if ruling and ruling.question and not is_rehearsal:
            raise SqliteError(ruling.question)
        if planned and (ruling is None or ruling.restores):
            sqlite_api.refuse_hindrances(planned, stopped_first)
        return asdict(ruling) if ruling else None

    found = _watched(wanted, work)
    return Ruling(**found) if found else None


def _bounds_of(wanted: Database) -> Optional[Bounds]:
    return wanted.bounds if wanted.restore == "auto" else None


def _plan_unless_needless(wanted: Database) -> Optional[Restore]:
    """Return what would be restored; None for a backup that is gone and is not needed."""
    try:
        return wanted.plan_restore("")
    except SqliteError as error:
        if (
            wanted.restore == "auto"
            and wanted.schema
            and sqlite_api.has_schema(sqlite_api.resolve(Path(wanted.path)), wanted.timeout, *wanted.schema)
        ):
            return None
        raise SqliteError(f"{error}; or leave the database as it is with -e {sqlite_api.KEEP}") from error


def restore(wanted: Database, ruling: Optional[Ruling]) -> Dict[str, Any]:
    """Do what was ruled while the app served, and say what became of the database. Raises as check_restore.

    What could not be known before is ruled now. The app is stopped, so nobody is asked: the database is kept.
    """

    def work() -> Dict[str, Any]:
        ruled = ruling or sqlite_api.rule(wanted.plan_restore(""), _bounds_of(wanted), alone=True)
        if ruled is None or not ruled.restores:
            return describe(ruled)
        return {**describe(ruled), **sqlite_api.restore(wanted.plan_restore(ruled.reason, ruled.differs))}

    with contextlib.suppress(FileNotFoundError):
        # Never closed: the filesystem frees a replaced file when this process ends, which takes long for a large one.
        os.open(str(sqlite_api.resolve(Path(wanted.path))), os.O_PATH | os.O_NOFOLLOW)
    done = describe(ruling) if ruling and not ruling.restores else _watched(wanted, work)
    return {name: done[name] for name in _RETURNED}


def count_lost(wanted: Database, restored: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what is known of a restore, with the rows that it has undone; {} where nothing was replaced.

    Raises as check_restore.
    """
    if not (restored["restored"] and restored["set_aside"]):
        return {}

    def work() -> Dict[str, Any]:
        return sqlite_api.count_lost(wanted.plan_restore(""), restored["set_aside"])

    return {**restored, **_watched(wanted, work)}


def describe(ruling: Optional[Ruling]) -> Dict[str, Any]:
    """Return what a ruling means for the database, as a restore says it."""
    if ruling is None:
        ruling = Ruling(False, "only the stop of the app shows whether it is restored")
    return {
        "restored": ruling.restores,
        "reason": ruling.reason,
        "set_aside": None,
        "differences": ruling.differences,
        "lost": ruling.lost,
        "question": ruling.question,
    }
