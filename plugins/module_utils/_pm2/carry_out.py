# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out the plan for one process: done, awaited, confirmed, saved, and measured meanwhile."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
    bus,
    checks,
    crashes,
    dump,
    ecosystem,
    instances,
    process,
    readiness,
    waits,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import differences as pm2_differences
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import plan as pm2_plan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.crashes import Signs
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import EndedError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import PM2Host, state_of
from ansible_collections.greenlight.release.plugins.module_utils._pm2.instances import ReloadError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.logs import LogMark, killed_pids
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan, Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance, Readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import PortWatch
from ansible_collections.greenlight.release.plugins.module_utils._pm2.transport import Transport

# Seconds that an instance has to take a connection before it is asked again.
PATIENCE = 1.0


@dataclass(frozen=True)
class Outcome:
    """What was found when a plan had been carried out."""

    after: State
    ready: Optional[Readiness]
    ready_after: float
    killed: List[Instance]
    port_closed_for: Optional[float]


@dataclass(frozen=True)
class _Began:
    """What is noted before anything is done, to measure afterwards what came of it."""

    before: State
    pm2_log: LogMark
    watch: Optional[PortWatch]
    at: float

    def outcome(self, after: State, ready: Optional[Readiness] = None, ready_at: Optional[float] = None) -> Outcome:
        killed = killed_pids(self.pm2_log.since())
        return Outcome(
            after,
            ready,
            0.0 if ready_at is None else ready_at - self.at,
            [each for each in self.before.instances if each.pid in killed],
            self.watch.closed_for if self.watch else None,
        )


def _begin(request: Request, host: PM2Host, before: State) -> _Began:
    host.waits.append(waits.answer_seconds(request, before.instances))
    log, watch = LogMark.of(host.home / "pm2.log"), watch_port(request, host, before)
    return _Began(before, log, watch, host.clock.now())


def watch_port(request: Request, host: PM2Host, before: State) -> Optional[PortWatch]:
    """Begin to measure for how long the port of a process is closed; None where no port is known."""
    port = port_to_watch(request, before)
    if not port:
        return None
    watch = PortWatch(port, host.clock.now, lambda number: number in proc.open_ports())
    host.idle.append(watch.sample)
    return watch


def port_to_watch(request: Request, before: State) -> int:
    """Return the port whose closing is measured: the wanted one, else the only one that the app has, else 0."""
    if request.requirements.port is not None or request.ends:
        return request.requirements.port or 0
    forked = [each for each in before.instances if each.pid and each.exec_mode == "fork_mode"]
    ports = {port for each in forked for port in proc.listening_ports(proc.with_descendants([each.pid]))}
    return ports.pop() if len(ports) == 1 else 0


def carry_out(request: Request, host: PM2Host, before: State, plan: ProcessPlan) -> Outcome:
    """Carry out a plan of `checks.checked_plan`. Raises PM2Error when the process is not as wanted afterwards."""
    return stop(request, host, before, plan)() if request.ends else run(request, host, before, plan)


def stop(request: Request, host: PM2Host, before: State, plan: ProcessPlan) -> Callable[[], Outcome]:
    """Stop a process, wait until it is gone, and return what waits until PM2 knows that, removes it, and saves.

    Both raise PM2Error. PM2 takes a moment to notice the end, in which the caller may do something else.
    """
    began = _begin(request, host, before)
    with contextlib.ExitStack() as opened:
        transport = opened.enter_context(host.connect())
        port = request.requirements.port or 0
        may_take = waits.stop_seconds(request, before.instances)
        await_pm2 = instances.stop(transport, before.instances, port, may_take, host.clock, request.unscheduled)
        readiness.refuse_orphans(host.home, request.name, [], transport.daemon)
        still_open = opened.pop_all()

    def finish() -> Outcome:
        with still_open:
            await_pm2()
            if plan.action == "delete":
                instances.delete(transport, before.instances)
            after = state_of(transport, request.name)
        _save(host, plan)
        return began.outcome(after)

    return finish


def run(request: Request, host: PM2Host, before: State, plan: ProcessPlan) -> Outcome:
    """Start, restart, reload or make a process, and wait until it is ready and stays so. Raises PM2Error."""
    # Not one of the checks, which a switch makes before it moves the code that brings the script.
    checks.refuse_gone(request, before, plan)
    logs = LogMark.of_all(host.home, {path for each in before.instances for path in (each.err_log, each.out_log)})
    began = _begin(request, host, before)
    if plan.action == "create" and request.config:
        _create(request.config, host)
    if plan.action == "resurrect":
        # What any command of the program does first is to start a daemon.
        host.program().run("ping", "--silent")
    with host.connect() as transport, bus.listen(host.home, transport.daemon) as events:
        signs = Signs(logs, events.errors)
        _give_orders(request, host, transport, before, plan, signs)
        ready, ready_at = _await_ready(request, host, transport, before, signs)
        after = state_of(transport, request.name)
    _confirm(request, after)
    _save(host, plan)
    return began.outcome(after, ready, ready_at)


def _save(host: PM2Host, plan: ProcessPlan) -> None:
    if plan.save:
        dump.save(host.program(), host.home)


def _create(config: Config, host: PM2Host) -> None:
    ecosystem.start(host.program(), ecosystem.write(config), Path(config.kept["pm_cwd"]))


def _give_orders(
    request: Request,
    host: PM2Host,
    transport: Transport,
    before: State,
    plan: ProcessPlan,
    signs: Signs,
) -> None:
    changes = _changes(request, before, plan)
    if plan.action == "resurrect":
        instances.resurrect(transport, request.name, dump.saved_as(host.home, request.name))
    elif plan.action == "start":
        instances.start(transport, before.instances, changes)
    elif plan.action == "restart":
        instances.restart(transport, before.instances, changes)
    elif plan.action == "reload":
        _reload(request, host, transport, before, changes, signs)
    elif plan.action == "recreate" and request.config:
        may_take = waits.stop_seconds(request, before.instances)
        instances.stop(transport, before.instances, 0, may_take, host.clock)()
        instances.delete(transport, before.instances)
        _recreate(request, request.config, host, before)


def _recreate(request: Request, config: Config, host: PM2Host, before: State) -> None:
    try:
        _create(config, host)
    except PM2Error as error:
        old = before.instances[0]
        saved = dump.is_saved(dump.read_dump(host.home), before.processes, request.name)
        remedy = "pm2 resurrect brings it back" if saved else "start it again with the configuration that it had"
        raise PM2Error(
            f"{error}. {request.name} was created again, so its {len(before.instances)} instances of {old.script} in "
            f"{old.cwd} were stopped and removed before; {remedy}"
        ) from error


def _changes(request: Request, before: State, plan: ProcessPlan) -> Dict[int, Mapping[str, object]]:
    forgotten = {"watch": request.watch, "cron_restart": request.schedule}
    again: Dict[str, object] = {name: value for name, value in forgotten.items() if value}
    if request.config is None or not plan.differences or plan.action == "recreate":
        return {each.pm_id: again for each in before.instances if again}
    named = process.named(before.processes, request.name)
    return {
        int(each["pm_id"]): {**again, **pm2_differences.changes_for(request.config, each, plan.differences)}
        for each in named
    }


def _reload(
    request: Request,
    host: PM2Host,
    transport: Transport,
    before: State,
    changes: Mapping[int, Mapping[str, object]],
    signs: Signs,
) -> None:
    def await_one(pm_id: int) -> Readiness:
        def measure() -> Readiness:
            listed = process.instances_of(transport.processes(), request.name)
            mine = [each for each in listed if each.pm_id == pm_id]
            seen = readiness.measure_instances(mine, transport.daemon, request.requirements, PATIENCE, host.clock)
            return judge(seen)

        judge = crashes.load_failure_judge(signs, host.clock.now)

        may_take = waits.start_seconds(request, before.instances)
        return process.wait_until_ready(measure, may_take, 0, host.clock.now, host.clock.sleep)[0]

    try:
        instances.reload(transport, before.instances, changes, await_one)
    except ReloadError as error:
        raise PM2Error(_explain(request, host, transport, error.seen, signs)) from error


def _explain(request: Request, host: PM2Host, transport: Transport, seen: Readiness, signs: Signs) -> str:
    port = request.requirements.port
    return readiness.explain(request.name, seen, port, transport.daemon, signs.marks, host.hide)


def _await_ready(
    request: Request, host: PM2Host, transport: Transport, before: State, signs: Signs
) -> Tuple[Readiness, float]:
    """Return the last measurement and the time of the first ready one. Raises PM2Error when it is not ready.

    It is an EndedError where waiting longer would change nothing.
    """
    began = host.clock.now()
    judge = crashes.load_failure_judge(signs, host.clock.now)
    seen, after = process.wait_until_ready(
        lambda: judge(readiness.measure(transport, request.name, request.requirements, PATIENCE, host.clock)),
        waits.start_seconds(request, before.instances),
        request.stable_for,
        host.clock.now,
        host.clock.sleep,
    )
    if not seen.ready:
        kind = EndedError if seen.final else PM2Error
        raise kind(_explain(request, host, transport, seen, signs))
    return seen, began + after


def _confirm(request: Request, after: State) -> None:
    """Raise PM2Error when PM2 did not take the configuration over."""
    left = pm2_plan.differences(request, after)
    if left:
        settings = ", ".join(each.shown_key for each in left)
        raise PM2Error(
            f"{request.name} runs, but PM2 did not take over {settings}; remove the process with state absent"
        )
