# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked before anything is touched: whether everything is there that the switch needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import has_commit
from ansible_collections.greenlight.release.plugins.module_utils._host import commands, proc
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._logs import process as logs_process
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Ruling
from ansible_collections.greenlight.release.plugins.module_utils._switch import (
    database,
    ecosystem,
    leftovers,
    processes,
    steps,
    unnamed,
)
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs


def check(inputs: Inputs) -> Tuple[pm2.State, List[Optional[Ruling]], List[str]]:
    """Return what PM2 says of the app, what a rollback is to do with each database, and what there is to warn of.

    A ruling is None where nothing is known. Raises one of `progress.FAILURES` where the switch could not be made.
    """
    plan, app = inputs.plan, inputs.processes
    commands.check(inputs.migrate, "migrate")
    commands.inner_folder(inputs.subfolder)
    bounds = {"start_timeout": app.start_timeout, "stop_timeout": app.stop_timeout}
    limits = {**bounds, "timeout": app.timeout, "stable_for": app.stable_for, "port": app.requirements.port}
    pm2.check_options(limits, app.host.home)
    if plan.tries and not 0 < inputs.trial_port < 65536:
        raise CommandError(f"trial_port must be from 1 to 65535, not {inputs.trial_port}; set greenlight_trial_port")
    logs_process.parse_files(inputs.log_files)
    if not inputs.is_planned:
        # Refuses the record when another run holds it.
        release_record.note(inputs.record, inputs.change, inputs.system.now())
        steps.check_record(inputs.record, plan)
    if plan.is_done:
        return processes.read(app), [], []
    before = processes.check(app, with_others=not plan.is_rollback)
    if plan.reloads:
        processes.refuse_watched(before, app.app)
    check_code(inputs)
    if plan.is_rollback:
        warnings = _end_migration(inputs, before)
        return before, database.check_restores(inputs.databases, processes.pids(app), inputs.is_rehearsal), warnings
    if plan.stops and (inputs.migrate or plan.phase == "before_migrate"):
        known = processes.pids(app) | processes.pids_named(app, inputs.allowed_holders)
        database.refuse_strangers(inputs.databases, known, inputs.allowed_holders)
    if plan.phase == "from_migrate":
        return before, [], []
    for each in inputs.databases:
        database.check_backup(each, inputs.move, may_be_missing=inputs.is_rehearsal)
    return before, [], [*ecosystem.warnings(inputs), *unnamed.warnings(inputs)]


def _end_migration(inputs: Inputs, before: pm2.State) -> List[str]:
    """End what a killed run has left of its migration, which would change the database under the old revision.

    What is true of the database can only be known then. Raises CommandError.
    """
    release_id, daemon = inputs.record["id"], before.daemon
    if inputs.is_rehearsal:
        left = proc.describe(leftovers.find(release_id, daemon))
        return (
            [f"The migration or trial of a run that died is still at work in process {left}; a rollback ends it"]
            if left
            else []
        )
    ended = leftovers.end(release_id, daemon, inputs.system.clock)
    return (
        [f"The migration or trial of a run that died was still at work in process {ended}, and was ended"]
        if ended
        else []
    )


def settle(inputs: Inputs, before: pm2.State, rulings: Sequence[Optional[Ruling]]) -> Inputs:
    """Return the inputs of a rollback that reloads the app where its release did, so that no request fails.

    That needs databases that are not touched, and an instance of a cluster that runs. A file watcher would restart them
    all when the code is moved.
    """
    instances = before.instances
    may_reload = inputs.plan.is_rollback and inputs.record["facts"].get("strategy") == "reload"
    is_untouched = all(ruling is not None and not ruling.restores for ruling in rulings)
    runs = any(each.status == "online" for each in instances)
    replaceable = all(each.exec_mode == "cluster_mode" and not each.watch for each in instances)
    if not (may_reload and is_untouched and runs and replaceable):
        return inputs
    plan, app = replace(inputs.plan, strategy="reload"), replace(inputs.processes, state="reloaded")
    return replace(inputs, plan=plan, processes=app)


def check_code(inputs: Inputs) -> None:
    """Raise GitError where the code could not be moved. In check mode the commit may not be fetched yet."""
    if inputs.plan.is_rollback:
        layout.check_back(inputs.git, inputs.move)
    elif not inputs.is_rehearsal or has_commit(inputs.git, inputs.move.to_sha):
        for each in inputs.databases:
            layout.refuse_database(inputs.git, inputs.move, Path(each.path))
        layout.check_forward(inputs.git, inputs.move)
