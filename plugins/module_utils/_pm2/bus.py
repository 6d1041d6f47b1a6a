# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening to the events of the PM2 daemon on `PM2_HOME/pub.sock`: which instance had an error that nothing caught.

In fork mode PM2's agent in the app prints a promise that was rejected and not handled, and lets the process live.
Whatever was thrown, the daemon then sends `process:exception`. A frame is that of rpc.py, with the name of the event
and its data as arguments. Who cannot listen only finds out later: nothing here raises.
"""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import LENGTH, credentials_of

_EVENT = b"s:process:exception"
# What is kept of a frame that is not whole yet. Lines of logs come the same way, and a burst of them is skipped.
_LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True)
class Uncaught:
    """The first line of an error that nothing caught, and when it was, in milliseconds since 1970."""

    line: str
    at: int


class Bus:
    """Collects the last error of each instance."""

    def __init__(self, connection: Optional[socket.socket]) -> None:
        self._connection = connection
        self._received = bytearray()
        self._errors: Dict[int, Uncaught] = {}

    def errors(self) -> Dict[int, Uncaught]:
        """Return what was heard so far, by pm_id, without waiting."""
        while self._connection and self._receive(self._connection):
            self._read_frames()
        return dict(self._errors)

    def _receive(self, connection: socket.socket) -> bool:
        try:
            piece = connection.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        self._received += piece
        if not piece or len(self._received) > _LARGEST:
            self._connection = None
        return bool(piece)

    def _read_frames(self) -> None:
        while True:
            parts, end = split_frame(self._received)
            if not end:
                return
            del self._received[:end]
            if parts and parts[0] == _EVENT:
                self._errors.update(read_error(parts[-1]))


def split_frame(received: bytearray) -> Tuple[List[bytes], int]:
    """Return the arguments of the first frame and where it ends, 0 where it is not whole yet."""
    parts: List[bytes] = []
    if not received:
        return parts, 0
    at = 1
    for _argument in range(received[0] & 15):
        if at + 4 > len(received):
            return [], 0
        begins = at + 4
        at = begins + int(LENGTH.unpack(received[at:begins])[0])
        if at > len(received):
            return [], 0
        parts.append(bytes(received[begins:at]))
    return parts, at


def read_error(body: bytes) -> Dict[int, Uncaught]:
    """Return which instance an event is about, and its error; {} for what is not understood."""
    try:
        event: Any = json.loads(body[2:])
        data = event["data"]
        line = f"{data.get('name') or 'Error'}: {data.get('message') or ''}".splitlines()[0]
        return {int(event["process"]["pm_id"]): Uncaught(line.strip(), int(event["at"]))}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


@contextlib.contextmanager
def listen(home: Path, daemon: int) -> Iterator[Bus]:
    """Listen to the daemon of that pid, and to no other process that has put its socket there."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(1)
            connection.connect(str(home / "pub.sock"))
            connection.setblocking(False)
            is_daemon = credentials_of(connection)[0] == daemon
        except OSError:
            is_daemon = False
        yield Bus(connection if is_daemon else None)
