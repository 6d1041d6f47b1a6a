# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether and how a release is rolled back, and the message at its end.

A record is the newest release of the host that was not aborted, as release_record_info returns it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Literal, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release import databases
from ansible_collections.greenlight.release.plugins.module_utils._release.record import KEPT

Record = Mapping[str, Any]

# give_up closes a release that had changed nothing on the host yet.
Action = Literal["nothing", "give_up", "roll_back"]
# The releases that are over and can still be rolled back: those that were kept, and those whose rollback failed.
_CLOSED = (*KEPT, "failed")
# What fails at these steps of a switch is the fault of the new revision.
_STEPS_OF_THE_REVISION = ("rehearse", "migrate", "start", "look")


@dataclass(frozen=True)
class RollbackRequest:
    """What was asked for: `release_id` is empty for the newest release; `decision` is {} where nothing was judged."""

    app: str
    state_path: str
    release_id: str
    reason: str
    decision: Mapping[str, Any]
    # The step of the switch that failed, empty where another task did.
    step: str = ""


def choose_action(record: Record, newest: Record, release_id: str) -> Action:
    """Return what to do. `newest` is the newest release, aborted or not, `release_id` the one that was asked for."""
    asked_for_another = release_id not in ("", record["id"])
    is_over = record["status"] not in ("in_progress", *_CLOSED)
    if is_over or asked_for_another or _is_behind_aborted(record, newest, release_id) or _is_first(record):
        return "nothing"
    return "give_up" if _is_at(record, "opened") else "roll_back"


def _is_behind_aborted(record: Record, newest: Record, release_id: str) -> bool:
    """Say whether the newest release was aborted: the one before it is rolled back only if it is named."""
    return bool(newest["status"] == "aborted" and release_id != record["id"])


def _is_first(record: Record) -> bool:
    """Say whether nothing ran before a release. One that fails takes itself away."""
    return bool(record["facts"].get("first"))


def _is_at(record: Record, stage: str) -> bool:
    return bool(record["status"] == "in_progress" and record["stage"] == stage)


def explain_nothing(request: RollbackRequest, record: Record, newest: Record, stands: Record) -> str:
    """Return why nothing is rolled back, and how to roll back the release before one that is aborted or rolled back."""
    if record["status"] == "in_progress" and _is_first(record):
        return (
            f"Release {record['id']} is the first one of {request.app}, before which nothing ran, so nothing is rolled "
            "back; close it with -e greenlight_close_as_is=true, and then run greenlight.release.deploy where the app "
            "runs, else greenlight.release.first"
        )
    reason = (
        f"The newest release of {request.app} here is {newest['id']}, {newest['status']}, so nothing is rolled back"
    )
    if _is_behind_aborted(record, newest, request.release_id) and record["status"] in _CLOSED:
        stands = record
    elif stands["id"] == record["id"]:
        return reason
    return (
        f"{reason}; to roll back the one before it, which is {stands['status']}, set greenlight_rollback_release "
        f"to {stands['id']}"
    )


def resumes(record: Record) -> bool:
    """Say whether an interrupted rollback must be finished."""
    return _is_at(record, "rolling_back")


def choose_observation(request: RollbackRequest, record: Record) -> Optional[Dict[str, Any]]:
    """Return the decision to roll back, for the record; None when resuming, which keeps the reason of the first one."""
    if resumes(record):
        return None
    return {**request.decision, "decision": "rollback", "reason": request.reason}


def rejects(request: RollbackRequest, record: Record) -> bool:
    """Say whether the rollback speaks against the revision, and not against a controller, a disk or a network.

    A release that was kept is rolled back because of what it does. One that is rolled back on the way was judged by the
    matrix, or did not migrate or start.
    """
    known: Optional[bool] = record["facts"].get("rejects") if resumes(record) else None
    if known is not None:
        return known
    return (
        record["status"] != "in_progress"
        or request.decision.get("decision") == "rollback"
        or request.step in _STEPS_OF_THE_REVISION
    )


def was_ill(record: Record) -> bool:
    """Say whether the old revision did not serve before the release either."""
    started = record["facts"].get("baseline", {}).get("server_starts")
    return (started.get("value") if isinstance(started, Mapping) else started) is False


def original_environment(adjustments: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the variables that a release adjusted with the values from before: the first adjustment of each has it."""
    before: Dict[str, Any] = {}
    for adjustment in adjustments:
        before.setdefault(adjustment["env"], adjustment["from"])
    return before


def describe_context(request: RollbackRequest, record: Record) -> Dict[str, Any]:
    """Return what hooks and notifications receive."""
    return {
        "direction": "back",
        "app": request.app,
        "app_path": record["facts"].get("app_path", ""),
        "state_path": request.state_path,
        "database_path": "".join(databases.paths_of(record["facts"])[:1]),
        "database_paths": databases.paths_of(record["facts"]),
        "release_id": record["id"],
        "from_revision": record["from_revision"],
        "to_revision": record["to_revision"],
    }


def plan_rollback(request: RollbackRequest, record: Record, newest: Record, stands: Record) -> Dict[str, Any]:
    """Return `{action, why_nothing, environment, context, rejects, was_ill}`, and `observation` for a new rollback.

    `newest` is the newest release, and `stands` the one whose revision the host has.
    """
    observation = choose_observation(request, record)
    return {
        "action": choose_action(record, newest, request.release_id),
        "why_nothing": explain_nothing(request, record, newest, stands),
        "environment": original_environment(record["facts"].get("adjustments", [])),
        "context": describe_context(request, record),
        "rejects": rejects(request, record),
        "was_ill": was_ill(record),
        **({} if observation is None else {"observation": observation}),
    }


def merge_restored(now: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the databases of a record, each with what was restored by this rollback, else by an interrupted one."""
    done = {each["path"]: each for each in now}
    merged = []
    for known in databases.of_facts(facts):
        before: Mapping[str, Any] = known.get("restored", {})
        found = done.get(known.get("path", ""), {})
        restored = found if found.get("restored") or not before else before
        merged.append({**known, **({"restored": dict(restored)} if restored else {})})
    return merged


def summarize(known: Sequence[Mapping[str, Any]], evidence_path: Optional[str]) -> str:
    """Return what a person should know at the end: what became of each database, and where the evidence is.

    `known` are the databases as `merge_restored` returns them.
    """
    names = [f"The database {each['path']}" if len(known) > 1 else "The database" for each in known]
    sentences = [_tell_of(name, each.get("restored", {})) for name, each in zip(names, known)]
    if evidence_path:
        sentences.append(f"What was seen of the release is in {evidence_path}.")
    return " ".join(filter(None, sentences))


def _tell_of(name: str, restored: Mapping[str, Any]) -> str:
    if restored.get("restored"):
        lost = f"; not in the backup are: {restored['lost']}" if restored["lost"] else ""
        replaced = restored["set_aside"] or "no place, as there was nothing"
        return f"{name} was restored, as {restored['reason']}. What it replaced is in {replaced}{lost}."
    if not restored.get("reason"):
        return ""
    return str(restored.get("question") or f"{name} was kept, as {restored['reason']}.")
