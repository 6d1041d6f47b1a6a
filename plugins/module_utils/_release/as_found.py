# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing a release as it is, for a person who has put the host right by hand: what is true now, and what comes next.

What could not be found out is told as that. It never stops the closing, or a record could not be closed at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import show

OUTCOME = "closed_as_is"
# The releases that a person can mend by hand. What is over in another way needs no closing.
_MENDED = ("in_progress", "watching", "failed")
_DEPLOY, _OVER_ILL = "run greenlight.release.deploy", "with greenlight_allow_unhealthy_baseline=true"


@dataclass(frozen=True)
class Looks:
    """What the modules returned that looked at the host, or their failures; `{}` for one that did not run."""

    head: Mapping[str, Any]
    process: Mapping[str, Any]
    health: Mapping[str, Any]
    backups: Mapping[str, Any]
    database: Mapping[str, Any]


def close_as_found(record: Optional[Mapping[str, Any]], looks: Looks, check_mode: bool) -> Dict[str, Any]:
    """Return `{closes, found, message}`. `record` is the newest release that was not aborted, None without one."""
    if record is None:
        return {"closes": False, "found": {}, "message": "No release is on record, so there is nothing to close"}
    if record["status"] not in _MENDED:
        message = f"Release {record['id']} is {record['status']} already, so there is nothing to close"
        return {"closes": False, "found": {}, "message": message}
    found = _describe(looks)
    verb = "would be closed" if check_mode else "is closed"
    message = f"Release {record['id']} {verb} as it is: {_tell(found)}. Next, {_choose_next(found)}"
    return {"closes": True, "found": found, "message": message}


def _describe(looks: Looks) -> Dict[str, Any]:
    """Return what is true of the host. A `problem` is empty where all is well."""
    database = looks.database.get("database", {})
    backups = looks.backups.get("backups", [])
    sound = [backup["path"] for backup in backups if backup["sound"]]
    return {
        "revision": looks.head.get("sha"),
        "process_problem": _problem_of(looks.process, looks.process.get("ready", False)),
        "health_problem": _problem_of(looks.health, looks.health.get("healthy", False)),
        "database_problem": _problem_of(database or looks.database, database.get("sound", False)),
        "backups": len(sound),
        "newest_backup": sound[-1] if sound else None,
        "unsound_backups": len(backups) - len(sound),
    }


def _problem_of(said: Mapping[str, Any], is_well: bool) -> str:
    return "" if is_well else show(str(said.get("reason") or said.get("msg") or "it could not be looked at"))


def _tell(found: Mapping[str, Any]) -> str:
    problems = [
        f"the {name} does not {verb}: {found[f'{key}_problem']}" if found[f"{key}_problem"] else good
        for key, name, verb, good in (
            ("process", "process", "run as it should", "the process is online"),
            ("health", "app", "serve", "the app serves"),
            ("database", "database", "check out", "the database is sound"),
        )
    ]
    code = f"the code is {found['revision']}" if found["revision"] else "nobody can say which revision the code is"
    newest = f"{found['backups']}, the newest is {found['newest_backup']}" if found["backups"] else "none"
    unsound = f", and {found['unsound_backups']} that are not sound" if found["unsound_backups"] else ""
    return "; ".join([code, *problems, f"sound backups: {newest}{unsound}"])


def _choose_next(found: Mapping[str, Any]) -> str:
    """Return the command that a person runs next."""
    first: List[str] = []
    if found["database_problem"] and found["newest_backup"]:
        first = [f"stop the app, restore {found['newest_backup']} with greenlight.release.sqlite_backup, and then"]
    elif found["database_problem"]:
        first = ["put the database right, and then"]
    ill = found["process_problem"] or found["health_problem"] or first
    return " ".join([*first, _DEPLOY, *([_OVER_ILL] if ill else [])])
