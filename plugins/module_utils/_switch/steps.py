# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a switch, forward or back, and what is true of the host when one fails.

Which steps there are, and in which order, follows from the plan alone; `actions` has what each of them does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._release.record import UNTOUCHED_STAGES, RecordError

_MOVE = ("mark", "note_switching", "stop", "back_up", "move", "note_switched")
_START = ("migrate", "start", "restart_others")
_BACK = ("stop", "restore", "move", "mark", "start", "restart_others", "count_lost")

_OF_DATABASES = ("back_up", "restore", "count_lost")
_CALLED = {1: "its database"}

# What is true when a step fails; `app` says what the app does meanwhile. What follows | is true of the databases.
_STATE_FORWARD = {
    "check": "nothing was changed",
    "rehearse": "nothing was changed",
    "mark": "nothing was changed",
    "note_switching": "nothing was changed",
    "stop": "the app may be stopped, its code is {old}| and {database} as it was",
    "back_up": "{app}, its code is {old}| and {database} as it was",
    "move": "{app}, its code may lie between {old} and {new}|, and {database} is as it was",
    "note_switched": "{app}, its code is {new}| and {database} as it was",
    "migrate": "{app}, its code is {new}|, and {database} may be migrated in part",
    "start": "the code is {new}, and the app does not serve as it should",
    "look": "the code is {new}, and the app runs on as it was started",
    "restart_others": "the app serves with the code {new}; other processes may run the old code or none",
}
_STATE_BACK = {
    "check": "nothing was changed",
    "stop": "the app may be stopped, its code is as it was|, and {database} too",
    "restore": "{app}, its code is as it was|, and {database} the one before or the restored one, whole",
    "move": "{app}, its code between {new} and {old}|, and {database} as the rollback wants it",
    "mark": "{app}, its code is {old}|, and {database} as the rollback wants it",
    "start": "the code is {old}, and the app does not serve as it should",
    "restart_others": "the app serves with the code {old}; other processes may run the new code or none",
    "count_lost": "the app serves with the code {old}",
}


@dataclass(frozen=True)
class SwitchPlan:
    """What is wanted of a switch, in the words of the module; `old` and `new` are full SHAs.

    Without `restart_app` only the code is moved. With `rehearses` the migration is tried on a copy first. With
    `rolls_back` a new revision that fails is rolled back at once. A rollback `is_done` where its run did that. With
    `tries` the new revision is started beside the old one first, which rehearses its migration as well. `databases` is
    their number.
    """

    direction: str
    phase: str
    strategy: str
    old: str
    new: str
    restart_app: bool = True
    rehearses: bool = False
    rolls_back: bool = False
    is_done: bool = False
    tries: bool = False
    databases: int = 1

    @property
    def is_rollback(self) -> bool:
        return self.direction == "back"

    @property
    def stops(self) -> bool:
        return self.strategy == "restart" and (self.is_rollback or self.restart_app)

    @property
    def reloads(self) -> bool:
        return self.strategy == "reload"


def contradiction_in(plan: SwitchPlan) -> str:
    """Return what does not go together, empty where everything does."""
    if plan.is_rollback and plan.phase != "whole":
        return f"phase {plan.phase} is for the direction forward; leave it out to roll back"
    if plan.is_rollback and not plan.restart_app:
        return "restart_app is for the direction forward; leave it out to roll back"
    if plan.is_rollback and plan.rolls_back:
        return "roll_back is for the direction forward; leave it out to roll back"
    return ""


def steps_of(plan: SwitchPlan) -> List[str]:
    """Return the names of the steps, in order."""
    return [step for step in _all_steps_of(plan) if plan.databases or step not in _OF_DATABASES]


def _all_steps_of(plan: SwitchPlan) -> List[str]:
    if plan.is_rollback:
        return [] if plan.is_done else [step for step in _BACK if step != "stop" or plan.stops]
    steps = {"whole": _MOVE + _START, "before_migrate": _MOVE, "from_migrate": _START}[plan.phase]
    if plan.rehearses:
        steps = ("rehearse", *steps)
    begins = "start" if plan.restart_app else "look"
    return [begins if step == "start" else step for step in steps if step != "stop" or plan.stops]


def state_after_failure(plan: SwitchPlan, step: str) -> str:
    """Return what is true of the host when a step has failed."""
    app = "the app is stopped" if plan.stops else "the app runs on as it was started"
    sentences = _STATE_BACK if plan.is_rollback else _STATE_FORWARD
    code, _bar, state = sentences[step].partition("|")
    what = _CALLED.get(plan.databases, "each of its databases")
    said = f"{code}{state}" if plan.databases else code
    return said.format(app=app, old=plan.old[:8], new=plan.new[:8], database=what)


def check_record(record: Mapping[str, Any], plan: SwitchPlan) -> None:
    """Raise RecordError for a release at a stage from which the plan cannot begin."""
    stages = _stages_before(plan)
    if record["status"] != "in_progress" or record["stage"] not in stages:
        raise RecordError(
            f"Release {record['id']} is {record['status']} at stage {record['stage']}, and cannot be "
            f"switched {plan.direction} from there; that needs stage {' or '.join(stages)}"
        )


def _stages_before(plan: SwitchPlan) -> Tuple[str, ...]:
    if plan.is_rollback:
        return ("rolling_back",)
    return ("switched",) if plan.phase == "from_migrate" else UNTOUCHED_STAGES


def diff_of(plan: SwitchPlan) -> Dict[str, str]:
    """Return the diff that a switch makes: of the revisions."""
    ends = (plan.new, plan.old) if plan.is_rollback else (plan.old, plan.new)
    return {side: f"{sha}\n" for side, sha in zip(("before", "after"), ends)}
