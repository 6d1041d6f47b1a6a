# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier observations say to a release that is being watched: where to read on, and what to compare with.

An observation is a mapping `{at, decision, reason, measurements, cursor, ...}` in a release record. Times are those of
the record, so that any controller continues what another began; a time from the future, left by a clock that was set
back since, is skipped. Nothing here reads a clock or a file.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import is_number
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release.record import (
    Record,
    RecordError,
    age_of,
    parse_time,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import metrics_of_requests

# A judgement reads the log of at least this time, so that an hourly watch has an hour's requests and sees each of them.
WINDOW = timedelta(hours=1)
# How far from the same hour of another day an observation may lie, and how many days back.
_SAME_HOUR = timedelta(minutes=45)
_DAYS = 7
# For so long after a rollback the log is read from it on: before it lie the lines of the rejected release.
_AFTER_ROLLBACK = timedelta(days=1)
_SUMMARY = ("id", "status", "stage", "from_revision", "to_revision", "opened_at", "closed_at", "decision", "reason")


def choose_moment(given: Optional[str], clock: Callable[[], datetime]) -> datetime:
    """Return the time that counts as now: the given one, else the clock's. Raises RecordError for what is no time."""
    if not given:
        return clock().astimezone(timezone.utc)
    try:
        return parse_time(given)
    except ValueError as error:
        raise RecordError(f"now must be a time in UTC such as 2026-02-19T02:00:00Z, not {given!r}") from error


def next_observation(now: float, interval: int, age: int, watch_seconds: int) -> int:
    """Return when a watched release is observed next, in whole seconds since 1970 and never earlier than is due.

    That is after `interval`, or at the end of the watch where that comes first. `age` counts from the switch.
    """
    return math.ceil(now + max(1, min(interval, watch_seconds - age)))


def read_since(record: Record, now: datetime, rollback: Optional[Record] = None) -> Dict[str, Any]:
    """Return `{cursor, known_kinds, from_switch, counted, own}`: where in the log to start reading, as of `now`.

    That is the newest observation that is at least an hour old, or behind which lines of the log are missing; before
    there is one, it is the switch. The cursor is
    None where the release did not come as far as to take one. `counted` is what shares of requests were counted from
    the switch until there, so that nothing is lost when the log is, and `own` are our own requests since.

    `rollback` is a later release that was rolled back to this one. What is before its end says nothing of this one: the
    log is read from there on, and `counters` is {} where nothing was observed since.
    """
    facts, observations, first = record["facts"], record["observations"], 0
    since = {"cursor": facts.get("cursor"), "known_kinds": facts.get("known_kinds", {}), "from_switch": True}
    if rollback and rollback["facts"].get("cursor_after"):
        first = len(observations) - len(_since_end_of(rollback, observations))
        since.update(cursor=rollback["facts"]["cursor_after"], from_switch=False)
        since.update({} if observations[first:] else {"counters": {}})
    for index in reversed(range(first, len(observations))):
        observation = observations[index]
        is_old = now - parse_time(observation["at"]) >= WINDOW
        # What is before a gap would be missing again at every look of the next hour.
        if (is_old or observation.get("gap")) and observation.get("cursor"):
            since.update(cursor=observation["cursor"], from_switch=False)
            return {**since, **_counted_until(observations, index + 1)}
    return {**since, **_counted_until(observations, first)}


def _since_end_of(rollback: Record, observations: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return [each for each in observations if parse_time(each["at"]) >= parse_time(rollback["closed_at"])]


def _counted_until(observations: Sequence[Mapping[str, Any]], end: int) -> Dict[str, Any]:
    """Return what the observations before the index `end` counted since the switch, and our own requests after it."""
    counted: Dict[str, Any] = {}
    own: Dict[str, List[int]] = {}
    for metric in metrics_of_requests():
        measured = [(each.get("measurements") or {}).get(metric) for each in observations]
        found = [each if isinstance(each, Mapping) else {} for each in measured]
        sums = [each["since_switch"] for each in found[:end] if "since_switch" in each]
        counted.update({metric: sums[-1]} if sums else {})
        sent = [each["own"] for each in found[end:] if "own" in each]
        own.update({metric: [sum(pair[0] for pair in sent), sum(pair[1] for pair in sent)]} if sent else {})
    return {"counted": counted, "own": own}


def doubted(record: Record) -> Dict[str, Any]:
    """Return `{rows, counted}` of the newest observation.

    These are the rows that it would have rolled back for, had they been confirmed, and what shares of requests had been
    counted since the switch until then.
    """
    newest: Mapping[str, Any] = record["observations"][-1] if record["observations"] else {}
    found = [each for each in newest.get("findings", []) if each["outcome"] == "unconfirmed"]
    measured = {each["metric"]: newest["measurements"].get(each["metric"]) for each in found}
    counted = {
        name: each["since_switch"]
        for name, each in measured.items()
        if isinstance(each, Mapping) and "since_switch" in each
    }
    return {"rows": [each["name"] for each in found], "counted": counted}


def next_look(record: Record) -> int:
    """Return the number of the judgement that comes next, from 1: later ones are dropped from a long record."""
    observations = record["observations"]
    return max([len(observations), *(int(each.get("look", 0)) for each in observations)]) + 1


def baseline_since(record: Record, now: datetime) -> Dict[str, Any]:
    """Return `{cursor, known_kinds}` where the log of the revision starts that was rolled back to, else {}."""
    if record["status"] not in ("rolled_back", "failed") or not record["facts"].get("cursor_after"):
        return {}
    if now - parse_time(record["closed_at"]) > _AFTER_ROLLBACK:
        return {}
    return {"cursor": record["facts"]["cursor_after"], "known_kinds": record["facts"].get("known_kinds", {})}


def first_measurements(record: Record) -> Dict[str, Any]:
    """Return the measurements of the first observation after the switch, {} before there is one."""
    return next((dict(each["measurements"]) for each in record["observations"] if each.get("measurements")), {})


def restarts(record: Record, rollback: Optional[Record] = None) -> Optional[Dict[str, Optional[int]]]:
    """Return `{total, last}`: how often PM2 restarted the app since the switch, and its counter when last observed.

    A counter that is lower than before was reset, as by a new daemon, and began again at 0. None before there is an
    observation that counted. Restarts of a later release, until its `rollback` was over, are not counted; `last` is
    None where nobody read the counter after that.
    """
    observations = record["observations"]
    since = _since_end_of(rollback, observations) if rollback else []
    before = _counted([each for each in observations if each not in since])
    if not before and not since:
        return None
    after = _counted(since)
    if rollback and rollback["facts"].get("restart_count") is not None:
        after = [rollback["facts"]["restart_count"] - record["facts"].get("own_restarts", 0), *after]
    last = (after if rollback else before)[-1:]
    return {"total": _grown(before) + _grown(after), "last": last[0] if last else None}


def _counted(observations: Sequence[Mapping[str, Any]]) -> List[int]:
    counts = [each.get("measurements", {}).get("restart_count") for each in observations]
    return [count for count in counts if count is not None]


def _grown(counts: Sequence[int]) -> int:
    return sum(later - earlier if later >= earlier else later for earlier, later in zip(counts, counts[1:]))


def same_hour(records: Sequence[Record], now: datetime) -> Optional[Dict[str, Any]]:
    """Return `{at, measurements}` of the old revision at this hour of an earlier day, the latest such day.

    `records` are oldest first. None where nobody observed the old revision then, and in the first hour after the
    switch, in which the baseline is as good as new.
    """
    newest = records[-1]
    age = age_of(newest, now)
    if age is None or age < WINDOW.total_seconds():
        return None
    seen = [
        (abs(now - timedelta(days=day) - parse_time(observation["at"])), day, observation)
        for record in records[:-1]
        if record["to_revision"] == newest["from_revision"]
        for observation in record["observations"]
        if observation.get("measurements")
        for day in range(1, _DAYS + 1)
    ]
    near = [(day, distance, observation) for distance, day, observation in seen if distance <= _SAME_HOUR]
    if not near:
        return None
    best = min(near, key=lambda each: each[:2])[2]
    return {"at": best["at"], "measurements": best["measurements"]}


def readings(records: Sequence[Record]) -> Dict[str, List[float]]:
    """Return the values of every metric that is a number, in all observations, oldest first."""
    found: Dict[str, List[float]] = {}
    for record in records:
        for observation in record["observations"]:
            for metric, measured in (observation.get("measurements") or {}).items():
                value = measured.get("value") if isinstance(measured, Mapping) else measured
                if value is not None and is_number(value):
                    found.setdefault(metric, []).append(value)
    return found


def rejected_kinds(records: Sequence[Record]) -> Dict[str, List[str]]:
    """Return the kinds of lines that rolled back releases wrote, by the name of their rule.

    They are in the log that the next baseline is taken from, and must not count as known because of that. A later
    release that was kept ends this: what is in the log since then is its own.
    """
    found: Dict[str, Set[str]] = {}
    for record in records:
        if record["status"] in ("rolled_back", "failed"):
            known = record["facts"].get("known_kinds", {})
            for rule, kinds in record["facts"].get("evidence", {}).get("kinds", {}).items():
                found.setdefault(rule, set()).update(set(kinds) - set(known.get(rule, [])))
        elif record["status"] in release_record.KEPT:
            found = {}
    return {rule: sorted(kinds) for rule, kinds in found.items()}


def describe(state_path: Path, records: Sequence[Record], now: datetime, standing: bool = False) -> Dict[str, Any]:
    """Return what the records, oldest first, say of an app and its newest release that was not aborted.

    With `standing` that is the release whose revision the host has, where later ones were rolled back.
    """
    kept = (release_record.standing if standing else release_record.not_given_up)(records)
    newest = kept[-1] if kept else None
    is_open = newest is not None and newest["status"] == "in_progress"
    return {
        "exists": newest is not None,
        "record": newest,
        "file": str(state_path / "releases" / f"{newest['id']}.json") if newest else "",
        "age": age_of(newest, now) if newest else None,
        "watch_open": newest is not None and newest["status"] == "watching",
        "watch": _describe_watch(kept, _last_rolled_back(records[len(kept) :]), now) if newest else None,
        "lock": release_record.describe_lock(newest, now) if newest and is_open else "",
        "died": bool(newest and is_open and release_record.is_stale(newest, now)),
        "rejected": release_record.rejected_revisions(records),
        "unrestarted": [
            [record["from_revision"], record["to_revision"]]
            for record in records
            if record["status"] in release_record.KEPT and record["facts"].get("restart_app") is False
        ],
        "releases": [{key: record[key] for key in _SUMMARY} for record in records],
    }


def _last_rolled_back(records: Sequence[Record]) -> Optional[Record]:
    return next((record for record in reversed(records) if record["status"] == "rolled_back"), None)


def _describe_watch(records: Sequence[Record], rollback: Optional[Record], now: datetime) -> Dict[str, Any]:
    return {
        "since": read_since(records[-1], now, rollback),
        "look": next_look(records[-1]),
        "doubted": doubted(records[-1]),
        "baseline_since": baseline_since(records[-1], now),
        "first_measurements": first_measurements(records[-1]),
        "restarts": restarts(records[-1], rollback),
        "same_hour": same_hour(records, now),
        "readings": readings(records),
        "rejected_kinds": rejected_kinds(records),
    }
