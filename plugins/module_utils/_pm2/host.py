# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to act with: PM2_HOME, connections to the daemon, the program, time, and what PM2 says of a process."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, ContextManager, Iterator, List, Mapping, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process, readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import NoDaemonError, ProtocolError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness, Requirements
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program, find_program
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client
from ansible_collections.greenlight.release.plugins.module_utils._pm2.transport import (
    ProgramTransport,
    SocketTransport,
    Transport,
)
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction

# Seconds between two samples of the port watches while something is awaited.
_TICK = 0.02
NOTHING = State([], [], "none", "", 0, changes_live=False)


@dataclass(frozen=True)
class PM2Host:
    """What is there to act with: the PM2_HOME, connections to the daemon, the program, and time.

    `idle` is called while something is awaited; `hide` takes known secrets out of a text. `waits` are the seconds that
    PM2 is known to wait for a process, for which it gives no answer.
    """

    home: Path
    connect: Callable[[], ContextManager[Transport]]
    program: Callable[[], Program]
    clock: Clock
    idle: List[Callable[[], None]] = field(default_factory=list)
    secrets: Set[str] = field(default_factory=set)
    waits: List[float] = field(default_factory=list)

    def hide(self, message: str) -> str:
        """Return a message without the secrets that are known by now."""
        return redaction.hide(message, self.secrets)


@contextlib.contextmanager
def connect(
    transport_name: str,
    home: Path,
    timeout: float,
    program: Callable[[], Program],
    idle: Callable[[], None] = lambda: None,
) -> Iterator[Transport]:
    """Connect to PM2, by `socket`, `program`, or with `auto` the program where the socket speaks another protocol.

    Raises NoDaemonError where no daemon runs, PM2Error where it hangs or belongs to another user.
    """
    if transport_name == "program":
        yield ProgramTransport(program(), home)
        return
    with Client(home, timeout, idle) as client:
        try:
            transport: Transport = SocketTransport(client)
        except ProtocolError:
            if transport_name == "socket":
                raise
            transport = ProgramTransport(program(), home)
        yield transport


def read_state(host: PM2Host, name: str) -> State:
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


def make_host(
    home: Path,
    transport_name: str,
    executable: str,
    timeout: float,
    caller: Mapping[str, str],
    clock: Clock,
    secrets: Set[str],
) -> PM2Host:
    """Return what there is to act with; whoever waits for something lets the port watches sample meanwhile.

    `caller` is the environment, and `secrets` what messages must not show, also what is added to the set later.
    """
    watches: List[Callable[[], None]] = []
    waits: List[float] = []

    def idle() -> None:
        for watch in watches:
            watch()

    def pause(seconds: float) -> None:
        ends = clock.now() + seconds
        while clock.now() < ends:
            idle()
            clock.sleep(max(0.0, min(_TICK, ends - clock.now())))

    def patience() -> float:
        return timeout + max(waits, default=0.0)

    def program() -> Program:
        return find_program(executable, home, patience(), caller, idle)

    return PM2Host(
        home,
        lambda: connect(transport_name, home, patience(), program, idle),
        program,
        Clock(clock.now, pause),
        watches,
        secrets,
        waits,
    )


def observe(
    host: PM2Host, name: str, requirements: Requirements, patience: float, stable_for: float
) -> Tuple[Readiness, State]:
    """Watch a process that is left as it is, and return whether it is ready and what PM2 says of it.

    `patience` are the seconds that an instance has to take a connection. A process that is not ready is measured once,
    as waiting would change nothing. Raises PM2Error, NoDaemonError where no daemon runs.
    """
    with host.connect() as transport:
        seen, _after = process.wait_until_ready(
            lambda: readiness.measure(transport, name, requirements, patience, host.clock),
            0,
            stable_for,
            host.clock.now,
            host.clock.sleep,
        )
        return seen, state_of(transport, name)
