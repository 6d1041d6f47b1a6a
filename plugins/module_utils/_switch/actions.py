# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each step of a switch does: one function a step, from the progress before it to the progress after it."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, replace
from typing import Any, Callable, Dict, List, Mapping, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._logs import files as logs_files
from ansible_collections.greenlight.release.plugins.module_utils._logs import process as logs_process
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import EndedError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._switch import (
    checks,
    database,
    database_steps,
    ecosystem,
    migration,
    others,
    preview,
    processes,
)
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.noting import note
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import (
    FAILURES,
    Progress,
    SwitchError,
    failed,
)
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import contradiction_in, steps_of

Step = Callable[[Inputs, Progress], Progress]


def check(inputs: Inputs) -> Progress:
    """Check everything that can be checked before anything is touched. Raises SwitchError."""
    wrong = contradiction_in(inputs.plan)
    if wrong:
        raise SwitchError(wrong, "check")
    began = inputs.system.clock.now()
    try:
        before, rulings, warnings = checks.check(inputs)
    except FAILURES as error:
        raise failed(inputs.plan, "check", error) from error
    progress = Progress(before, rulings=tuple(rulings), warnings=tuple(warnings)).took(
        "check", inputs.system.clock.now() - began
    )
    if inputs.plan.is_done:
        return progress.found(inputs.record["facts"]["rolled_back"]["results"])
    if inputs.is_rehearsal and inputs.plan.is_rollback:
        ruled = zip(inputs.databases, rulings)
        return progress.found({"restored": [{"path": each.path, **database.describe(what)} for each, what in ruled]})
    return progress


def begin(inputs: Inputs) -> Tuple[Inputs, Progress]:
    """Check a switch, and return its inputs with what that showed. Raises SwitchError."""
    inputs, seen = preview.settle(inputs)
    try:
        inputs, joined = others.join(inputs)
    except FAILURES as error:
        raise failed(inputs.plan, "check", error) from error
    progress = seen.told(inputs, check(inputs)).warned(*joined)
    return checks.settle(inputs, progress.before, progress.rulings), progress


def run(inputs: Inputs, progress: Progress) -> Progress:
    """Take every step of the plan, and measure for how long the port of the app is closed. Raises SwitchError."""
    watch = processes.watch_port(inputs.processes, progress.before)
    for step in steps_of(inputs.plan):
        progress = take(step, STEPS[step], inputs, progress)
    try:
        progress = await_stop(progress)
    except FAILURES as error:
        raise failed(inputs.plan, "stop", error, progress) from error
    if watch:
        watch.sample()
        progress = progress.found({"port_closed_for": round(watch.closed_for, 3)})
    version = pm2.version_of(pm2.find_executable(inputs.executable))
    return progress.warned(*processes.warnings(inputs.processes, progress.completed, version))


def take(name: str, step: Step, inputs: Inputs, progress: Progress) -> Progress:
    """Take one step, and note how long it took. Raises SwitchError with the progress up to there."""
    clock = inputs.system.clock
    began = clock.now()
    try:
        heartbeat.refuse_lost(inputs.lease, inputs.record["id"])
        after = step(inputs, progress)
    except FAILURES as error:
        raise failed(inputs.plan, name, error, progress.took(name, clock.now() - began)) from error
    return after.took(name, clock.now() - began)


def rehearse(inputs: Inputs, progress: Progress) -> Progress:
    """Migrate a copy of the database, or try the new revision on it, while the app serves.

    What cannot be tried is a warning.
    """
    clock = inputs.system.clock
    if inputs.plan.tries:
        began = clock.now()
        tried = migration.try_out(inputs, progress.before)
        reason = tried.reason
        found = {"done": not reason, "reason": reason, "seconds": round(clock.now() - began, 3)}
        progress = progress.found({"trial": found})
        if reason:
            progress = progress.warned(f"The new revision was not tried beside the old one: {reason}")
        if tried.old_code is not None:
            progress = _remember_old_code(inputs, progress, tried.old_code)
        if not reason or not _rehearses_alone(inputs):
            return progress
    began = clock.now()
    reason = migration.rehearse(inputs, progress.before)
    if reason:
        progress = progress.warned(f"The migration was not tried on a copy of the database: {reason}")
    seconds = round(clock.now() - began, 3)
    return progress.found({"rehearsal": {"done": not reason, "reason": reason, "seconds": seconds}})


def _rehearses_alone(inputs: Inputs) -> bool:
    """Say whether a migration is tried on a copy where the new revision could not be tried."""
    return bool(inputs.migrate) and (
        inputs.rehearse == "always" or (inputs.rehearse == "auto" and bool(inputs.databases))
    )


def _remember_old_code(inputs: Inputs, progress: Progress, problem: str) -> Progress:
    """Note whether the old revision serves with the migrated database: a rollback is ruled by that."""
    progress = note(inputs, progress.learned({"old_code": problem}), None, "old_code")
    if not problem:
        return progress
    return progress.warned(f"After the migration a rollback has to restore the database: {problem}")


def mark(inputs: Inputs, progress: Progress) -> Progress:
    """Mark where the log ends. A rollback goes on without: the app is stopped, and users do not wait for a log."""
    files = logs_process.expand(logs_process.parse_files(inputs.log_files))
    try:
        cursor = logs_files.take_cursor(files, inputs.system.now().timestamp())
    except (LogError, OSError) as error:
        if not inputs.plan.is_rollback:
            raise
        cursor = {}
        progress = progress.warned(f"The log was not marked, so all of it is read: {error}")
    progress = progress.found({"cursor": cursor}).learned({"cursor": cursor})
    # A rollback did that before its stop. By now its app is stopped, and users wait.
    return progress if inputs.plan.is_rollback else _remember_settings(inputs, progress)


def _remember_settings(inputs: Inputs, progress: Progress) -> Progress:
    """Keep what PM2 watches and when it starts something, before it is stopped: PM2 forgets both then.

    The next run may have to know.
    """
    watch, schedules = processes.forgotten_when_stopped(inputs.processes)
    known = {
        "watch": {**inputs.processes.watch, **progress.facts.get("watch", {}), **watch},
        "schedules": {**inputs.processes.schedules, **progress.facts.get("schedules", {}), **schedules},
    }
    return progress.learned({name: value for name, value in known.items() if value})


def note_switching(inputs: Inputs, progress: Progress) -> Progress:
    # No values: a rollback applies the file of the old revision.
    described: Dict[str, Any] = {"ecosystem": asdict(inputs.ecosystem)} if inputs.ecosystem else {}
    described.update(strategy=inputs.plan.strategy, restart_app=inputs.plan.restart_app)
    listed = [each.as_fact() for each in inputs.processes.listed]
    described.update({"processes": listed} if listed else {})
    known = progress.learned(described)
    note(inputs, known, "switching", "databases", "cursor", "watch", "schedules", *described)
    return progress


def note_switched(inputs: Inputs, progress: Progress) -> Progress:
    return note(inputs, progress, "switched", "databases")


def stop(inputs: Inputs, progress: Progress) -> Progress:
    """Stop the app until its processes are gone, and first the others that have its databases open, or may open them.

    PM2 needs a moment to notice, in which the next steps are taken. The others are started again as the last step.
    """
    app_ends = progress.stopping
    if app_ends is None and inputs.plan.is_rollback:
        progress = _remember_settings(inputs, progress)
    names = processes.stopped_with_the_app(inputs.processes, lambda: database.holders(inputs.databases))
    if app_ends and not names:
        return progress
    progress = progress.learned({"jobs": processes.begun_jobs(inputs.processes)})
    all_end = processes.stop(inputs.processes, names, with_app=app_ends is None)
    return replace(progress, stopping=lambda: [*(app_ends() if app_ends else ()), *all_end()])


def await_stop(progress: Progress) -> Progress:
    """Wait until PM2 knows that the stopped app has ended; before that it must not be asked to start it."""
    if progress.stopping is None:
        return progress
    return replace(progress, stopping=None).with_completed(*progress.stopping())


def move(inputs: Inputs, progress: Progress) -> Progress:
    """Put the code of the new revision in place, or that of the old one, and note where what was put aside lies."""
    notes = (layout.back if inputs.plan.is_rollback else layout.forward)(inputs.git, inputs.move)
    progress = progress.warned(*notes)
    folders = layout.put_aside(inputs.git, inputs.move) if notes else []
    return note(inputs, progress.learned({"put_aside": folders}), None, "put_aside") if folders else progress


def migrate(inputs: Inputs, progress: Progress) -> Progress:
    """Run the commands that migrate the database, in the tree of the new revision, and note when they ended.

    Users cannot have written before that, however long it took.
    """
    try:
        warnings = _migrate_alone(inputs, progress)
    finally:
        if inputs.migrate:
            now = release_record.format_time(inputs.system.now())
            # Without this note a rollback is only more careful.
            with contextlib.suppress(RecordError):
                note(inputs, progress.learned({"migrated_at": now}), None, "migrated_at")
    return progress.warned(*warnings) if warnings else progress


def _migrate_alone(inputs: Inputs, progress: Progress) -> List[str]:
    must_be_stopped = bool(inputs.migrate) and inputs.plan.stops
    jobs = progress.facts.get("jobs") or processes.begun_jobs(inputs.processes)

    def refuse_company() -> None:
        processes.refuse_started(inputs.processes)
        processes.refuse_begun(inputs.processes, jobs)

    if must_be_stopped:
        refuse_company()
        left_alone = processes.pids_named(inputs.processes, inputs.allowed_holders)
        database.refuse_strangers(inputs.databases, left_alone, inputs.allowed_holders)
    warnings = migration.migrate(inputs, progress.before)
    if must_be_stopped:
        refuse_company()
    return warnings


def start(inputs: Inputs, progress: Progress) -> Progress:
    """Start or reload the app, and wait until it is ready and stays so.

    In a rollback an old revision that does not start is a warning: code and database are back, and there is nothing
    more to roll back. The caller measures whether it serves.
    """
    progress = await_stop(progress)
    progress = ecosystem.ready(inputs, progress)
    progress = others.start_ahead(inputs, progress) if inputs.plan.stops else progress
    seen = processes.read(inputs.processes)
    if inputs.plan.stops and processes.was_started(seen):
        progress, seen = _stop_again(inputs, progress), processes.read(inputs.processes)
    try:
        completed = processes.start(others.as_before(inputs, progress), seen)
    except PM2Error as error:
        if inputs.plan.is_rollback and inputs.plan.reloads:
            return _restart_instead(inputs, progress, error)
        if inputs.plan.is_rollback:
            return progress.warned(inputs.processes.host.hide(f"The old revision did not start as it should: {error}"))
        if not isinstance(error, EndedError) or not inputs.plan.stops or inputs.plan.rolls_back:
            raise
        raise _without_a_loop(inputs, error) from error
    log_files = ecosystem.log_files(inputs, completed)
    described = processes.describe(completed, log_files, inputs.system.now().timestamp())
    return progress.with_completed(completed).found(described)


def _restart_instead(inputs: Inputs, progress: Progress, error: PM2Error) -> Progress:
    """Stop and start an app that cannot be reloaded to the old revision."""
    text = f"The app could not be reloaded to the old revision, and was stopped and started: {error}"
    plan, app = replace(inputs.plan, strategy="restart"), replace(inputs.processes, state="started")
    restarting = replace(inputs, plan=plan, processes=app)
    stopped = stop(restarting, progress.warned(inputs.processes.host.hide(text)))
    return start(restarting, stopped)


def _without_a_loop(inputs: Inputs, error: EndedError) -> PM2Error:
    """Stop a new revision that ends again and again, and return what to say."""
    try:
        processes.stop(inputs.processes)()
    except PM2Error as failure:
        return PM2Error(f"{error}. It could not be stopped either: {failure}")
    return PM2Error(f"{error}. It was stopped, so that PM2 does not start it again and again")


def _stop_again(inputs: Inputs, progress: Progress) -> Progress:
    """Stop what was started meanwhile: it may run a part of the old code and a part of the new."""
    stopped = processes.stop(inputs.processes)()
    text = f"{inputs.processes.app} was started by something else while it was stopped, and was stopped again"
    return progress.with_completed(*stopped).warned(text)


def look(inputs: Inputs, progress: Progress) -> Progress:
    """Watch an app that runs on as it was started."""
    return progress.found(processes.observe(inputs.processes, inputs.log_files, inputs.system.now().timestamp()))


# Every step by the name that it has in the plan, and in what the module returns.
STEPS: Mapping[str, Step] = {
    "rehearse": rehearse,
    "mark": mark,
    "note_switching": note_switching,
    "stop": stop,
    "back_up": database_steps.back_up,
    "restore": database_steps.restore,
    "move": move,
    "note_switched": note_switched,
    "migrate": migrate,
    "start": start,
    "look": look,
    "restart_others": others.restart,
    "count_lost": database_steps.count_lost,
}
