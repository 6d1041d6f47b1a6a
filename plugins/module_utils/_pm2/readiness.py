# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring whether a process of PM2 is ready: what PM2 says of it, and what the kernel says of that.

That an instance serves is shown by a connection: it is opened, and the kernel is asked which process holds its other
end. So a blocked event loop shows, and in cluster mode, where the daemon listens for all of its workers, which of them
serves. Nothing is sent, and the connection is closed.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import AbstractSet, Any, Callable, Dict, Iterator, List, Mapping, Optional, Protocol, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import proc, sock_diag, sockets
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.logs import LogMark, last_lines
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import (
    Instance,
    KernelState,
    Readiness,
    Requirements,
)

# Connections for each instance of a cluster: others take turns too, and each should get one of ours at once.
_TURNS = 4


@dataclass(frozen=True)
class Clock:
    """Time as arguments: a monotonic clock in seconds, and a pause."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Source(Protocol):
    """What a measurement needs of PM2: the pid of the daemon, and its list of processes."""

    @property
    def daemon(self) -> int: ...

    def processes(self) -> List[Dict[str, Any]]: ...


class PortWatch:
    """Measures for how long a port is closed, from samples that others take whenever they wait."""

    def __init__(self, port: int, now: Callable[[], float], is_open: Callable[[int], bool]) -> None:
        self._port = port
        self._now = now
        self._is_open = is_open
        self._last = now()
        self._was_open = True
        self.closed_for = 0.0

    def sample(self) -> None:
        """Count the time since the last sample when the port was closed at its beginning."""
        now = self._now()
        if not self._was_open:
            self.closed_for += now - self._last
        self._last, self._was_open = now, self._is_open(self._port)


def measure(source: Source, name: str, requirements: Requirements, patience: float, clock: Clock) -> Readiness:
    """Measure a process once. `patience` are the seconds that an instance has to take a connection."""
    return measure_instances(
        process.instances_of(source.processes(), name), source.daemon, requirements, patience, clock
    )


def measure_instances(
    instances: Sequence[Instance], daemon: int, requirements: Requirements, patience: float, clock: Clock
) -> Readiness:
    """Ask the kernel about instances, and judge them."""
    families = {each.pm_id: proc.with_descendants([each.pid]) if each.pid else set() for each in instances}
    wanted = requirements.ports
    listeners = [each for each in proc.listeners() if requirements.port is None or each.port in wanted]
    candidates = {each.pm_id: _candidates(each, families[each.pm_id], daemon, listeners) for each in instances}
    hidden = {pm_id for pm_id, family in families.items() if _is_hidden(family)}
    taken = _Probe(families, candidates, patience, clock, len(wanted) > 1, hidden).run()
    listener = sockets.listener_of(requirements.socket) if requirements.socket else None
    kernel_states = {
        each.pm_id: KernelState(
            alive=bool(each.pid) and proc.is_alive(each.pid),
            listening=_ports_served(each, candidates[each.pm_id], taken[each.pm_id]),
            taking=sorted(taken[each.pm_id]),
            stale=process.stale_folder(each, proc.working_folder(each.pid)) if each.pid else "",
            revision=proc.read_in_folder(each.pid, requirements.revision_path) if requirements.revision_path else None,
            # A listener that the kernel does not name is in another namespace of processes.
            connects=listener == 0 or listener in families[each.pm_id] | _shared(each, daemon),
        )
        for each in instances
    }
    return process.judge(instances, requirements, kernel_states)


def _candidates(
    instance: Instance, family: Set[int], daemon: int, listeners: Sequence[proc.Listener]
) -> List[proc.Listener]:
    """Return the sockets that may serve the instance. In cluster mode the daemon holds those of its workers."""
    if instance.status != "online" or not instance.pid or not listeners:
        return []
    held = proc.sockets_of(family | _shared(instance, daemon))
    if _is_hidden(family):
        # It may be any of those that nobody else is seen to have.
        others = proc.sockets_of(pid for pid in proc.pids() if pid not in family)
        return [each for each in listeners if each.inode in held or each.inode not in others]
    return [each for each in listeners if each.inode in held]


def _is_hidden(family: Set[int]) -> bool:
    return any(proc.is_hidden(pid) for pid in family)


def _shared(instance: Instance, daemon: int) -> Set[int]:
    """Return the process that listens for the instance besides its own: in cluster mode the daemon."""
    return {daemon} if daemon and instance.exec_mode == "cluster_mode" else set()


def _ports_served(instance: Instance, candidates: Sequence[proc.Listener], taken: Set[int]) -> List[int]:
    """Return the ports of an instance; a worker's are only those where it took a connection, as others share them."""
    if instance.exec_mode == "cluster_mode" and taken:
        return sorted(taken)
    return sorted({each.port for each in candidates})


class _Probe:
    """Opens connections until every instance that listens has taken one, or the patience ends.

    With `every_port` that is one on each port. Of the instances in `hidden` the kernel does not say what they have.
    """

    def __init__(
        self,
        families: Mapping[int, Set[int]],
        candidates: Mapping[int, Sequence[proc.Listener]],
        patience: float,
        clock: Clock,
        every_port: bool = False,
        hidden: AbstractSet[int] = frozenset(),
    ) -> None:
        self._hidden = hidden
        self._every_port = every_port
        self._families = families
        self._candidates = candidates
        self._ends = clock.now() + patience
        self._clock = clock
        self._taken: Dict[int, Set[int]] = {pm_id: set() for pm_id in families}
        self._open: List[Tuple[socket.socket, Connection]] = []

    def run(self) -> Dict[int, Set[int]]:
        """Return pm_id -> ports on which the instance took a connection."""
        with contextlib.ExitStack() as stack:
            tries = 4
            while self._waiting() and self._clock.now() < self._ends:
                for listener in self._listeners():
                    for connection, ends in _connect(listener):
                        self._open.append((stack.enter_context(connection), ends))
                self._await(tries)
                tries *= 2
        return self._taken

    def _waiting(self) -> List[int]:
        return [pm_id for pm_id, taken in self._taken.items() if self._is_waiting(self._candidates[pm_id], taken)]

    def _is_waiting(self, candidates: Sequence[proc.Listener], taken: Set[int]) -> bool:
        if self._every_port:
            return any(each.port not in taken for each in candidates)
        return bool(candidates) and not taken

    def _listeners(self) -> List[proc.Listener]:
        """Return each listener several times for a cluster, whose instances take connections in turns with others."""
        found = {listener for pm_id in self._waiting() for listener in self._candidates[pm_id]}
        instances = len(self._families)
        return sorted(found, key=lambda each: each.inode) * (1 if instances == 1 else _TURNS * instances)

    def _await(self, tries: int) -> None:
        """Wait until the connections are taken, which shows by whom, or a while before trying others."""
        for _try in range(tries):
            self._attribute()
            if not self._waiting() or self._clock.now() >= self._ends:
                return
            self._clock.sleep(0.005)

    def _attribute(self) -> None:
        held = {pm_id: proc.sockets_of(self._families[pm_id]) for pm_id in self._waiting()}
        for (connection, ends), inode in zip(self._open, _other_ends([ends for _socket, ends in self._open])):
            port = ends.peer[1]
            for pm_id, inodes in held.items():
                # An app may end a connection that says nothing at once, so that it has no owner any more. One that has
                # an owner was accepted, by a hidden instance where it cannot be another one.
                taken = _ended(connection) or (pm_id in self._hidden and inode != "0")
                if inode in inodes or (taken and self._may_serve(pm_id, port)):
                    self._taken[pm_id].add(port)

    def _may_serve(self, pm_id: int, port: int) -> bool:
        return any(listener.port == port for listener in self._candidates[pm_id])


def _connect(listener: proc.Listener) -> Iterator[Tuple[socket.socket, Connection]]:
    """Yield a connection to the listener; none when it is gone or its queue is full."""
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    connection = socket.socket(family)
    connection.settimeout(0.2)
    try:
        connection.connect((listener.address, listener.port))
    except OSError:
        connection.close()
        return
    connection.setblocking(False)
    mine = connection.getsockname()[:2]
    yield connection, Connection(mine, (listener.address, listener.port))


def _other_ends(connections: Sequence[Connection]) -> List[str]:
    """Return the inode of the other end of each connection, from a table where the kernel cannot be asked directly."""
    found = sock_diag.other_ends(connections)
    if found is not None:
        return found
    known = proc.accepted(each.own[1] for each in connections)
    return [known.get((each.peer[1], each.own[1]), "0") for each in connections]


def _ended(connection: socket.socket) -> bool:
    """Say whether the other side has closed the connection."""
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def orphans(home: Path, name: str, known: Sequence[Instance], daemon: int) -> List[int]:
    """Return processes that PM2 once started for the app and no longer knows, as a killed daemon leaves behind.

    PM2 gives every process its own PM2_HOME and name in the environment, a worker of a cluster in JSON.
    """
    roots = [instance.pid for instance in known if instance.pid] + ([daemon] if daemon else [])
    found = proc.environments(f"{home}")
    started = [pid for pid, environment in found if _was_started_as(environment, home, name)]
    # Afterwards: PM2 may have started one of them meanwhile, as it does with an app that fails again and again.
    running = proc.with_descendants(roots)
    return [pid for pid in started if pid not in running and proc.is_alive(pid)]


def _was_started_as(environment: Mapping[str, str], home: Path, name: str) -> bool:
    try:
        given = json.loads(environment.get("pm2_env", "null")) or environment
    except ValueError:
        given = environment
    return given.get("name") == name and given.get("PM2_HOME") == str(home)


def refuse_orphans(home: Path, name: str, known: Sequence[Instance], daemon: int) -> None:
    """Raise PM2Error when a process of the app runs that PM2 does not know: a second one would fight with it."""
    found = orphans(home, name, known, daemon)
    if found:
        held = sorted({port for pid in found for port in proc.listening_ports([pid])})
        serving = f" and serves port {', '.join(map(str, held))}" if held else ""
        raise PM2Error(
            f"{name} still runs as process {', '.join(map(str, found))}{serving}, which the PM2 daemon of {home} "
            "does not know; end it before PM2 starts another one"
        )


def explain(
    name: str,
    readiness: Readiness,
    port: Optional[int],
    daemon: int,
    marks: Sequence[LogMark],
    hide: Callable[[str], str] = lambda text: text,
) -> str:
    """Return why a process is not ready, who has its port instead, and the end of its error log since it was marked.

    `hide` takes known secrets out of the log before it is split into lines and cut, which could halve one.
    """
    own = proc.with_descendants([i.pid for i in readiness.instances if i.pid]) | {daemon}
    others = {pid: program for pid, program in proc.holders_of_port(port).items() if pid not in own} if port else {}
    held = [f"process {pid} ({program})" for pid, program in sorted(others.items())]
    taken = f". Port {port} is held by {', '.join(held)}" if held else ""
    known = {str(mark.path): mark for mark in marks}
    logs = [known.get(path, LogMark(Path(path), 0)) for path in sorted({i.err_log for i in readiness.instances})]
    lines = [line for log in logs for line in last_lines(hide(log.since()))]
    quoted = f". Its error log ends with: {' | '.join(lines)}" if lines else ""
    return f"{name} is not ready: {readiness.reason}{taken}{quoted}"
