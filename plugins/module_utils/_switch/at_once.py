# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback of a new revision that fails in its own switch: in the same process, since users wait.

The role that rolls back would do the same seconds later. It finds in the record that it is done, and goes on from
there. What dies in the middle leaves the record as a rollback does, and the next rollback finishes it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._logs import marks
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import EndedError
from ansible_collections.greenlight.release.plugins.module_utils._release.plan import TRUE_NOW, TRUE_THEN
from ansible_collections.greenlight.release.plugins.module_utils._switch import actions, processes
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.noting import note
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import (
    FAILURES,
    Progress,
    SwitchError,
)

# What fails at these steps is the fault of the new revision, and the app is down meanwhile.
_STEPS = ("migrate", "start")
# What the role needs of the rollback.
_RESULTS = ("cursor", "restored")


def run(inputs: Inputs, progress: Progress, read_back: Callable[[], Inputs]) -> Progress:
    """Take every step of a switch, and where the plan says so roll a new revision back that fails.

    `read_back` reads what that needs, when it is in the record. Raises SwitchError, also when all was rolled back.
    """
    try:
        return actions.run(inputs, progress)
    except SwitchError as error:
        if not inputs.plan.rolls_back or error.step not in _STEPS or error.progress is None:
            raise
        raise _rolled_back(inputs, error, error.progress, read_back) from error


def _rolled_back(
    inputs: Inputs, error: SwitchError, progress: Progress, read_back: Callable[[], Inputs]
) -> SwitchError:
    """Roll back, and return what to say of the switch and of that."""
    then = str(error).replace(TRUE_NOW, TRUE_THEN)
    try:
        done = _roll_back(inputs, error, progress, read_back)
    except SwitchError as failure:
        warned = progress.warned(*failure.warnings)
        return SwitchError(f"{then}. It was not rolled back at once: {failure}", error.step, warned)
    except FAILURES as failure:
        return SwitchError(f"{error}. It was not rolled back at once: {failure}", error.step, progress)
    text = f"{then}. It was rolled back to {inputs.plan.old[:8]} at once"
    result = {"rolled_back": {"seconds": dict(done.seconds)}}
    return SwitchError(text, error.step, progress.warned(*done.warnings).found(result))


def _roll_back(inputs: Inputs, error: SwitchError, progress: Progress, read_back: Callable[[], Inputs]) -> Progress:
    seen = pm2.report.facts(processes.read(inputs.processes), inputs.system.now().timestamp())
    # What crashes again and again is stopped at once. What migrates is stopped already.
    stopping = progress.stopping if error.step == "migrate" else None
    if isinstance(error.__cause__, EndedError) and inputs.plan.stops:
        stopping = processes.stop(inputs.processes)
    why = str(error)
    decided = replace(inputs.change, observation={"decision": "rollback", "reason": why})
    facts: Dict[str, Any] = {"rejects": True, "last_seen": {"processes": seen, "reason": why}}
    note(replace(inputs, change=decided), progress.learned(facts), "rolling_back", *facts)
    back, begun = actions.begin(read_back())
    done = actions.run(back, replace(begun, stopping=stopping))
    results = {name: done.results[name] for name in _RESULTS if name in done.results}
    facts = {"rolled_back": {"run_id": inputs.change.run_id, "results": results}}
    facts.update(_cursor_of_the_new(back.record["facts"], results["cursor"]))
    note(inputs, done.learned(facts), None, *facts)
    return done


def _cursor_of_the_new(facts: Mapping[str, Any], end: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the cursor of what the new revision wrote: from now on the old one writes to the same logs."""
    return {"cursor": marks.between(facts["cursor"], end)} if facts.get("cursor") and end else {}
