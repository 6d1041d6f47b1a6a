# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds the other end of a connection of this host, asked of the kernel by sock_diag(7).

It answers in microseconds however many sockets there are, where /proc/net/tcp on a busy host takes tenths of a second.
A kernel without it is recognised by the answers for our own ends, which must exist.
"""

from __future__ import annotations

import socket
import struct
from typing import List, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Address, Connection

# struct nlmsghdr, struct inet_diag_req_v2 and struct inet_diag_sockid of linux/netlink.h and linux/inet_diag.h.
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_PORTS = struct.Struct(">HH")
_REST = struct.Struct("=III")
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
# Where an answer has its ports and its inode: struct inet_diag_msg begins behind the header of 16 bytes.
_PORTS_AT, _INODE_AT = 20, 84


def other_ends(connections: Sequence[Connection]) -> Optional[List[str]]:
    """Return the inode of the other end of each connection, 0 before it was accepted and after it was closed.

    Returns None where the kernel cannot be asked.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(1)
            known = [_ask(kernel, each.own, each.peer) for each in connections]
            found = [_ask(kernel, each.peer, each.own) for each in connections]
    except OSError:
        return None
    return found if any(inode != "0" for inode in known) else None


def _ask(kernel: socket.socket, source: Address, target: Address) -> str:
    """Return the inode of the socket that is bound to a source and connected to a target, 0 for none."""
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    ends = b"".join(socket.inet_pton(family, address).ljust(16, b"\0") for address, _port in (source, target))
    # No interface, and no cookie: any socket with these ends.
    socket_id = _PORTS.pack(source[1], target[1]) + ends + _REST.pack(0, 0xFFFFFFFF, 0xFFFFFFFF)
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + socket_id
    kernel.send(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + body)
    answer = kernel.recv(8192)
    return read_answer(answer, (source[1], target[1]))


def read_answer(answer: bytes, ports: Tuple[int, int]) -> str:
    """Return the inode in an answer, 0 when it is an error, or describes the listener because nothing is connected."""
    kind = _HEADER.unpack_from(answer)[1]
    if kind != _SOCK_DIAG_BY_FAMILY or _PORTS.unpack_from(answer, _PORTS_AT) != ports:
        return "0"
    return str(struct.unpack_from("=I", answer, _INODE_AT)[0])
