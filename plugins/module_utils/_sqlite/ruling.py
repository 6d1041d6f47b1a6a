# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of the database in a rollback: it is kept or restored, or a person must say which.

It is restored unasked only where the old code cannot use it **and** little is lost: shortly after the switch, or so few
rows that the user has allowed it. All of this is found out while the app still serves, and reads nothing that grows
with the database, unless a restore is near.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

from ansible_collections.greenlight.release.plugins.module_utils._sqlite import restore_plan, rows
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.compatibility import compatible_with_old
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    Contents,
    DamagedError,
    LockedError,
    SqliteError,
    connection,
    read_contents,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.inspection import (
    find_holders,
    is_unfinished,
    peeking,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import Manifest, created_at
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.restore_plan import Restore
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.schema import (
    LEDGERS,
    Schema,
    from_json,
    read_schema,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import describe_age

# Seconds that an inspection of a locked database may take while the app is still to be stopped.
_GLANCE = 1.0
# Up to this size a quick_check ends within a second.
_CHECKED_BYTES = 256 << 20
_MOST_REASONS = 3
KEEP = "greenlight_rollback_database=keep"


@dataclass(frozen=True)
class Bounds:
    """How much a restore may cost unasked. `within` and `age` are in seconds.

    `age` is that of the switch, None where the switch died before it could write its time down. `old_code` says how the
    old code failed with the migrated database when that was tried, empty where it ran, None where it was not tried.
    """

    within: int
    rows: int
    age: Optional[int]
    old_code: Optional[str] = None


@dataclass(frozen=True)
class Ruling:
    """Whether the database is restored, why, and what that costs, as far as it was counted.

    `question` is empty unless a person must decide. `differs` says that the database was seen to differ from
    the backup.
    """

    restores: bool
    reason: str
    question: str = ""
    differences: rows.Differences = field(default_factory=dict)
    differs: bool = False

    @property
    def lost(self) -> str:
        return rows.describe_loss(self.differences)


@dataclass(frozen=True)
class _Seen:
    """What a glance at the live database showed; `problem` says what is wrong with it."""

    problem: str
    contents: Optional[Contents] = None
    schema: Optional[Schema] = None


def rule(wanted: Restore, bounds: Optional[Bounds], with_rows: bool = False, alone: bool = False) -> Optional[Ruling]:
    """Return what is to become of the database, None where that cannot be known as long as the app runs.

    Without bounds a restore was asked for. `with_rows` counts what it costs even where that decides nothing. `alone`
    says that the app has stopped. Raises SqliteError where a restore is needed and its backup is not fit.
    """
    if bounds is None:
        _check_backup(wanted)
        return Ruling(True, "a restore was asked for", "", _compare(wanted) or {} if with_rows else {})
    if is_unfinished(wanted.real) and not alone:
        return None
    try:
        seen = _glance(wanted, alone)
    except LockedError:
        if alone:
            raise
        return None
    reason = _reason_to_restore(seen, wanted.manifest)
    if not reason:
        if seen.contents and not restore_plan.schema_changed(seen.contents, wanted.manifest):
            return Ruling(False, "the schema is that of the backup")
        if not bounds.old_code:
            proven = "" if bounds.old_code is None else ", and was seen to run with it"
            return Ruling(False, f"the old code can use the schema, which was only added to{proven}")
        reason = f"the schema changed, and the old code did not run with it: {bounds.old_code}"
    if seen.contents:
        restore_plan.refuse_other_application(seen.contents, wanted)
    _check_backup(wanted)
    return _weigh(wanted, bounds, reason, with_rows)


def _check_backup(wanted: Restore) -> None:
    try:
        restore_plan.check_backup(wanted)
    except SqliteError as error:
        raise SqliteError(f"{error}; or leave the database as it is with -e {KEEP}") from error


def _glance(wanted: Restore, alone: bool) -> _Seen:
    """Look at the live database; alone with it, SQLite may finish first what a killed process left."""
    if not wanted.real.exists():
        return _Seen("it does not exist")
    try:
        with (
            connection(wanted.real, wanted.timeout) if alone else peeking(wanted.real, min(wanted.timeout, _GLANCE))
        ) as opened:
            contents, schema, problem = read_contents(opened, with_rows=False), read_schema(opened), ""
            disturbs = contents.journal_mode != "wal" and find_holders(wanted.real)
            if wanted.real.stat().st_size <= _CHECKED_BYTES and not disturbs:
                # A table that only a newer SQLite can read is not damaged.
                with contextlib.suppress(SqliteError):
                    problem = check(opened, thoroughly=False).problem
    except DamagedError as error:
        return _Seen(str(error))
    return _Seen(problem, None if problem else contents, schema)


def _reason_to_restore(seen: _Seen, manifest: Manifest) -> str:
    if not seen.contents or not seen.schema:
        return f"the live database is not sound: {seen.problem}"
    if manifest["schema"] is None:
        changed = restore_plan.schema_changed(seen.contents, manifest)
        return "the schema changed since the backup, whose manifest does not say how" if changed else ""
    # The same schema may hold a migration that changed only data.
    reasons = compatible_with_old(from_json(manifest["schema"]), seen.schema)
    if not reasons:
        return ""
    return f"the schema changed since the backup, and the old code cannot use it: {_shorten(reasons)}"


def _shorten(reasons: List[str]) -> str:
    more = len(reasons) - _MOST_REASONS
    return "; ".join(reasons[:_MOST_REASONS]) + (f"; and {more} more" if more > 0 else "")


def _weigh(wanted: Restore, bounds: Bounds, reason: str, with_rows: bool) -> Ruling:
    age = _longest_age(wanted, bounds)
    is_young = age is not None and age <= bounds.within
    if is_young and not with_rows:
        return Ruling(True, reason)
    differences = _compare(wanted)
    number = None if differences is None else count_lost(differences)
    if is_young or not wanted.real.exists() or (number is not None and number <= bounds.rows):
        return Ruling(True, reason, "", differences or {})
    return Ruling(False, reason, _ask(wanted, bounds, reason, differences), differences or {})


def _longest_age(wanted: Restore, bounds: Bounds) -> Optional[int]:
    """Return how many seconds ago the switch was at most: its backup came first. None where the clock was set back."""
    if bounds.age is not None:
        return bounds.age
    since_backup = int((wanted.now - created_at(wanted.manifest)).total_seconds())
    return since_backup if since_backup >= 0 else None


def _compare(wanted: Restore) -> Optional[rows.Differences]:
    """Return the rows in which the live database and the backup differ, None where they cannot be read."""
    if not wanted.real.exists():
        return None
    try:
        with restore_plan.plain_backup(wanted) as backup, peeking(wanted.real, wanted.timeout) as opened:
            return rows.compare_rows(opened, backup)
    except (DamagedError, LockedError):
        return None


def count_lost(differences: rows.Differences) -> Optional[int]:
    """Return how many rows a restore undoes, those of the ledgers of migrations aside; None where that is not known."""
    tables = [counts for table, counts in differences.items() if table.lower() not in LEDGERS]
    if any("newer" not in counts for counts in tables):
        return None
    return sum(counts["newer"] + counts["changed"] + counts["gone"] for counts in tables)


def _ask(wanted: Restore, bounds: Bounds, reason: str, differences: Optional[rows.Differences]) -> str:
    age = _longest_age(wanted, bounds)
    less = "less than " if bounds.age is None else ""
    when = "at an unknown time" if age is None else f"{less}{describe_age(age)} ago"
    lost = "rows that cannot be counted" if differences is None else rows.describe_loss(differences) or "nothing"
    return (
        f"A person must decide what becomes of {wanted.real}: {reason}. The switch was {when}. To restore the backup "
        f"of {wanted.manifest['created']} would undo: {lost}. Run greenlight.release.rollback with "
        "-e greenlight_rollback_database=restore to restore it and to set aside what it replaces, or with "
        f"-e {KEEP} to keep every row and start the old code on the database as it is."
    )


def has_schema(real: Path, timeout: float, sha256: str, user_version: int) -> bool:
    """Say whether the schema of a live database is a known one, without its backup; False where that is not known."""
    try:
        with peeking(real, min(timeout, _GLANCE)) as opened:
            found = read_contents(opened, with_rows=False)
    except SqliteError:
        return False
    return (found.schema_sha256, found.user_version) == (sha256, user_version)
