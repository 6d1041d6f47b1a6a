# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked before a process of PM2 is touched: whose PM2 it is, what is left over, and what a start needs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ansible_collections.greenlight.release.plugins.module_utils._host.files import owner_of
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import environments, foreign, readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import plan as pm2_plan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import PM2Host
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan, Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import FILES_OF_A_DAEMON, refuse_full


def checked_plan(
    request: Request, host: PM2Host, before: State, uid: int, without_orphans: bool = False
) -> ProcessPlan:
    """Return what must be done, everything checked that can be checked before anything is touched. Raises PM2Error.

    To search all processes for orphans takes a moment, which whoever knows that there are none saves.
    """
    refuse(request, host.home, before, uid, without_orphans)
    if not request.ends:
        environments.refuse_unnamed(request.name, request.config, before.processes)
        foreign.refuse(request.name, foreign.code_of(request, before, host.home), uid, request.allow_root)
    plan = pm2_plan.make_plan(request, before, host.home)
    prepare(request, host, plan)
    return plan


def refuse(request: Request, home: Path, before: State, uid: int, without_orphans: bool = False) -> None:
    """Raise PM2Error where acting would do harm: as another user than PM2_HOME's, or next to a process PM2 lost."""
    try:
        owner = home.stat().st_uid
    except FileNotFoundError:
        owner = uid
    except OSError as error:
        raise PM2Error(f"Cannot inspect PM2_HOME {home}: {error.strerror}; become its user, or set pm2_home") from error
    if owner != uid:
        raise PM2Error(f"PM2_HOME {home} belongs to {owner_of(home)}; become that user (become: true, become_user)")
    if not without_orphans and (not request.ends or not before.instances):
        readiness.refuse_orphans(home, request.name, before.instances, before.daemon)


def prepare(request: Request, host: PM2Host, plan: ProcessPlan) -> None:
    """Raise PM2Error, before anything is touched, when what the plan needs is not there."""
    is_made = plan.action in ("create", "recreate", "resurrect")
    program = host.program() if plan.save or is_made else None
    if is_made:
        refuse_full(host.home, FILES_OF_A_DAEMON)
    if plan.action in ("none", "stop", "delete") or request.config is None:
        return
    folder, script = request.config.kept.get("pm_cwd"), request.config.kept.get("pm_exec_path")
    # Of a folder that may not be searched, os.path says that nothing is there, where Path would raise.
    if folder and not os.path.isdir(folder):
        raise PM2Error(f"The working folder {folder} does not exist; correct cwd")
    if script and not os.path.exists(script):
        raise PM2Error(f"The script {script} does not exist; correct script, or cwd where it is relative")
    if program and request.config.app.get("exec_interpreter"):
        _refuse_missing_interpreter(request.config, program.environment["PATH"])


def refuse_gone(request: Request, before: State, plan: ProcessPlan) -> None:
    """Raise PM2Error where a restart would end a process that serves, whose script is gone."""
    if plan.action not in ("restart", "reload") or (request.config and request.config.kept.get("pm_exec_path")):
        return
    for each in before.instances:
        if is_gone(each.script):
            raise PM2Error(f"The script {each.script} of {each.name} is gone; put it back, then restart {each.name}")


def is_gone(script: str) -> bool:
    return os.path.isabs(script) and not os.path.exists(script)


def _refuse_missing_interpreter(config: Config, path: str) -> None:
    """Raise PM2Error where PM2 would not find the interpreter. It fetches a `node@VERSION` itself."""
    interpreter = str(config.app.get("exec_interpreter") or "none")
    if interpreter != "none" and not interpreter.startswith("node@") and not shutil.which(interpreter, path=path):
        raise PM2Error(f"The interpreter {interpreter} was not found; correct interpreter, or give its absolute path")
