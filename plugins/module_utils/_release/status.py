# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is released where: one row for each host, out of what was read of its release record, or why nothing was."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release import backup_ages
from ansible_collections.greenlight.release.plugins.module_utils._release.record import (
    KEPT,
    UNTOUCHED_STAGES,
    Record,
    is_stale,
    parse_time,
    standing,
)
from ansible_collections.greenlight.release.plugins.module_utils._values import table
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import show

_HEAD = ("host", "revision", "app", "release", "state", "watch", "decision", "lock", "rejected", "backup")
_ROLL_BACK = "ansible-playbook greenlight.release.rollback"
_VERIFY = "ansible-playbook greenlight.release.verify, every hour"
_DEPLOY = "ansible-playbook greenlight.release.deploy"


class StatusError(GreenlightError):
    """The status was asked for in a form that there is not."""


def describe_host(
    host: str,
    found: Optional[Mapping[str, Any]],
    now: datetime,
    process: Optional[Mapping[str, Any]] = None,
    backups: Optional[Mapping[str, Any]] = None,
) -> Dict[str, Any]:
    """Return the row of a host.

    `found` is what M(greenlight.release.release_record_info) or its failure returned, `process` what
    M(greenlight.release.pm2_process_info) and `backups` what M(greenlight.release.sqlite_backup_info) did, None where
    nobody asked.
    """
    row: Dict[str, Any] = {
        "host": host,
        "state": "no release",
        "problem": "",
        **dict.fromkeys(("app", "release", "revision", "stage", "decision", "reason", "opened_at", "watch_until")),
        **dict.fromkeys(("watch_seconds_left", "lock")),
        "rejected": {},
        "up": None,
        "ports": [],
        "down_because": "",
        "next": "",
        **backup_ages.describe((backups or {}).get("results"), now),
    }
    if found is None or found.get("unreachable") or found.get("failed"):
        given = found or {}
        state = "unreachable" if given.get("unreachable") else "unknown"
        return {**row, "state": state, "problem": show(str(given.get("msg") or "nothing was read"))}
    record = found.get("record")
    if not record:
        return {**row, "next": _DEPLOY}
    up = _describe_process(process or {})
    described = {**row, **_describe_record(record, now), **up, "rejected": dict(found["rejected"])}
    return {**described, "next": _choose_next(record, now, up["up"]) or _watch_on(found.get("releases") or [])}


def _describe_process(process: Mapping[str, Any]) -> Dict[str, Any]:
    """Return whether the app is up, None where it is not known."""
    up = process.get("ready")
    reason = process.get("reason") or (process.get("msg") if up is None else "") or ""
    return {"up": up, "ports": list(process.get("ports") or []), "down_because": show(str(reason))}


def _choose_next(record: Record, now: datetime, up: Optional[bool]) -> str:
    """Return the command that a person runs next, empty where nothing is to be done."""
    if record["status"] == "in_progress" and not is_stale(record, now):
        return (
            f"wait for {record['lock']['by']} until {record['lock']['until']}; if that run is dead: {_ROLL_BACK} "
            "-e greenlight_take_over=true"
        )
    if record["status"] == "in_progress":
        return _ROLL_BACK
    if record["status"] == "failed":
        return f"put the app right and run: {_ROLL_BACK} (with -e greenlight_close_as_is=true it changes nothing)"
    if up is False and record["status"] in KEPT:
        return f"start the app, or run: {_ROLL_BACK}"
    if up is False:
        return f"start the app, or run: {_DEPLOY} -e greenlight_allow_unhealthy_baseline=true"
    return _VERIFY if record["status"] == "watching" else ""


def _watch_on(releases: Sequence[Record]) -> str:
    """Return what goes on watching a release that later ones were rolled back to, empty where there is none."""
    stands = standing(releases)[-1:]
    return _VERIFY if stands and stands[0]["status"] == "watching" else ""


def _describe_record(record: Record, now: datetime) -> Dict[str, Any]:
    watched = record["status"] == "watching"
    until = record["watch_until"] if watched else None
    return {
        "app": record["app"],
        "state": record["status"],
        "stage": record["stage"],
        "release": record["id"],
        "revision": revision_in_place(record),
        "decision": record["decision"],
        "reason": record["reason"],
        "opened_at": record["opened_at"],
        "watch_until": until,
        "watch_seconds_left": max(0, int((parse_time(until) - now).total_seconds())) if until else None,
        "lock": {**record["lock"], "expired": is_stale(record, now)} if record["lock"] else None,
    }


def revision_in_place(record: Record) -> Optional[str]:
    """Return the revision that the host runs by its record, None while a run is, or was interrupted, between two."""
    if record["status"] == "closed_as_is":
        # A first release that is kept is closed like this as well, as there is nothing to roll it back to.
        known = {"revision": record["to_revision"]} if record["facts"].get("first") else {}
        found: Optional[str] = record["facts"].get("as_found", known).get("revision")
        return found
    if record["status"] in KEPT:
        return str(record["to_revision"])
    if record["status"] != "in_progress" or record["stage"] in UNTOUCHED_STAGES:
        return None if record.get("facts", {}).get("first") else str(record["from_revision"])
    return str(record["to_revision"]) if record["stage"] == "switched" else None


def show_as(rows: Sequence[Mapping[str, Any]], form: str) -> Sequence[Any]:
    """Return rows in the form `table` or `json`, of which the latter are the rows. Raises StatusError for another."""
    if form not in ("table", "json"):
        raise StatusError(f"greenlight_status_format must be table or json, not {form!r}")
    return render_table(rows) if form == "table" else rows


def render_table(rows: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return rows as the lines of a table, and a line for each problem and each missed target below it."""
    notes = [f"{row['host']}: {note}" for row in rows for note in _notes(row)]
    return [*table.render_table(_HEAD, [_cells(row) for row in rows]), *([""] if notes else []), *notes]


def _notes(row: Mapping[str, Any]) -> List[str]:
    reason = row["reason"] if row["decision"] not in (None, "proceed") else ""
    down = f"the app is down: {row['down_because']}" if row["up"] is False else ""
    next_command = f"next: {row['next']}" if row["next"] else ""
    problem = show(str(row["problem"] or reason or ""))
    return [note for note in (problem, down, *backup_ages.notes(row), next_command) if note]


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    return (
        row["host"],
        _short(row["revision"], row["release"]),
        _describe_app(row["up"], row["ports"]),
        row["release"] or "-",
        f"{row['state']} ({row['stage']})" if row["state"] == "in_progress" else row["state"],
        _describe_watch(row["watch_seconds_left"]),
        row["decision"] or "-",
        _describe_lock(row["lock"]),
        ", ".join(revision[:8] for revision in row["rejected"]) or "-",
        backup_ages.show_ages(row),
    )


def _describe_app(up: Optional[bool], ports: Sequence[int]) -> str:
    if up is None:
        return "-"
    where = f" on {', '.join(map(str, ports))}" if ports else ""
    return f"up{where}" if up else "down"


def _short(revision: Optional[str], release: Optional[str]) -> str:
    if revision:
        return revision[:8]
    return "in between" if release else "-"


def _describe_watch(seconds: Optional[int]) -> str:
    """Say how long a watch lasts still; one that is over waits for its last judgement."""
    if seconds is None:
        return "-"
    if seconds == 0:
        return "over, not judged"
    minutes = -(-seconds // 60)
    return f"{minutes // 60}h {minutes % 60:02}m" if minutes >= 60 else f"{minutes}m"


def _describe_lock(lock: Optional[Mapping[str, Any]]) -> str:
    if lock is None:
        return "-"
    return f"{show(lock['by'], 40)}, {'expired' if lock['expired'] else 'until'} {lock['until']}"
