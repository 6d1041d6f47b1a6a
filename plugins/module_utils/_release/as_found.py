# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing a release as it is, for a person who has put the host right by hand: what is true now, and what comes next.

What could not be found out is told as that. It never stops the closing, or a record could not be closed at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import show

OUTCOME = "closed_as_is"
# The releases that a person can mend by hand. What is over in another way needs no closing.
_MENDED = ("in_progress", "watching", "failed")
# By the number of databases, none, one, or several.
_SOUND = ("there is no database", "the database is sound", "the databases are sound")
_DEPLOY, _OVER_ILL = "run greenlight.release.deploy", "with greenlight_allow_unhealthy_baseline=true"


@dataclass(frozen=True)
class Looks:
    """What the modules returned that looked at the host, or their failures; `{}` for one that did not run.

    `backups` and `databases` are the results of loops, one of each database.
    """

    head: Mapping[str, Any]
    process: Mapping[str, Any]
    health: Mapping[str, Any]
    backups: Sequence[Mapping[str, Any]]
    databases: Sequence[Mapping[str, Any]]


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
    backups = {each["path"]: each for said in looks.backups for each in said.get("backups", [])}
    sound = [each for each in backups.values() if each["sound"]]
    ill = {_path_of(said): problem for said in looks.databases for problem in [_problem_of_database(said)] if problem}
    several = len(looks.databases) > 1
    # With several the newest one is of a database that is well, perhaps.
    useful = [each for each in sound if each.get("source") in ill] if several and ill else sound
    return {
        "revision": looks.head.get("sha"),
        "process_problem": _problem_of(looks.process, looks.process.get("ready", False)),
        "health_problem": _problem_of(looks.health, looks.health.get("healthy", False)),
        "databases": len(looks.databases),
        "database_problem": "; ".join(f"{path}: {why}" if several else why for path, why in ill.items()),
        "backups": len(sound),
        "newest_backup": useful[-1]["path"] if useful else None,
        "unsound_backups": len(backups) - len(sound),
    }


def _path_of(said: Mapping[str, Any]) -> str:
    item: Mapping[str, Any] = said.get(str(said.get("ansible_loop_var")), {})
    return str(item.get("path", ""))


def _problem_of_database(said: Mapping[str, Any]) -> str:
    database = said.get("database", {})
    return _problem_of(database or said, database.get("sound", False))


def _problem_of(said: Mapping[str, Any], is_well: bool) -> str:
    return "" if is_well else show(str(said.get("reason") or said.get("msg") or "it could not be looked at"))


def _tell(found: Mapping[str, Any]) -> str:
    problems = [
        f"the {name} does not {verb}: {found[f'{key}_problem']}" if found[f"{key}_problem"] else good
        for key, name, verb, good in (
            ("process", "process", "run as it should", "the process is online"),
            ("health", "app", "serve", "the app serves"),
            ("database", "database", "check out", _SOUND[min(found["databases"], 2)]),
        )
    ]
    code = f"the code is {found['revision']}" if found["revision"] else "nobody can say which revision the code is"
    if not found["databases"]:
        return "; ".join([code, *problems])
    newest = f"{found['backups']}, the newest is {found['newest_backup']}" if found["newest_backup"] else "none"
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
