# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a switch do with the other processes than the app, before it is started and when it serves."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import EndedError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import database, processes
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import steps_of
from ansible_collections.greenlight.release.plugins.module_utils._values import app_process


def join(inputs: Inputs) -> Tuple[Inputs, List[str]]:
    """Take into a switch what the same PM2 runs, and has a database open, though nobody has listed it.

    Return what to warn of. Raises PM2Error.
    """
    app = inputs.processes
    if "stop" not in steps_of(inputs.plan):
        return inputs, []
    strangers = database.holders(inputs.databases) - processes.pids(app)
    found = processes.unlisted_among(app, strangers, inputs.allowed_holders) if strangers else []
    names = [each.name for each in found]
    joined = replace(app, others=(*app.others, *names), listed=(*app.listed, *found))
    return replace(inputs, processes=joined), [app_process.tell_joined(each) for each in found]


def as_before(inputs: Inputs, progress: Progress) -> processes.Processes:
    known, facts = inputs.processes, progress.facts
    watch, schedules = facts.get("watch", known.watch), facts.get("schedules", known.schedules)
    return replace(known, watch=watch, schedules=schedules, configs=progress.configs)


def start_ahead(inputs: Inputs, progress: Progress) -> Progress:
    """Start what stands before the app in the list of its processes."""
    for name in inputs.processes.leading:
        try:
            progress = progress.with_completed(processes.start_ahead(as_before(inputs, progress), name))
        except PM2Error as error:
            progress = _warn_or_raise(inputs, progress, name, error)
    return progress


def restart(inputs: Inputs, progress: Progress) -> Progress:
    """Restart the other processes, one after another, but for jobs, which run at their own times.

    In a rollback one that cannot be restarted is a warning: the old revision serves by then, and a process that
    somebody deleted meanwhile must not keep the release open for ever.
    """
    for name in inputs.processes.others:
        try:
            progress = _restart_other(inputs, progress, name)
        except PM2Error as error:
            progress = _warn_or_raise(inputs, progress, name, error)
    return progress


def _restart_other(inputs: Inputs, progress: Progress, name: str) -> Progress:
    if inputs.plan.stops and name in inputs.processes.leading:
        for started in [each for each in progress.completed if each.request.name == name and not each.request.ends]:
            processes.refuse_ended(inputs.processes, started)
        return progress
    stopped = {each.request.name for each in progress.completed if each.request.ends and each.plan.changed}
    left = processes.left_as_it_is(inputs.processes, name, name in stopped)
    if left is not None:
        return progress.warned(*filter(None, [left]))
    try:
        return progress.with_completed(processes.restart_other(as_before(inputs, progress), name))
    except EndedError as error:
        if not processes.is_job(inputs.processes, name):
            raise
        text = f"{name} ended after it was restarted, and PM2 does not start it again: {error}"
        return progress.warned(inputs.processes.host.hide(text))


def _warn_or_raise(inputs: Inputs, progress: Progress, name: str, error: PM2Error) -> Progress:
    """Warn of another process that a rollback cannot start, which for a release is an error."""
    if not inputs.plan.is_rollback:
        raise error
    text = f"The rollback did not restart {name}, which may run the new code or none: {error}"
    return progress.warned(inputs.processes.host.hide(text))
