# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moment that counts, as a list of steps: from the old revision to the new one, or back.

Which steps there are, and in which order, follows from the course; what each does to the host is given as a callable.
A step that fails ends the list, and the error says what is true of the host then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run, has_commit
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._host.watchdog import GivenUp
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import (
    UNTOUCHED_STAGES,
    Change,
    RecordError,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

FAILURES = (CommandError, GitError, GivenUp, LogError, OSError, PM2Error, RecordError, SqliteError)

_MOVE = ("mark", "note_switching", "stop", "back_up", "move", "note_switched")
_START = ("migrate", "start", "restart_others")
_BACK = ("stop", "restore", "move", "mark", "start", "restart_others")

# What is true when a step fails; `app` says what the app does meanwhile.
_TRUTH_FORWARD = {
    "check": "nothing was changed",
    "mark": "nothing was changed",
    "note_switching": "nothing was changed",
    "stop": "the app may be stopped, its code is {old} and its database as it was",
    "back_up": "{app}, its code is {old} and its database as it was",
    "move": "{app}, its code may lie between {old} and {new}, and its database is as it was",
    "note_switched": "{app}, its code is {new} and its database as it was",
    "migrate": "{app}, its code is {new}, and its database may be migrated in part",
    "start": "the code is {new}, and the app does not serve as it should",
    "look": "the code is {new}, and the app runs on as it was started",
    "restart_others": "the app serves with the code {new}; other processes may run the old code or none",
}
_TRUTH_BACK = {
    "check": "nothing was changed",
    "stop": "the app may be stopped, its code and its database are as they were",
    "restore": "the app is stopped, its code is as it was, and its database the one before or the restored one, whole",
    "move": "the app is stopped, its database as the rollback wants it, and its code between {new} and {old}",
    "mark": "the app is stopped, its code is {old}, and its database as the rollback wants it",
    "start": "the code is {old}, and the app does not serve as it should",
    "restart_others": "the app serves with the code {old}; other processes may run the new code or none",
}


class SwitchError(GreenlightError):
    """A step failed; the message says what is true of the host now."""

    def __init__(self, text: str, step: str) -> None:
        super().__init__(text)
        self.step = step


@dataclass(frozen=True)
class Course:
    """Which way it goes; `old` and `new` are full SHAs.

    `direction`, `phase` and `strategy` are those of the module. Without `restart_app` only the code is moved.
    """

    direction: str
    phase: str
    strategy: str
    old: str
    new: str
    restart_app: bool = True

    @property
    def stops(self) -> bool:
        return self.direction == "back" or (self.restart_app and self.strategy == "restart")


def check_course(course: Course) -> None:
    """Raise SwitchError for what does not go together."""
    if course.direction == "back" and course.phase != "whole":
        raise SwitchError(f"phase {course.phase} is for the direction forward; leave it out to go back", "check")
    if course.direction == "back" and not course.restart_app:
        raise SwitchError("restart_app is for the direction forward; leave it out to go back", "check")


def steps_of(course: Course) -> List[str]:
    """Return the names of the steps, in order."""
    if course.direction == "back":
        return list(_BACK)
    steps = {"whole": _MOVE + _START, "before_migrate": _MOVE, "from_migrate": _START}[course.phase]
    begins = "start" if course.restart_app else "look"
    return [begins if step == "start" else step for step in steps if step != "stop" or course.stops]


def truth_of(course: Course, step: str) -> str:
    """Return what is true of the host when a step has failed."""
    app = "the app is stopped" if course.stops else "the app runs on as it was started"
    sentences = _TRUTH_BACK if course.direction == "back" else _TRUTH_FORWARD
    return sentences[step].format(app=app, old=course.old[:8], new=course.new[:8])


@dataclass
class Journey:
    """How it went: seconds of every step, and what the steps found."""

    seconds: Dict[str, float] = field(default_factory=dict)
    found: Dict[str, Any] = field(default_factory=dict)


Action = Callable[[], Mapping[str, Any]]


def attempt(course: Course, step: str, action: Callable[[], Any]) -> Any:
    """Do one step. Raises SwitchError with what is true when it fails."""
    try:
        return action()
    except FAILURES as error:
        text = str(error).rstrip(".")
        raise SwitchError(f"{text}. What is true now: {truth_of(course, step)}", step) from error


def travel(course: Course, actions: Mapping[str, Action], now: Callable[[], float], journey: Journey) -> None:
    """Take the steps of the course one after another; `journey` gets what each returns. Raises SwitchError."""
    for step in steps_of(course):
        began = now()
        try:
            journey.found.update(attempt(course, step, actions[step]))
        finally:
            journey.seconds[step] = round(now() - began, 3)


def check_record(record: Mapping[str, Any], course: Course) -> None:
    """Raise RecordError for a release from whose stage the course does not lead on."""
    stages = _stages_before(course)
    if record["status"] != "in_progress" or record["stage"] not in stages:
        raise RecordError(
            f"Release {record['id']} is {record['status']} at stage {record['stage']}, from where there is no way "
            f"{course.direction}; that needs stage {' or '.join(stages)}"
        )


def _stages_before(course: Course) -> Tuple[str, ...]:
    if course.direction == "back":
        return ("rolling_back",)
    return ("switched",) if course.phase == "from_migrate" else UNTOUCHED_STAGES


def move_of(record: Mapping[str, Any]) -> Move:
    """Return the move of the code that a release record tells of; one that names no layout is of a checkout."""
    facts = record["facts"]
    return Move(
        facts.get("layout", "in_place"),
        Path(facts["app_path"]),
        record["id"],
        record["from_revision"],
        record["to_revision"],
        tuple(facts.get("built_paths", ())),
        tuple(facts.get("shared_paths", ())),
    )


def root_of(move: Move) -> Path:
    """Return the folder in which PM2 runs the app."""
    return move.app_path / "current" if move.kind == "releases" else move.app_path


def check_code(run: Run, move: Move, course: Course, may_be_missing: bool) -> None:
    """Raise GitError where the code could not be moved. `may_be_missing` allows a commit that is not fetched yet."""
    if course.direction == "back":
        layout.check_back(run, move)
    elif not may_be_missing or has_commit(run, move.to_sha):
        layout.check_forward(run, move)


def note(state_path: Path, release_id: str, change: Change, now: datetime, uid: int) -> None:
    """Write a change into a release record, locked by its run, as the user `uid`. Raises RecordError."""
    with store.exclusive(state_path, uid):
        record = store.find_record(store.read_records(state_path), release_id)
        store.write_record(state_path, release_record.note(record, change, now))


def diff_of(course: Course) -> Dict[str, str]:
    """Return the diff that a switch makes: of the revisions."""
    ends = (course.new, course.old) if course.direction == "back" else (course.old, course.new)
    return {side: f"{sha}\n" for side, sha in zip(("before", "after"), ends)}
