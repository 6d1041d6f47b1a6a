# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import socket
import struct

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import bus
from ansible_collections.greenlight.release.plugins.module_utils._pm2.bus import Uncaught


def frame(*parts):
    return bytes([16 | len(parts)]) + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def event(pm_id=3, at=7, name="process:exception", **data):
    body = {"at": at, "process": {"pm_id": pm_id}, "data": data}
    return frame(b"s:" + name.encode(), b"j:" + json.dumps(body).encode())


@pytest.fixture
def daemon(tmp_path):
    """A daemon's end of the socket of events."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "pub.sock"))
        server.listen()
        yield server


def test_errors_that_nothing_caught_are_heard(tmp_path, daemon):
    whole = event(name="log:err", message="x") + event(name="Error", pm_id=3, message="no")
    with bus.listen(tmp_path, os.getpid()) as heard:
        assert heard.errors() == {}
        with daemon.accept()[0] as sender:
            cut = event(message="connect ECONNREFUSED\nmore")
            sender.sendall(whole + cut[:40])
            assert heard.errors() == {}
            sender.sendall(cut[40:] + event(pm_id=4, message="boom", at=8))
            expected = {3: Uncaught("Error: connect ECONNREFUSED", 7), 4: Uncaught("Error: boom", 8)}
            assert heard.errors() == expected
        assert [heard.errors(), heard.errors()] == [expected, expected]


@pytest.mark.parametrize("owner", [0, -1])
def test_another_process_is_not_listened_to(tmp_path, daemon, owner):
    with bus.listen(tmp_path, owner) as heard, daemon.accept()[0] as sender:
        sender.sendall(event(message="boom"))
        assert heard.errors() == {}


def test_where_nothing_sends_events_nothing_is_heard(tmp_path):
    with bus.listen(tmp_path, os.getpid()) as heard:
        assert heard.errors() == {}


def test_a_message_without_end_is_not_kept(tmp_path, daemon, monkeypatch):
    monkeypatch.setattr(bus, "_LARGEST", 10)
    with bus.listen(tmp_path, os.getpid()) as heard, daemon.accept()[0] as sender:
        sender.sendall(struct.pack(">BI", 17, 1 << 30) + b"x" * 20)
        assert [heard.errors(), heard.errors()] == [{}, {}]


def test_a_broken_connection_ends_the_listening():
    class Broken:
        def recv(self, _count):
            raise ConnectionResetError

    assert bus.Bus(Broken()).errors() == {}


@pytest.mark.parametrize(
    "received, end", [(b"", 0), (b"\x11\0\0", 0), (b"\x11\0\0\0\x02a", 0), (frame(b"ab") + b"x", 7)]
)
def test_a_frame_is_read_when_it_is_whole(received, end):
    assert bus.split_frame(bytearray(received)) == ([b"ab"] if end else [], end)


@pytest.mark.parametrize("body", [b"j:{", b"j:[]", b"j:{}", b'j:{"data": null}', b'j:{"data": {}, "process": {}}'])
def test_what_is_not_understood_is_no_error(body):
    assert bus.read_error(body) == {}
