# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process answers a connection to this machine, as the kernel knows it.

Two processes may serve one port, and an old one may go on serving it, so what counts is who holds the other end of the
connection itself. Source: proc(5), and the addresses in /proc/net/tcp as net/ipv4/tcp_ipv4.c prints them.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Set, Tuple, Union

from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Connection
from ansible_collections.greenlight.release.plugins.module_utils._host import proc as host_proc
from ansible_collections.greenlight.release.plugins.module_utils._host.proc import PROC

_LISTEN = "0A"
_WILDCARDS = ("0.0.0.0", "::")

Address = Tuple[str, int]


class Socket(NamedTuple):
    """A TCP socket of this machine; the inode is "0" when no process holds it any more."""

    local: Address
    remote: Address
    listens: bool
    inode: str


def explain_owner(connection: Connection, pids: Iterable[int], proc: Path = PROC) -> str:
    """Return why none of the processes, nor one that they started, answers a connection, "" when one does."""
    port = connection.peer[1]
    sockets = read_sockets(proc)
    connected = _connected_to(connection, sockets)
    # A connection that is closed already has no socket; each of those that listen there may have answered it.
    inodes = connected or _listening_at(connection.peer, sockets)
    if not inodes:
        return f"nothing on this machine answers at port {port}, so it cannot be told which process does"
    wanted = host_proc.with_descendants(pids, proc)
    try:
        held = inodes & {inode for pid in wanted for inode in socket_inodes(pid, proc)}
        if held == inodes or (held and connected):
            return ""
        holders = [pid for pid in host_proc.pids(proc) if (inodes - held) & set(_readable_inodes(pid, proc))]
    except PermissionError:
        return "it cannot be told which process answers; become the user of the app, or root"
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


def read_sockets(proc: Path = PROC) -> List[Socket]:
    """Return the TCP sockets of this machine, IPv4 and IPv6."""
    found = []
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue  # A kernel without IPv6 has no such table.
        for fields in map(str.split, lines):
            found.append(Socket(_address(fields[1]), _address(fields[2]), fields[3] == _LISTEN, fields[9]))
    return found


def _address(text: str) -> Address:
    """Read `0100007F:0BB8`, in which every 32 bits of the address are in the byte order of the machine."""
    address, _colon, port = text.partition(":")
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return (plain_address(packed), int(port, 16))


def plain_address(packed: Union[bytes, str]) -> str:
    """Return an address as text; that of IPv4 when it is one of IPv4 in the clothes of IPv6."""
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def socket_inodes(pid: int, proc: Path = PROC) -> Iterator[str]:
    """Yield the inodes of a process's sockets. Raises PermissionError for a process of another user."""
    try:
        entries = [entry.path for entry in os.scandir(str(proc / str(pid) / "fd"))]
    except (FileNotFoundError, ProcessLookupError):
        return
    for path in entries:
        try:
            target = os.readlink(path)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _readable_inodes(pid: int, proc: Path) -> List[str]:
    try:
        return list(socket_inodes(pid, proc))
    except PermissionError:
        return []
