# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases of a release, read from the options of the module and the release record."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Callable, Mapping, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._release import databases
from ansible_collections.greenlight.release.plugins.module_utils._release.databases import DatabasesError
from ansible_collections.greenlight.release.plugins.module_utils._release.record import parse_time
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Bounds
from ansible_collections.greenlight.release.plugins.module_utils._switch.database import Database
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import SwitchError
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import DurationError, parse_duration

# What may be meant for one database alone.
_POLICY = ("rollback", "restore_within", "restore_loses_at_most", "verify")


def read(
    params: Mapping[str, Any], record: Mapping[str, Any], is_rollback: bool, now: Callable[[], datetime], token: str
) -> Tuple[Database, ...]:
    """Return the databases of the release. Raises SwitchError for options that do not fit them."""
    known, backups = databases.of_facts(record["facts"]), params["backups"] or []
    if backups and len(backups) != len(known):
        raise SwitchError(f"backups must name one of each of {len(known)} databases, not {len(backups)}", "check")
    try:
        own = {each["path"]: each for each in databases.parse("", params["databases"])}
    except DatabasesError as error:
        raise SwitchError(str(error), "check") from error
    return tuple(
        _database(
            {**params, **(own.get(each["path"]) or {name: each[name] for name in _POLICY if name in each})},
            record,
            {**each, "backup": backups[number]} if backups and not is_rollback else each,
            now,
            # Two databases may have the same name, and their backups lie in the same folder.
            f"{token}{number or ''}",
        )
        for number, each in enumerate(known)
    )


def _database(
    params: Mapping[str, Any],
    record: Mapping[str, Any],
    known: Mapping[str, Any],
    now: Callable[[], datetime],
    token: str,
) -> Database:
    restored = known.get("restored", {})
    policy = params.get("rollback", params["database"])
    return Database(
        known["path"],
        known.get("backup", ""),
        params.get("verify", params["backup_verify"]),
        params["backup_timeout"],
        record["id"],
        now,
        token,
        # A resumed rollback must not restore the same backup twice: users have written since.
        "auto" if policy == "restore" and restored.get("restored") else policy,
        _bounds(params, record, now()),
        tuple(known["schema"]) if known.get("schema") else None,
        restored,
        known,
    )


def _bounds(params: Mapping[str, Any], record: Mapping[str, Any], now: datetime) -> Bounds:
    """Return what a restore may cost that nobody asked for. Raises SwitchError for a wrong option."""
    if params["restore_loses_at_most"] < 0:
        raise SwitchError(f"restore_loses_at_most must be 0 or more, not {params['restore_loses_at_most']}", "check")
    try:
        within = parse_duration(params["restore_within"])
    except DurationError as error:
        raise SwitchError(f"restore_within: {error}", "check") from error
    # While a migration ran nobody was served.
    began = record["facts"].get("migrated_at") or record["switched_at"]
    age = int((now - parse_time(began)).total_seconds()) if began else None
    return Bounds(within, params["restore_loses_at_most"], age, record["facts"].get("old_code"))
