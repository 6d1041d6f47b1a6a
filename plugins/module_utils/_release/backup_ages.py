# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old the newest backup, its copy off the host and the last drill are, for the status of a host.

What comes from the host may lack anything, as where an older version wrote it: then it is not known.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._values.duration import describe_age
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import show

UNKNOWN: Dict[str, Any] = {
    "databases": None,
    "backup": None,
    "off_host": None,
    "off_host_problem": "",
    "drill": None,
}
_SECONDS = "%Y-%m-%dT%H:%M:%S"


def describe(results: Optional[Sequence[Mapping[str, Any]]], now: datetime) -> Dict[str, Any]:
    """Return the part of a row about backups.

    `results` are what M(greenlight.release.sqlite_backup_info) returned, one of each database, None where nobody asked.
    Of several databases the one counts that is worst off. The age of a copy is that of the backup in it, since that is
    what would be lost.
    """
    if results is None:
        return dict(UNKNOWN)
    found = [_describe_one(each.get("newest") or {}, now) for each in results]
    problems = dict.fromkeys(each["off_host_problem"] for each in found)
    return {
        "databases": len(found),
        "backup": _worst([each["backup"] for each in found]),
        "off_host": _worst([each["off_host"] for each in found]),
        "off_host_problem": "; ".join(filter(None, problems)),
        "drill": _worst([each["drill"] for each in found]),
    }


def _worst(known: Sequence[Optional[Dict[str, Any]]]) -> Optional[Dict[str, Any]]:
    """Return what is not good, else the oldest; None where one is not known."""
    there = [each for each in known if each is not None]
    if not there or len(there) < len(known):
        return None
    return min(there, key=lambda each: (bool(each.get("good")), -each["age"]))


def _describe_one(newest: Mapping[str, Any], now: datetime) -> Dict[str, Any]:
    drill = newest.get("drill") or {}
    drilled = _with_age(drill, "at", now)
    return {
        "backup": _with_age(newest.get("backup") or {}, "created", now),
        "off_host": _with_age(newest.get("off_host") or {}, "created", now),
        "off_host_problem": show(str(newest.get("off_host_problem") or "")),
        "drill": drilled and {**drilled, "good": drill.get("good"), "problem": show(str(drill.get("problem") or ""))},
    }


def _with_age(known: Mapping[str, Any], name: str, now: datetime) -> Optional[Dict[str, Any]]:
    """Return a time and the seconds since, None where it is not known."""
    try:
        at = datetime.strptime(str(known[name])[:19], _SECONDS).replace(tzinfo=timezone.utc)
    except (KeyError, ValueError):
        return None
    return {"at": f"{at.strftime(_SECONDS)}Z", "age": max(0, int((now - at).total_seconds()))}


def show_ages(row: Mapping[str, Any]) -> str:
    """Return the cell of a table: the age of the newest backup, of what is off the host, and of the last drill."""
    if not row["backup"]:
        return "no database" if row["databases"] == 0 else "-"
    parts = [describe_age(row["backup"]["age"])]
    if row["off_host"]:
        parts.append(f"copy {describe_age(row['off_host']['age'])}")
    elif row["off_host_problem"]:
        parts.append("no copy")
    if row["drill"]:
        word = "drill" if row["drill"]["good"] else "failed drill"
        parts.append(f"{word} {describe_age(row['drill']['age'])}")
    return ", ".join(parts)


def notes(row: Mapping[str, Any]) -> List[str]:
    """Return what a person must know of the backups of a host, a sentence each."""
    drill = row["drill"] if row["drill"] and not row["drill"]["good"] else None
    failed = f"the last drill failed, {describe_age(drill['age'])} ago: {drill['problem']}" if drill else ""
    return [note for note in (row["off_host_problem"], failed) if note]
