# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP sockets of this host, out of /proc/net/tcp and tcp6, which of them a process holds, and unix sockets.

Source: proc(5), and the addresses as net/ipv4/tcp_ipv4.c prints them.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Set, TextIO, Tuple, Union

PROC = Path("/proc")
# State of a listening socket in /proc/net/tcp, include/net/tcp_states.h.
_LISTEN = "0A"
# __SO_ACCEPTCON in /proc/net/unix, include/linux/net.h.
_ACCEPTS = "00010000"
# struct ucred of socket(7): pid, uid and gid.
_CREDENTIALS = struct.Struct("3i")

Address = Tuple[str, int]


class Socket(NamedTuple):
    """A TCP socket of this host; the inode is "0" when no process holds it any more."""

    local: Address
    remote: Address
    listens: bool
    inode: str


@dataclass(frozen=True)
class Connection:
    """The ends of a TCP connection as (address, port), ours and the peer's."""

    own: Address
    peer: Address


def tables(proc: Path = PROC) -> Iterator[TextIO]:
    """Yield the tables of TCP sockets behind their headings, read no further than they are used: they may be long."""
    for table in ("tcp", "tcp6"):
        try:
            with (proc / "net" / table).open() as rows:
                rows.readline()
                yield rows
        except OSError:
            continue  # A kernel without IPv6 has no such table.


def listening_rows(proc: Path = PROC) -> Iterator[List[str]]:
    """Yield the fields of every listening TCP socket, 1 its address, 9 its inode; the kernel lists them first."""
    for rows in tables(proc):
        for fields in map(str.split, rows):
            if fields[3] != _LISTEN:
                break
            yield fields


def read_sockets(proc: Path = PROC) -> List[Socket]:
    """Return the TCP sockets of this host, IPv4 and IPv6."""
    return [read_socket(fields) for rows in tables(proc) for fields in map(str.split, rows)]


def read_socket(fields: List[str]) -> Socket:
    """Return the socket that the fields of a row describe."""
    return Socket(read_address(fields[1]), read_address(fields[2]), fields[3] == _LISTEN, fields[9])


def port_of(text: str) -> int:
    """Return the port in `0100007F:0BB8`."""
    return int(text.rpartition(":")[2], 16)


def read_address(text: str) -> Address:
    """Read `0100007F:0BB8`, in which every 32 bits of the address are in the byte order of the machine."""
    address = text.rpartition(":")[0]
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return (plain_address(packed), port_of(text))


def listener_of(path: str, timeout: float = 1.0) -> Optional[int]:
    """Connect to a unix socket, and return the process that listens on it, 0 where the kernel does not name it.

    None where nobody takes a connection. Nothing is sent, and the connection is closed.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
    return int(_CREDENTIALS.unpack(credentials)[0])


def unix_listeners(inodes: Set[str], proc: Path = PROC) -> List[str]:
    """Return the absolute paths of the unix sockets with these inodes that take connections."""
    try:
        rows = (proc / "net" / "unix").read_text(errors="replace").splitlines()[1:]
    except OSError:
        return []
    found = [row.split(maxsplit=7) for row in rows]
    return sorted(
        {row[7] for row in found if len(row) == 8 and row[3] == _ACCEPTS and row[6] in inodes and row[7][:1] == "/"}
    )


def plain_address(packed: Union[bytes, str]) -> str:
    """Return an address as text; that of IPv4 where IPv6 maps one. Raises ValueError for what is no address."""
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def inodes_of(pid: int, proc: Path = PROC) -> Iterator[str]:
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
