# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch does to the database: its backup is brought up to the last committed write, or it is restored.

The work is done in watched children, which are stopped where the storage does not answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import AbstractSet, Any, Callable, Dict, Set

from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._host import watchdog
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import BackUp, Restore
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError

_RETURNED = ("restored", "reason", "set_aside", "differences", "lost")


@dataclass(frozen=True)
class Database:
    """The database and its backup. `timeout` is in seconds, `token` makes the names of new files unique.

    `restore` is auto, restore or keep, for a rollback.
    """

    path: str
    backup: str
    verify: str
    timeout: float
    release_id: str
    now: Callable[[], datetime]
    token: str
    restore: str = "auto"

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

    def plan_restore(self, is_checked: bool) -> Restore:
        only_if_changed = self.restore == "auto"
        return sqlite_api.plan_restore(
            self.backup, self.path, self.timeout, self.now(), self.token, only_if_changed, is_checked=is_checked
        )


def _watched(wanted: Database, work: Callable[[], Any]) -> Any:
    return watchdog.run_watched(lambda: sqlite_api.explained(work), wanted.timeout, SqliteError)


def check_backup(wanted: Database, move: Move, may_be_missing: bool) -> None:
    """Raise SqliteError when the backup is not there or could not be brought up to date, GivenUp when storage hangs."""

    if not wanted.backup:
        raise SqliteError("backup is needed to go forward; give the one that was taken while the app served")

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


def back_up(wanted: Database) -> str:
    """Bring the backup up to the last committed write, and return the path of what holds it. Raises as check_backup."""
    return str(
        _watched(wanted, lambda: sqlite_api.back_up(wanted.update, wanted.now(), wanted.token)["backup"]["path"])
    )


def holders(wanted: Database) -> Set[int]:
    """Return every process that has the database or a file next to it open."""
    return set(sqlite_api.find_holders(sqlite_api.resolve(Path(wanted.path))))


def will_restore(wanted: Database) -> bool:
    """Say whether a rollback judges the database; a release that took no backup left it alone."""
    return wanted.restore != "keep" and bool(wanted.backup)


def check_restore(wanted: Database, stopped_first: AbstractSet[int]) -> None:
    """Raise SqliteError for what could not be restored once `stopped_first` have ended, GivenUp when storage hangs."""

    def work() -> None:
        sqlite_api.refuse_hindrances(wanted.plan_restore(is_checked=False), stopped_first)

    if will_restore(wanted):
        _watched(wanted, work)


def restore(wanted: Database) -> Dict[str, Any]:
    """Restore the database where that is needed, and say what became of it. Raises as check_restore."""
    if not will_restore(wanted):
        return {}
    done = _watched(wanted, lambda: sqlite_api.restore(wanted.plan_restore(is_checked=True)))
    return {"restored": {name: done[name] for name in _RETURNED}}
