# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was planned, done and found of a process of PM2, as the module says it. Nothing of the environment gets here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import differences, dump, foreign, instances
from ansible_collections.greenlight.release.plugins.module_utils._pm2.carry_out import Outcome
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan, Request, State


def facts(state: State, now: float) -> List[Dict[str, Any]]:
    """Return the facts of every instance; `now` is the time in seconds since 1970."""
    return [each.as_result(now, state.version) for each in state.instances]


def planned(before: State, plan: ProcessPlan, now: float) -> Dict[str, Any]:
    """Return the result where nothing was done: in check mode, and where there is nothing to do."""
    seen = facts(before, now)
    return {
        "changed": plan.changed,
        "action": plan.action,
        "before": seen,
        "after": seen,
        "ready": bool(before.instances) and not instances.needs_start(before.instances),
        "killed": False,
        "saved": False,
        "transport": before.transport,
        "pm2_version": before.version,
    }


def done(before: State, plan: ProcessPlan, outcome: Outcome, now: float) -> Dict[str, Any]:
    """Return the result of what was done."""
    result = {
        **planned(before, plan, now),
        "after": facts(outcome.after, now),
        "ready": outcome.ready is not None,
        "killed": bool(outcome.killed),
        "saved": plan.save,
        "transport": outcome.after.transport,
        "pm2_version": outcome.after.version,
    }
    if outcome.ready is not None:
        result.update(ready_after=round(outcome.ready_after, 3), ports=outcome.ready.ports)
    if outcome.port_closed_for is not None:
        result.update(port_closed_for=round(outcome.port_closed_for, 3))
    return result


def diff(before: State, plan: ProcessPlan) -> Dict[str, Dict[str, Any]]:
    """Return the settings that differ, the values of variables hidden, and what becomes of the instances."""
    status = {f"instance {each.pm_id}": each.status for each in before.instances}
    ends = {"none": status, "stop": dict.fromkeys(status, "stopped"), "delete": {}, "create": {"instance": "online"}}
    after = ends.get(plan.action, dict.fromkeys(status, "online"))
    return {
        "before": {**status, **differences.describe(plan.differences, "before")},
        "after": {**after, **differences.describe(plan.differences, "after")},
    }


def _schedule_warnings(request: Request, before: State) -> List[str]:
    schedules = ", ".join(sorted({each.schedule for each in before.instances if each.schedule}))
    if request.state != "stopped" or request.unscheduled or not schedules:
        return []
    return [
        f"PM2 starts {request.name} again at its cron_restart ({schedules}), though it was stopped; set cron_restart "
        "to 0, or use state absent"
    ]


def warnings(
    request: Request,
    before: State,
    outcome: Outcome,
    home: Path,
    uid: int,
    program_version: str = "",
    action: str = "",
) -> List[str]:
    """Return what an operator should know though it is no error."""
    found = [
        f"Instance {each.pm_id} of {each.name} (process {each.pid}) ignored the signal to end and was killed after "
        f"{each.kill_timeout} ms; let the app end on SIGINT, or raise kill_timeout"
        for each in outcome.killed
    ]
    if request.state == "reloaded" and any(each.exec_mode == "fork_mode" for each in before.instances):
        found.append(
            f"{request.name} runs in fork mode, where PM2 can only restart it; use cluster mode to lose no request"
        )
    elif request.state == "reloaded" and action == "recreate":
        found.append(
            f"{request.name} was created again, as PM2 cannot hand over what differs, so requests may have been lost"
        )
    found += _schedule_warnings(request, before)
    if not request.save and dump.readable_by_others(home):
        found.append(
            f"{home}/dump.pm2 holds the environment of the apps and can be read by every user; use save, or chmod 0600"
        )
    version = outcome.after.version
    if version and program_version and version != program_version:
        found.append(
            f"The PM2 daemon is {version}, the program {program_version}; pm2 update ends that, and restarts every app"
        )
    if uid == 0 and outcome.after.instances:
        found += foreign.warnings(request.name, Path(outcome.after.instances[0].script))
    return found
