# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out what is wanted of a process of PM2, and finding out what is true afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._host.files import owner_of
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
    control,
    dump,
    ecosystem,
    process,
    readiness,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import plan as pm2_plan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.control import ReloadError, Transport
from ansible_collections.greenlight.release.plugins.module_utils._pm2.logs import LogMark, killed_pids
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Plan, Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance, Readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock, PortWatch
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import (
    Client,
    NoDaemonError,
    PM2Error,
    ProtocolError,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.transport import (
    Program,
    ProgramTransport,
    SocketTransport,
)

# Seconds that an instance has to take a connection before the next look.
PATIENCE = 1.0
NOTHING = State([], [], "none", "", 0, changes_live=False)


@dataclass(frozen=True)
class Host:
    """What is there to act with: the PM2_HOME, ways to the daemon and the program, and time.

    `idle` is what is done while something is awaited, by whoever waits; `hide` takes known secrets out of a text.
    """

    home: Path
    connect: Callable[[], ContextManager[Transport]]
    program: Callable[[], Program]
    clock: Clock
    idle: List[Callable[[], None]] = field(default_factory=list)
    hide: Callable[[str], str] = lambda text: text


@dataclass(frozen=True)
class Outcome:
    """What was done, and what was found afterwards."""

    after: State
    ready: Optional[Readiness]
    ready_after: float
    killed: List[Instance]
    port_closed_for: Optional[float]


@contextlib.contextmanager
def connect(
    way: str, home: Path, timeout: float, program: Callable[[], Program], idle: Callable[[], None] = lambda: None
) -> Iterator[Transport]:
    """Open a way to PM2: `socket`, `program`, or with `auto` the program where the socket speaks another protocol.

    Raises NoDaemonError where no daemon runs, PM2Error where it hangs or belongs to another user.
    """
    if way == "program":
        yield ProgramTransport(program(), home)
        return
    with Client(home, timeout, idle) as client:
        try:
            transport: Transport = SocketTransport(client)
        except ProtocolError:
            if way == "socket":
                raise
            transport = ProgramTransport(program(), home)
        yield transport


def read_state(host: Host, name: str) -> State:
    """Return what PM2 says of a process, nothing when no daemon runs."""
    try:
        with host.connect() as transport:
            return state_of(transport, name)
    except NoDaemonError:
        return NOTHING


def state_of(transport: Transport, name: str) -> State:
    """Return what PM2 says of a process."""
    listed = transport.processes()
    instances = process.instances_of(listed, name)
    return State(listed, instances, transport.name, transport.version, transport.daemon, transport.changes_live)


def refuse(request: Request, home: Path, before: State, uid: int) -> None:
    """Raise PM2Error where acting would do harm: as another user than PM2_HOME's, or beside a process PM2 lost."""
    try:
        owner = home.stat().st_uid
    except FileNotFoundError:
        owner = uid
    except OSError as error:
        raise PM2Error(f"Cannot look at PM2_HOME {home}: {error.strerror}; become its user, or set pm2_home") from error
    if owner != uid:
        raise PM2Error(f"PM2_HOME {home} belongs to {owner_of(home)}; become that user (become: true, become_user)")
    if request.state not in ("stopped", "absent") or not before.instances:
        readiness.refuse_orphans(home, request.name, before.instances, before.daemon)


def carry_out(request: Request, host: Host, before: State, plan: Plan) -> Outcome:
    """Do what was planned, measure what comes of it, and save. Raises PM2Error when the process is not as wanted.

    What the plan needs must have been looked at with `prepare`.
    """
    log = LogMark.of(host.home / "pm2.log")
    marks = [LogMark.of(Path(path)) for path in sorted({each.err_log for each in before.instances})]
    port = port_to_watch(request, before)
    closing = PortWatch(port, host.clock.now, lambda number: number in proc.open_ports())
    host.idle.extend([closing.sample] if port else [])
    began = host.clock.now()
    if plan.action == "create" and request.config:
        _create(request.config, host)
    if plan.action == "resurrect":
        # What any command of the program does first is to start a daemon.
        host.program().run("ping", "--silent")
    ready, ready_at = None, began
    with host.connect() as transport:
        if request.state in ("stopped", "absent"):
            _end(request, host, transport, before, plan)
        else:
            _run(request, host, transport, before, plan, marks)
            ready, ready_at = _await_ready(request, host, transport, marks)
        after = state_of(transport, request.name)
    _confirm(request, after)
    if plan.save:
        dump.save(host.program(), host.home)
    killed = [each for each in before.instances if each.pid in killed_pids(log.since())]
    return Outcome(after, ready, ready_at - began, killed, closing.closed_for if port else None)


def begin_stop(request: Request, host: Host, before: State) -> Callable[[], Outcome]:
    """Stop the process, and when it is gone return what waits for PM2 to know it and tells the outcome.

    Raises PM2Error, as does what is returned.
    """
    log = LogMark.of(host.home / "pm2.log")
    with contextlib.ExitStack() as opened:
        transport = opened.enter_context(host.connect())
        port = request.wanted.port or 0
        settle = control.begin_stop(transport, before.instances, port, request.timeout, host.clock)
        readiness.refuse_orphans(host.home, request.name, [], transport.daemon)
        kept = opened.pop_all()

    def outcome() -> Outcome:
        with kept:
            settle()
            after = state_of(transport, request.name)
        killed = [each for each in before.instances if each.pid in killed_pids(log.since())]
        return Outcome(after, None, 0.0, killed, None)

    return outcome


def prepare(request: Request, host: Host, plan: Plan) -> None:
    """Raise PM2Error, before anything is touched, when what the plan needs is not there."""
    program = host.program() if plan.save or plan.action in ("create", "recreate", "resurrect") else None
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


def _refuse_missing_interpreter(config: Config, path: str) -> None:
    """Raise PM2Error where PM2 would not find the interpreter. It fetches a `node@VERSION` itself."""
    interpreter = str(config.app.get("exec_interpreter") or "none")
    if interpreter != "none" and not interpreter.startswith("node@") and not shutil.which(interpreter, path=path):
        raise PM2Error(f"The interpreter {interpreter} was not found; correct interpreter, or give its absolute path")


def port_to_watch(request: Request, before: State) -> int:
    """Return the port whose closing is measured: the wanted one, else the only one that the app has, else 0."""
    if request.wanted.port is not None or request.state in ("stopped", "absent"):
        return request.wanted.port or 0
    forked = [each for each in before.instances if each.pid and each.exec_mode == "fork_mode"]
    ports = {port for each in forked for port in proc.listening_ports(proc.with_descendants([each.pid]))}
    return ports.pop() if len(ports) == 1 else 0


def _create(config: Config, host: Host) -> None:
    ecosystem.start(host.program(), pm2_config.ecosystem(config), Path(config.kept["pm_cwd"]))


def _end(request: Request, host: Host, transport: Transport, before: State, plan: Plan) -> None:
    port = request.wanted.port or 0
    control.stop(transport, before.instances, port, request.timeout, host.clock)
    if plan.action == "delete":
        control.delete(transport, before.instances)
    readiness.refuse_orphans(host.home, request.name, [], transport.daemon)


def _run(
    request: Request, host: Host, transport: Transport, before: State, plan: Plan, marks: Sequence[LogMark]
) -> None:
    changes = _changes(request, before, plan)
    if plan.action == "resurrect":
        control.resurrect(transport, request.name, dump.saved_as(host.home, request.name))
    elif plan.action == "start":
        control.start(transport, before.instances, changes)
    elif plan.action == "restart":
        control.restart(transport, before.instances, changes)
    elif plan.action == "reload":
        _reload(request, host, transport, before, changes, marks)
    elif plan.action == "recreate" and request.config:
        control.stop(transport, before.instances, 0, request.timeout, host.clock)
        control.delete(transport, before.instances)
        _recreate(request, request.config, host, before)


def _recreate(request: Request, config: Config, host: Host, before: State) -> None:
    try:
        _create(config, host)
    except PM2Error as error:
        old = before.instances[0]
        saved = dump.is_saved(dump.read_dump(host.home), before.processes, request.name)
        back = "pm2 resurrect brings it back" if saved else "start it again with the configuration that it had"
        raise PM2Error(
            f"{error}. {request.name} was made anew, so its {len(before.instances)} instances of {old.script} in "
            f"{old.cwd} were stopped and removed before; {back}"
        ) from error


def _changes(request: Request, before: State, plan: Plan) -> Dict[int, Mapping[str, Any]]:
    if request.config is None or not plan.differences or plan.action == "recreate":
        return {}
    named = process.named(before.processes, request.name)
    return {int(each["pm_id"]): pm2_config.changes_for(request.config, each, plan.differences) for each in named}


def _reload(
    request: Request,
    host: Host,
    transport: Transport,
    before: State,
    changes: Mapping[int, Mapping[str, Any]],
    marks: Sequence[LogMark],
) -> None:
    def await_one(pm_id: int) -> Readiness:
        def look() -> Readiness:
            instances = process.instances_of(transport.processes(), request.name)
            mine = [each for each in instances if each.pm_id == pm_id]
            return readiness.look_at(mine, transport.daemon, request.wanted, PATIENCE, host.clock)

        return process.wait_until_ready(look, request.timeout, 0, host.clock.now, host.clock.sleep)[0]

    try:
        control.reload(transport, before.instances, changes, await_one)
    except ReloadError as error:
        text = readiness.explain(request.name, error.seen, request.wanted.port, transport.daemon, marks, host.hide)
        raise PM2Error(text) from error


def _await_ready(
    request: Request, host: Host, transport: Transport, marks: Sequence[LogMark]
) -> Tuple[Readiness, float]:
    """Return the last look and the time of the first ready one. Raises PM2Error when the process is not ready."""
    began = host.clock.now()
    seen, after = process.wait_until_ready(
        lambda: readiness.look(transport, request.name, request.wanted, PATIENCE, host.clock),
        request.timeout,
        request.stable_for,
        host.clock.now,
        host.clock.sleep,
    )
    if not seen.ready:
        raise PM2Error(readiness.explain(request.name, seen, request.wanted.port, transport.daemon, marks, host.hide))
    return seen, began + after


def _confirm(request: Request, after: State) -> None:
    """Raise PM2Error when PM2 did not take the configuration over."""
    left = pm2_plan.differences(request, after)
    if left:
        settings = ", ".join(f"env.{each.key}" if each.is_env else each.key for each in left)
        raise PM2Error(
            f"{request.name} runs, but PM2 did not take over {settings}; remove the process with state absent"
        )
