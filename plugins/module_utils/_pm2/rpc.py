# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the PM2 daemon's own socket, `PM2_HOME/rpc.sock`, so that no Node process has to start to ask it.

The socket speaks axon-rpc in AMP frames. A frame is one byte, version 1 in the high and the number of arguments in the
low half, then for each argument its length (32 bits, big endian) and its bytes: `j:` and JSON, `s:` and text, or raw.
The last argument of a request is an id that its answer repeats. Sources: the packages amp, amp-message, pm2-axon and
pm2-axon-rpc on npm, as PM2 5 to 7 ship them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import socket
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._host.files import owner_of
from ansible_collections.greenlight.release.plugins.module_utils._host.trust import name_of_user
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    NoDaemonError,
    PM2Error,
    ProtocolError,
)

_VERSION = 1
LENGTH = struct.Struct(">I")
# struct ucred of unix(7): pid, uid, gid.
_CREDENTIALS = struct.Struct("3i")
# Milliseconds between two turns of other work while an answer is awaited.
_SLICE = 20
# A daemon with hundreds of processes answers with a few megabytes.
_LARGEST = 256 * 1024 * 1024


def encode_request(method: str, arguments: List[Any], request_id: str) -> bytes:
    """Return the frame of a call."""
    body = json.dumps({"type": "call", "method": method, "args": arguments})
    parts = [b"j:" + body.encode(), b"s:" + request_id.encode()]
    return bytes([_VERSION << 4 | len(parts)]) + b"".join(LENGTH.pack(len(part)) + part for part in parts)


def decode_answer(parts: List[bytes]) -> Any:
    """Return the value of an answer. Raises PM2Error with the daemon's own words when it failed."""
    try:
        answer = next((json.loads(part[2:]) for part in parts[:-1] if part.startswith(b"j:")), None)
    except ValueError as error:
        raise ProtocolError(f"The PM2 daemon sent an answer that is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise ProtocolError("The PM2 daemon sent an answer without a value; restart it with pm2 update")
    if answer.get("error"):
        raise PM2Error(f"The PM2 daemon refused: {answer['error']}")
    values = answer.get("args", [])
    return values[0] if values else None


def credentials_of(connection: socket.socket) -> Tuple[int, int]:
    """Return the pid and the uid of the process that listens on a socket, as the kernel knows them."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(packed)
    return int(pid), int(uid)


class Client:
    """One connection to the daemon of a PM2_HOME.

    `timeout`, in seconds, bounds every single answer. `idle` is called every few milliseconds while one is awaited.
    """

    def __init__(
        self,
        home: Path,
        timeout: float,
        idle: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._timeout = timeout
        self._idle = idle
        self._now = now
        self._deadline = 0.0
        self._socket = socket.socket(socket.AF_UNIX)
        self._poll = select.poll()
        self._requests = 0
        self._answers: Dict[bytes, List[bytes]] = {}

    def __enter__(self) -> Client:
        self._socket.settimeout(self._timeout)
        try:
            self._socket.connect(str(self._home / "rpc.sock"))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            self._socket.close()
            raise NoDaemonError(f"No PM2 daemon runs for {self._home}; start the app, or set pm2_home") from error
        except PermissionError as error:
            self._socket.close()
            raise PM2Error(
                f"PM2_HOME {self._home} belongs to {owner_of(self._home)}; become that user (become: true, "
                "become_user), or set pm2_home"
            ) from error
        except OSError as error:
            self._socket.close()
            raise PM2Error(
                f"Cannot reach the PM2 daemon of {self._home}: {error}; check whether it hangs, or set pm2_home"
            ) from error
        self._refuse_foreign_daemon()
        self._poll.register(self._socket, select.POLLIN)
        return self

    @property
    def daemon_pid(self) -> int:
        """The pid of the daemon that listens on the socket, as the kernel knows it; `pm2.pid` may be stale."""
        return credentials_of(self._socket)[0]

    def _refuse_foreign_daemon(self) -> None:
        """Raise PM2Error for root: a daemon of another user may name any file as the log of an app."""
        uid = credentials_of(self._socket)[1]
        if os.geteuid() == 0 and uid != 0:
            self._socket.close()
            raise PM2Error(
                f"The PM2 daemon of {self._home} belongs to {name_of_user(uid)}; become that user (become: true, "
                "become_user), or set pm2_home"
            )

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._socket.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the daemon and return its value.

        Raises PM2Error when the daemon refuses, hangs or ends, ProtocolError when it talks nonsense.
        """
        return self.ask(method, *arguments)()

    def ask(self, method: str, *arguments: Any) -> Callable[[], Any]:
        """Send a call, and return what waits for its value. Both raise what `call` raises."""
        return self.ask_together((method, *arguments))[0]

    def ask_together(self, *calls: Tuple[Any, ...]) -> List[Callable[[], Any]]:
        """Send calls, a method with its arguments each, so that the daemon takes them one right after the other."""
        frames = b""
        answers: List[Callable[[], Any]] = []
        for method, *arguments in calls:
            self._requests += 1
            request_id = f"greenlight:{os.getpid()}:{self._requests}"
            frames += encode_request(method, arguments, request_id)
            answers.append(functools.partial(self._answer, method, b"s:" + request_id.encode()))
        with self._explaining(calls[0][0]):
            self._socket.sendall(frames)
        return answers

    def _answer(self, method: str, name: bytes) -> Any:
        self._deadline = self._now() + self._timeout
        with self._explaining(method):
            return decode_answer(self._await_answer(name))

    def _await_answer(self, name: bytes) -> List[bytes]:
        """Return the frame that answers a request, and keep those that answer others."""
        while name not in self._answers:
            parts = self._receive_frame()
            if parts:
                self._answers[parts[-1]] = parts
        return self._answers.pop(name)

    @contextlib.contextmanager
    def _explaining(self, method: str) -> Iterator[None]:
        try:
            yield
        except socket.timeout as error:
            stopped = proc.state_of(self.daemon_pid) == "T"
            advice = f"kill -CONT {self.daemon_pid} lets it run on" if stopped else "check whether it hangs"
            raise PM2Error(
                f"The PM2 daemon of {self._home} gave no answer to {method} in {self._timeout:g} seconds; "
                f"{advice}, or raise timeout"
            ) from error
        except OSError as error:
            raise PM2Error(f"The PM2 daemon of {self._home} broke the connection off: {error}") from error

    def _receive_frame(self) -> List[bytes]:
        head = self._receive(1)[0]
        if head >> 4 != _VERSION:
            raise ProtocolError(f"The PM2 daemon of {self._home} speaks version {head >> 4} of its protocol, not 1")
        return [self._receive(self._receive_length()) for _argument in range(head & 15)]

    def _receive_length(self) -> int:
        length: int = LENGTH.unpack(self._receive(4))[0]
        if length > _LARGEST:
            raise ProtocolError(f"The PM2 daemon of {self._home} announced a message of {length} bytes")
        return length

    def _receive(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            self._await_bytes()
            piece = self._socket.recv(min(count - len(received), 1 << 20))
            if not piece:
                raise PM2Error(f"The PM2 daemon of {self._home} closed the connection")
            received += piece
        return bytes(received)

    def _await_bytes(self) -> None:
        while not self._poll.poll(_SLICE):
            self._idle()
            if self._now() >= self._deadline:
                raise socket.timeout
