# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release record as a value: what may follow what, who holds the lock, which revisions were rejected.

A record is a JSON object. Its lock is a part of it, so that history and lock change in one atomic write and
cannot contradict each other after a crash::

    {"format": 1, "id": "20260219T020000Z-0639294c", "app": "shop", "status": "in_progress", "stage": "opened",
     "from_revision": "<40 hex>", "to_revision": "<40 hex>", "opened_at": "2026-02-19T02:00:00Z", "closed_at": null,
     "sequence": 3, "switched_at": null, "watch_until": null, "decision": null, "reason": "",
     "lock": {"run_id": "...", "by": "...", "since": "...", "until": "..."} or null,
     "facts": {...}, "observations": [...], "history": [{"at": "...", "stage": "...", "run_id": "..."}]}

Times are UTC with whole seconds. Nothing here reads a clock or a file.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release import databases
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_release_id, is_sha

FORMAT = 1
# in_progress: locked, or left behind by an interrupted run. watching: green, judged again until watch_until.
# failed: rolled back, but the app does not serve; aborted: ended before anything on the host was changed;
# closed_as_is: a person has put the host right by hand.
OUTCOMES = ("watching", "healthy", "rolled_back", "failed", "aborted", "closed_as_is")
# The statuses of a release whose revision the host has. A watch whose last decision was another one than to proceed
# ends as healthy_with_findings.
KEPT = ("watching", "healthy", "healthy_with_findings")
# A record keeps its first observation and the newest ones: a host may be observed for years.
OBSERVATIONS_KEPT = 200
# The app has not been touched as long as a release is at one of these.
UNTOUCHED_STAGES = ("opened", "prepared", "backed_up")
_TIME = "%Y-%m-%dT%H:%M:%SZ"

Record = Dict[str, Any]


class RecordError(GreenlightError):
    """The release record, or the lock in it, does not allow what was asked."""


@dataclass(frozen=True)
class Opening:
    """What is known when a release begins. `lease` is in seconds; `take_over` is never, stale or any."""

    app: str
    release_id: str
    from_revision: str
    to_revision: str
    run_id: str
    by: str
    lease: int
    take_over: str = "never"
    retry_rejected: bool = False
    facts: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What a run adds to a release: every field that is None or empty leaves the record as it was."""

    run_id: str
    by: str
    lease: int
    take_over: str = "never"
    stage: Optional[str] = None
    facts: Dict[str, Any] = field(default_factory=dict)
    observation: Optional[Dict[str, Any]] = None


def format_time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime(_TIME)


def parse_time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)


def open_release(records: Sequence[Record], wanted: Opening, now: datetime) -> Record:
    """Return the record of a new release, locked by its run.

    `records` are all records of the app, oldest first. Raises RecordError when an argument is wrong, another release
    is in progress, or the revision was rejected before.
    """
    _check_opening(wanted)
    for record in records:
        if record["id"] == wanted.release_id and record["lock"] and record["lock"]["run_id"] == wanted.run_id:
            return record
        refuse_open_release(record, wanted.take_over, now)
    if any(record["id"] == wanted.release_id for record in records):
        raise RecordError(f"Release {wanted.release_id} exists already; start the run again to get a new id")
    rejected = rejected_revisions(records)
    if wanted.to_revision in rejected and not wanted.retry_rejected:
        raise RecordError(
            f"Revision {wanted.to_revision} was rejected by release {rejected[wanted.to_revision]}; "
            "deploy another one, or set greenlight_retry_rejected to try it again"
        )
    # The clock of the controller may have been set back, so an id does not say which release came later.
    return {**_new_record(wanted, now), "sequence": 1 + max((sequence_of(record) for record in records), default=0)}


def sequence_of(record: Record) -> int:
    """Return the place of a release among those of its app; 0 for those of an older version, which go by their ids."""
    return int(record.get("sequence", 0))


def _check_opening(wanted: Opening) -> None:
    for name, value in (("from_revision", wanted.from_revision), ("to_revision", wanted.to_revision)):
        if not is_sha(value):
            raise RecordError(f"{name} must be a full commit SHA in lower case, not {value!r}")
    if not is_release_id(wanted.release_id):
        raise RecordError(f"release_id must look like 20260219T020000Z-0639294c, not {wanted.release_id!r}")
    if wanted.lease < 1:
        raise RecordError(f"lease must be at least 1 second, not {wanted.lease}")


def refuse_open_release(record: Record, take_over: str, now: datetime) -> None:
    """Let a new release pass only over one that is over, or a dead one that had not touched the app."""
    if record["status"] != "in_progress":
        return
    if take_over == "never" or not is_stale(record, now):
        raise RecordError(f"{describe_lock(record, now)}; {_way_on(record, now)}")
    if record["stage"] not in UNTOUCHED_STAGES:
        raise RecordError(
            f"{describe_lock(record, now)}; it had begun to change the host, so run greenlight.release.rollback first"
        )


def _way_on(record: Record, now: datetime) -> str:
    if not is_stale(record, now):
        return "wait for it to end"
    if record["stage"] in UNTOUCHED_STAGES:
        return "set greenlight_take_over to go on over it"
    return "run greenlight.release.rollback to roll the host back"


def is_stale(record: Record, now: datetime) -> bool:
    """Say whether nobody holds the release any more: its lock is gone, or its lease expired."""
    return record["lock"] is None or now >= parse_time(record["lock"]["until"])


def describe_lock(record: Record, now: datetime) -> str:
    """Return who holds a release, since when, at which stage, and whether the lease still runs."""
    lock = record["lock"]
    if lock is None:
        return f"Release {record['id']} is open at stage {record['stage']}"
    lease = "expired at" if is_stale(record, now) else "runs until"
    return (
        f"Release {record['id']} is held by {lock['by']} since {lock['since']}, at stage {record['stage']}; "
        f"its lease {lease} {lock['until']}"
    )


def _new_record(wanted: Opening, now: datetime) -> Record:
    at = format_time(now)
    return {
        "format": FORMAT,
        "id": wanted.release_id,
        "app": wanted.app,
        "status": "in_progress",
        "stage": "opened",
        "from_revision": wanted.from_revision,
        "to_revision": wanted.to_revision,
        "opened_at": at,
        "closed_at": None,
        "switched_at": None,
        "watch_until": None,
        "decision": None,
        "reason": "",
        "lock": _lock(wanted.run_id, wanted.by, at, wanted.lease, now),
        "facts": dict(wanted.facts),
        "observations": [],
        "history": [{"at": at, "stage": "opened", "run_id": wanted.run_id}],
    }


def _lock(run_id: str, by: str, since: str, lease: int, now: datetime) -> Dict[str, str]:
    return {"run_id": run_id, "by": by, "since": since, "until": format_time(now + timedelta(seconds=lease))}


def renewed(record: Record, lease: int, now: datetime) -> Record:
    """Return a record whose lock runs `lease` seconds from now on."""
    return {**record, "lock": {**record["lock"], "until": format_time(now + timedelta(seconds=lease))}}


def hold(record: Record, change: Change, now: datetime) -> Record:
    """Return the record with its lease renewed, as it is where nobody has one. Raises RecordError for another run."""
    _refuse_other_run(record, change.run_id, "never", now)
    return renewed(record, change.lease, now) if record["lock"] else record


def abort_untouched(records: Sequence[Record], now: datetime) -> List[Record]:
    """Return the records in progress, closed as aborted: a new release has been let pass over them."""
    return [
        {**record, "status": "aborted", "closed_at": format_time(now), "lock": None, "reason": "taken over"}
        for record in records
        if record["status"] == "in_progress"
    ]


def note(record: Record, change: Change, now: datetime) -> Record:
    """Return the record with a change, its lease renewed; equal to `record` apart from the lease if nothing is new.

    A closed release that was kept is opened again by a stage (a rollback begins); an observation only adds to it.
    Raises RecordError when another run holds it, and for a stage of a release that is over.
    """
    _refuse_other_run(record, change.run_id, change.take_over, now)
    noted = copy.deepcopy(record)
    noted["facts"].update(change.facts)
    if change.observation is not None:
        kept = noted["observations"]
        noted["observations"] = [
            *kept[:1],
            *kept[1:][2 - OBSERVATIONS_KEPT :],
            {"at": format_time(now), **change.observation},
        ]
        noted["decision"] = change.observation.get("decision", noted["decision"])
        noted["reason"] = change.observation.get("reason", noted["reason"])
    if change.stage is not None:
        _enter_stage(noted, change, now)
    return noted


def _enter_stage(record: Record, change: Change, now: datetime) -> None:
    if record["status"] in ("rolled_back", "aborted", "closed_as_is"):
        raise RecordError(
            f"Release {record['id']} is {record['status']} since {record['closed_at']}; there is nothing to do"
        )
    at = format_time(now)
    same_run = record["lock"] is not None and record["lock"]["run_id"] == change.run_id
    since = record["lock"]["since"] if same_run else at
    record["lock"] = _lock(change.run_id, change.by, since, change.lease, now)
    record["status"], record["closed_at"] = "in_progress", None
    if record["stage"] != change.stage:
        record["stage"] = change.stage
        record["history"].append({"at": at, "stage": change.stage, "run_id": change.run_id})
    if change.stage == "switched":
        record["switched_at"] = at


def _refuse_other_run(record: Record, run_id: str, take_over: str, now: datetime) -> None:
    lock = record["lock"]
    if lock is None or lock["run_id"] == run_id or take_over == "any":
        return
    if not is_stale(record, now):
        raise RecordError(
            f"{describe_lock(record, now)}; wait for it to end, or set greenlight_take_over if you know that it is dead"
        )
    if take_over == "never":
        raise RecordError(f"{describe_lock(record, now)}; set greenlight_take_over to go on with it")


def close(record: Record, outcome: str, change: Change, now: datetime, watch_seconds: int = 0) -> Record:
    """Return the record closed with an outcome and its lock released; `watching` becomes healthy without a watch.

    `watch_seconds` counts from the switch. An observation of an earlier age than that keeps the watch open, however
    late it is by now: the last rows were not due when it judged. Raises RecordError when another run holds it, for a
    watch of a release that was or must be rolled back, and when one is aborted that has begun to change the host.
    """
    _refuse_outcome(record, outcome, change.observation or {})
    closed = note(record, change, now)
    if outcome == "watching":
        began = parse_time(closed["switched_at"]) if closed["switched_at"] else now
        until = began + timedelta(seconds=watch_seconds)
        judged_at = (change.observation or {}).get("age", watch_seconds)
        over = "healthy" if closed["decision"] in (None, "proceed") else "healthy_with_findings"
        outcome = "watching" if until > now or judged_at < watch_seconds else over
        closed["watch_until"] = format_time(until) if outcome == "watching" else closed["watch_until"]
    if (closed["status"], closed["lock"]) == (outcome, None):
        return closed
    closed.update(status=outcome, lock=None, closed_at=format_time(now))
    return closed


def unlock(record: Record, change: Change, now: datetime) -> Record:
    """Return the record with a change and without the lock of its run, which ends here and leaves the release open.

    The next run need not wait until the lease expires. Raises RecordError when another run holds the release.
    """
    return {**note(record, change, now), "lock": None}


def _refuse_outcome(record: Record, outcome: str, observation: Mapping[str, Any]) -> None:
    if outcome not in OUTCOMES:
        raise RecordError(f"outcome must be one of {', '.join(OUTCOMES)}, not {outcome!r}")
    if outcome == "watching" and record["status"] not in ("in_progress", *KEPT):
        raise RecordError(
            f"Release {record['id']} is {record['status']}, so it cannot be watched; only a kept release can be"
        )
    if outcome == "watching" and observation.get("decision") == "rollback":
        raise RecordError(str(observation.get("reason") or "the decision is to roll back the release"))
    if outcome == "aborted" and record["stage"] not in UNTOUCHED_STAGES:
        raise RecordError(
            f"Release {record['id']} is at stage {record['stage']}, so it has begun to change the host; roll it back "
            "with greenlight.release.rollback"
        )


def not_given_up(records: Sequence[Record]) -> Sequence[Record]:
    """Return `records`, oldest first, up to the release that the host has; an aborted one had changed nothing."""
    standing = [index for index, record in enumerate(records) if record["status"] != "aborted"]
    return records[: standing[-1] + 1] if standing else records


def standing(records: Sequence[Record]) -> Sequence[Record]:
    """Return `records`, oldest first, up to the release whose revision the host has: later ones were rolled back to it.

    Where that is not sure it is the newest one, as for not_given_up.
    """
    kept = not_given_up(records)
    others = [index for index, record in enumerate(kept) if record["status"] not in ("rolled_back", "aborted")]
    last = kept[others[-1]] if others else None
    if last is None or last["status"] not in KEPT or last is kept[-1]:
        return kept
    return kept[: others[-1] + 1] if last["to_revision"] == kept[-1]["from_revision"] else kept


def needed_backups(records: Sequence[Record]) -> List[str]:
    """Return the backups that a rollback could ask for: of releases in progress, and of the last one that is over.

    The latter can be rolled back when the former are aborted, and so can the one that it was rolled back to. What their
    rollbacks set aside is needed as well.
    """
    over = [record for record in records if record["status"] != "in_progress"]
    closed = [*not_given_up(over)[-1:], *standing(over)[-1:]]
    needing = [record for record in records if record["status"] == "in_progress" or record in closed]
    known = [each for record in needing for each in databases.of_facts(record["facts"])]
    set_aside = [each.get("restored", {}).get("set_aside") for each in known]
    return [*(each["backup"] for each in known if "backup" in each), *filter(None, set_aside)]


def rejected_revisions(records: Sequence[Record]) -> Dict[str, str]:
    """Return revision -> id of the release that rejected it, of `records` oldest first; a later success absolves.

    A release that was rolled back before anybody judged it rejects nothing: its fact `rejects` is false.
    """
    rejected: Dict[str, str] = {}
    for record in records:
        if record["status"] in ("rolled_back", "failed") and record["facts"].get("rejects", True):
            rejected[record["to_revision"]] = record["id"]
        elif record["status"] in KEPT:
            rejected.pop(record["to_revision"], None)
    return rejected


def age_of(record: Record, now: datetime) -> Optional[int]:
    """Return the seconds since the switch, never below 0; None before the switch."""
    if not record["switched_at"]:
        return None
    return max(0, int((now - parse_time(record["switched_at"])).total_seconds()))
