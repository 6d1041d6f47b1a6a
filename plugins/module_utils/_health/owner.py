# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process answers a connection to this machine, as the kernel knows it.

Two processes may serve one port, and an old one may go on serving it, so what counts is who holds the other end of the
connection itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, List, Set

from ansible_collections.greenlight.release.plugins.module_utils._host import proc as host_proc
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import (
    PROC,
    Address,
    Connection,
    Socket,
    inodes_of,
    plain_address,
    read_sockets,
)

_WILDCARDS = ("0.0.0.0", "::")


def explain_owner(connection: Connection, pids: Iterable[int], proc: Path = PROC) -> str:
    """Return why none of the processes, nor one that they started, answers a connection, "" when one does."""
    port = connection.peer[1]
    sockets = read_sockets(proc)
    connected = _connected_to(connection, sockets)
    # A connection that is closed already has no socket; each of those that listen there may have answered it.
    inodes = connected or _listening_at(connection.peer, sockets)
    if not inodes:
        return f"nothing on this machine answers at port {port}, so it is unknown which process does"
    wanted = host_proc.with_descendants(pids, proc)
    try:
        held = inodes & {inode for pid in wanted for inode in inodes_of(pid, proc)}
        if held == inodes or (held and connected):
            return ""
        holders = [pid for pid in host_proc.pids(proc) if (inodes - held) & set(_readable_inodes(pid, proc))]
    except PermissionError:
        return "it is unknown which process answers; become the user of the app, or root"
    shown = ", ".join(f"{pid} ({host_proc.name_of(pid, proc)})" for pid in holders) or "one of another user"
    return f"port {port} is answered by process {shown}, not by {', '.join(map(str, pids))}"


def _connected_to(connection: Connection, sockets: List[Socket]) -> Set[str]:
    """Return the socket at the other end."""
    return {s.inode for s in sockets if s.local == connection.peer and s.remote == connection.own} - {"0"}


def _listening_at(peer: Address, sockets: List[Socket]) -> Set[str]:
    """Return the sockets that listen at an address, or at all of them; at its port alone when it is only a name."""
    listening = [s for s in sockets if s.listens and s.local[1] == peer[1]]
    try:
        address = plain_address(peer[0])
    except ValueError:
        return {s.inode for s in listening}
    at_it = {s.inode for s in listening if s.local[0] == address}
    return at_it or {s.inode for s in listening if s.local[0] in _WILDCARDS}


def _readable_inodes(pid: int, proc: Path) -> List[str]:
    try:
        return list(inodes_of(pid, proc))
    except PermissionError:
        return []
