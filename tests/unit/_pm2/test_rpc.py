# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import select
import socket
import struct
import tempfile
import threading
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import rpc
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error, ProtocolError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client


def frame(*parts):
    return bytes([1 << 4 | len(parts)]) + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def parts_of(request):
    """Take a request apart as the daemon does."""
    found, rest = [], request[1:]
    while rest:
        length = struct.unpack(">I", rest[:4])[0]
        found.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    return found


@pytest.fixture
def daemon():
    """Serve one connection: for each request send what a function makes of its parts, or close."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/rpc.sock")
        listener.listen()
        threads = []

        def serve(reply):
            connection, _address = listener.accept()
            with connection:
                request = connection.recv(65536)
                answer = reply(parts_of(request))
                if answer is None:
                    connection.recv(1)
                else:
                    connection.sendall(answer)

        def begin(reply):
            thread = threading.Thread(target=serve, args=(reply,))
            thread.start()
            threads.append(thread)
            return Path(folder)

        yield begin
        for thread in threads:
            thread.join()


def test_a_call_is_framed_as_the_daemon_expects():
    parts = parts_of(rpc.encode_request("getVersion", [{}], "id 1"))
    assert json.loads(parts[0][2:]) == {"type": "call", "method": "getVersion", "args": [{}]}
    assert parts == [parts[0], b"s:id 1"]


def test_the_answer_with_the_id_of_the_request_is_taken(daemon):
    def reply(parts):
        other = frame(b'j:{"args": ["not mine"]}', b"s:other")
        return other + frame(b'j:{"args": ["7.0.4"]}', parts[-1])

    with Client(daemon(reply), timeout=5) as client:
        assert client.call("getVersion", {}) == "7.0.4"


def test_calls_may_be_answered_in_any_order():
    mine, other = socket.socketpair()
    client = Client(Path("/p"), timeout=5)
    client._socket.close()
    client._socket = mine
    client._poll.register(mine, select.POLLIN)
    with mine, other:
        first, second = client.ask("stopProcessId", 1), client.ask("stopProcessId", 2)
        names = [f"s:greenlight:{os.getpid()}:{number}".encode() for number in (1, 2)]
        other.sendall(frame() + frame(b'j:{"args": [20]}', names[1]) + frame(b'j:{"args": [10]}', names[0]))
        assert (first(), second()) == (10, 20)


@pytest.mark.parametrize(
    "parts, value",
    [
        ([b"j:null", b'j:{"args": [1]}', b"s:x"], None),
        ([b'j:{"args": [1, 2]}', b"s:x"], 1),
        ([b'j:{"args": []}', b"s:x"], None),
    ],
)
def test_the_value_is_the_first_argument(parts, value):
    if parts[0] == b"j:null":
        with pytest.raises(ProtocolError, match="an answer without a value"):
            rpc.decode_answer(parts)
    else:
        assert rpc.decode_answer(parts) == value


@pytest.mark.parametrize("part", [b"j:{", b"j:\xff", b"j:"])
def test_an_answer_that_is_no_json_is_an_error(part):
    with pytest.raises(ProtocolError, match="sent an answer that is no JSON"):
        rpc.decode_answer([part, b"s:x"])


def test_the_daemons_own_error_is_passed_on():
    with pytest.raises(PM2Error, match="The PM2 daemon refused: Process not found"):
        rpc.decode_answer([b'j:{"error": "Process not found"}', b"s:x"])


@pytest.mark.parametrize(
    "answer, message",
    [
        (bytes([2 << 4]), "speaks version 2 of its protocol, not 1"),
        (bytes([1 << 4 | 1]) + struct.pack(">I", 1 << 31), "announced a message of 2147483648 bytes"),
        (b"", "closed the connection"),
        (bytes([1 << 4 | 1]) + struct.pack(">I", 8) + b"s:", "closed the connection"),
    ],
)
def test_nonsense_on_the_socket_is_an_error(daemon, answer, message):
    home = daemon(lambda _parts: answer)
    with pytest.raises(PM2Error, match=message), Client(home, timeout=5) as client:
        client.call("getMonitorData", {})


@pytest.mark.parametrize("state, advice", [("S", "check whether it hangs"), ("T", r"kill -CONT \d+ lets it run on")])
def test_a_daemon_that_hangs_ends_at_the_timeout(daemon, monkeypatch, state, advice):
    monkeypatch.setattr(rpc.proc, "state_of", lambda _pid: state)
    home, looked = daemon(lambda _parts: None), []
    with pytest.raises(
        PM2Error, match=rf"gave no answer to getMonitorData in 0.05 seconds; {advice}, or raise timeout"
    ):
        with Client(home, timeout=0.05, idle=lambda: looked.append(1)) as client:
            client.call("getMonitorData", {})
    assert looked


def test_the_daemon_is_who_listens_on_the_socket(daemon):
    with Client(daemon(lambda parts: frame(b'j:{"args": [1]}', parts[-1])), timeout=5) as client:
        assert (client.call("ping", {}), client.daemon_pid) == (1, os.getpid())


def test_the_daemon_of_another_user_is_an_error(monkeypatch, tmp_path):
    class Refusing:
        def __init__(self, _family):
            self.settimeout = self.close = lambda *_arguments: None

        def connect(self, _path):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(rpc.socket, "socket", Refusing)
    with pytest.raises(PM2Error, match=r"PM2_HOME .* belongs to \w+; become that user"):
        Client(tmp_path, timeout=1).__enter__()


def test_root_asks_no_daemon_of_another_user(daemon, monkeypatch):
    home = daemon(lambda _parts: None)
    monkeypatch.setattr(rpc.os, "geteuid", lambda: 0)
    monkeypatch.setattr(rpc, "credentials_of", lambda _connection: (1, 12345))
    with pytest.raises(PM2Error, match=r"The PM2 daemon of .* belongs to uid 12345; become that user \(become: t"):
        Client(home, timeout=5).__enter__()


def test_a_connection_that_breaks_is_an_error():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/rpc.sock")
        listener.listen()
        with Client(Path(folder), timeout=5) as client, pytest.raises(PM2Error, match="broke the connection off"):
            client._socket.close()
            client.call("getMonitorData", {})


def test_no_daemon_is_an_error_of_its_own(tmp_path):
    with pytest.raises(rpc.NoDaemonError, match="No PM2 daemon runs for"):
        with Client(tmp_path, timeout=1):
            pass


def test_a_socket_that_cannot_be_reached_is_an_error(tmp_path):
    with pytest.raises(PM2Error, match="Cannot reach the PM2 daemon of .*; check whether it hangs"):
        with Client(tmp_path / ("x" * 200), timeout=1):
            pass
