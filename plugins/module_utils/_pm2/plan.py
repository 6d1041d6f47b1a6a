# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a process of PM2, what PM2 says of it, and what follows: the plan. Nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import differences as pm2_differences
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import dump, process
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import instances as pm2_instances
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.differences import Difference
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance, Requirements


@dataclass(frozen=True)
class Request:
    """What is wanted: `config` is None where the configuration may be as it is.

    `watch` is what a process that is started watches again, None for what PM2 has of it, and `schedule` its
    cron_restart, "" for what PM2 has of it. One that is stopped `unscheduled` is started by no schedule meanwhile.
    `allow_root` lets root run a script that another user can change.
    """

    name: str
    state: str
    config: Optional[Config]
    requirements: Requirements
    stable_for: float
    timeout: float
    save: bool
    watch: Any = None
    allow_root: bool = False
    schedule: str = ""
    unscheduled: bool = False

    @property
    def ends(self) -> bool:
        """Say whether the process does not run afterwards."""
        return self.state in ("stopped", "absent")


@dataclass(frozen=True)
class State:
    """What PM2 said of a process, and over which transport."""

    processes: List[Dict[str, Any]]
    instances: List[Instance]
    transport: str
    version: str
    daemon: int
    changes_live: bool


@dataclass(frozen=True)
class ProcessPlan:
    """What will be done, `none` for nothing, what of the configuration differs, and whether the list is saved."""

    action: str
    differences: List[Difference]
    save: bool

    @property
    def changed(self) -> bool:
        return self.action != "none" or self.save


def make_plan(request: Request, before: State, home: Path) -> ProcessPlan:
    """Decide what must be done. Raises PM2Error where what is wanted is not possible."""
    found = differences(request, before)
    if request.ends:
        action = _ending_action(request.state, before.instances)
    elif not before.instances:
        action = _creation(request, dump.saved_as(home, request.name))
    elif found and not (before.changes_live and pm2_differences.can_be_handed_over(found)):
        action = _recreation(request, found)
    else:
        action = _running_action(request.state, before.instances, bool(found))
    return ProcessPlan(action, found, request.save and _must_save(action, request.name, before, home))


def _must_save(action: str, name: str, before: State, home: Path) -> bool:
    """Say whether what was saved is not what will run. Without a daemon nothing is, or an empty list would be saved."""
    if action != "none":
        return True
    saved = dump.is_saved(dump.read_dump(home), before.processes, name)
    return before.transport != "none" and not saved


def differences(request: Request, before: State) -> List[Difference]:
    if request.config is None or request.ends:
        return []
    # PM2 forgets both when it stops a process, and gets them back with its start.
    kept = {"watch": request.watch, "cron_restart": request.schedule}
    forgotten = {name: value for name, value in kept.items() if value}
    named = process.named(before.processes, request.name)
    known = [{**each, "pm2_env": {**each.get("pm2_env", {}), **forgotten}} for each in named] if forgotten else named
    return pm2_differences.differences(request.config, known)


def _ending_action(state: str, instances: Sequence[Instance]) -> str:
    if state == "absent":
        return "delete" if instances else "none"
    return "stop" if any(each.status != "stopped" or each.pid for each in instances) else "none"


def _creation(request: Request, saved: Sequence[Dict[str, Any]]) -> str:
    if request.state != "started":
        raise PM2Error(f"PM2 knows no process called {request.name!r}; start it with state started")
    if request.config is not None and request.config.whole:
        return "create"
    # PM2 was killed, or forgot it: what it had saved of the process says how to start it.
    if request.config is None and saved:
        return "resurrect"
    raise PM2Error(f"PM2 knows no process called {request.name!r}; give config or script to start it")


def _recreation(request: Request, found: Sequence[Difference]) -> str:
    if request.config is None or not request.config.whole:
        settings = ", ".join(each.shown_key for each in found)
        raise PM2Error(f"{request.name} must be created again to change {settings}; give config or script")
    return "recreate"


def _running_action(state: str, instances: Sequence[Instance], differs: bool) -> str:
    if state != "started":
        return "reload" if state == "reloaded" else "restart"
    if differs or any(pm2_instances.is_stale(each) for each in instances):
        return "restart"
    return "start" if pm2_instances.needs_start(instances) else "none"
