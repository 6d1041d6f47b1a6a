# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of processes: their children, the ports they listen on, the files they have open.

Source: proc(5). A process that ends while it is being looked at, or belongs to another user, is passed over.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Set, Tuple

PROC = Path("/proc")
# State of a listening socket in /proc/net/tcp, include/net/tcp_states.h.
_LISTEN = "0A"

FileId = Tuple[int, int]


def pids(proc: Path = PROC) -> List[int]:
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]


def is_alive(pid: int, proc: Path = PROC) -> bool:
    """Say whether the process exists and is no zombie."""
    return _state_and_parent(pid, proc)[0] not in ("", "Z")


def _state_and_parent(pid: int, proc: Path) -> Tuple[str, int]:
    """Return the state letter and the parent of a process, ("", 0) when it has ended."""
    try:
        # The name in parentheses may hold spaces and parentheses itself.
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ("", 0)
    return (fields[0], int(fields[1]))


def with_descendants(roots: Iterable[int], proc: Path = PROC) -> Set[int]:
    """Return the processes and all that they have started, which a wrapper such as C(npm start) needs."""
    children: Dict[int, List[int]] = {}
    for pid in pids(proc):
        children.setdefault(_state_and_parent(pid, proc)[1], []).append(pid)
    found: Set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, []))
    return found


def listening_sockets(proc: Path = PROC) -> Dict[str, int]:
    """Return socket inode -> TCP port of every listening socket, IPv4 and IPv6."""
    ports: Dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue  # A kernel without IPv6 has no such table.
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN:
                ports[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return ports


def listening_ports(processes: Iterable[int], proc: Path = PROC) -> List[int]:
    """Return the TCP ports that the processes listen on, ascending."""
    sockets = listening_sockets(proc)
    found = set()
    for pid in processes:
        for path in _descriptors(pid, proc):
            with contextlib.suppress(OSError):
                target = os.readlink(path)
                found.add(sockets.get(target[8:-1], 0) if target.startswith("socket:[") else 0)
    return sorted(found - {0})


def _descriptors(pid: int, proc: Path) -> Iterator[str]:
    """Yield the paths under /proc of a process's open files. They come and go, so using one may fail."""
    try:
        yield from [entry.path for entry in os.scandir(str(proc / str(pid) / "fd"))]
    except OSError:
        return


def holders(files: FrozenSet[FileId], proc: Path = PROC) -> Dict[int, str]:
    """Return pid -> name of the processes that have one of the files open, this process left out.

    A file is named by (device, inode), so neither links nor mounts hide it.
    """
    found = {}
    for pid in pids(proc):
        if pid != os.getpid() and _has_open(pid, files, proc):
            found[pid] = name_of(pid, proc)
    return found


def describe(processes: Mapping[int, str]) -> str:
    """Return the processes, pid -> name, for a person."""
    return ", ".join(f"{pid} ({name})" for pid, name in sorted(processes.items()))


def _has_open(pid: int, files: FrozenSet[FileId], proc: Path) -> bool:
    for path in _descriptors(pid, proc):
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in files:
                return True
    return False


def name_of(pid: int, proc: Path = PROC) -> str:
    try:
        return (proc / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def with_environment(wanted: Mapping[str, str], proc: Path = PROC) -> List[int]:
    """Return the processes that were started with all of these environment variables."""
    entries = {f"{name}={value}".encode() for name, value in wanted.items()}
    found = []
    for pid in pids(proc):
        try:
            environment = (proc / str(pid) / "environ").read_bytes()
        except OSError:
            continue
        if entries <= set(environment.split(b"\0")):
            found.append(pid)
    return sorted(found)
