# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import host as pm2_host
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    PM2Error,
    ProtocolError,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import NOTHING, read_state
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock
from pm2_fakes import (
    ONLINE,
    FakeProgram,
    FakeTransport,
    Time,
)


def test_where_no_daemon_runs_there_is_nothing(host):
    assert read_state(host(None), "shop") == NOTHING
    assert read_state(host(FakeTransport([ONLINE])), "shop").instances[0].pid == 5


@pytest.mark.parametrize(
    "way, speaks, used",
    [
        ("auto", True, "socket"),
        ("socket", True, "socket"),
        ("auto", False, "program"),
        ("program", True, "program"),
    ],
)
def test_the_program_steps_in_where_the_socket_speaks_another_protocol(monkeypatch, tmp_path, way, speaks, used):
    def socket(_client):
        if not speaks:
            raise ProtocolError("version 2")
        return "socket"

    monkeypatch.setattr(pm2_host, "Client", lambda *_arguments: contextlib.nullcontext())
    monkeypatch.setattr(pm2_host, "SocketTransport", socket)
    monkeypatch.setattr(pm2_host, "ProgramTransport", lambda _program, _home: "program")
    with pm2_host.connect(way, tmp_path, 1, FakeProgram()) as transport:
        assert transport == used


def test_a_protocol_that_must_be_spoken_and_is_not_is_an_error(monkeypatch, tmp_path):
    def refuse(_client):
        raise ProtocolError("version 2")

    monkeypatch.setattr(pm2_host, "Client", lambda *_arguments: contextlib.nullcontext())
    monkeypatch.setattr(pm2_host, "SocketTransport", refuse)
    with pytest.raises(ProtocolError), pm2_host.connect("socket", tmp_path, 1, FakeProgram()):
        pass


def test_a_host_lets_the_watches_sample_while_it_waits_and_hides_secrets(tmp_path):
    time, secrets, looks = Time(), set(), []
    host = pm2_host.make_host(
        tmp_path, "socket", "sh", 5, {"PATH": "/bin"}, Clock(lambda: time.now, time.sleep), secrets
    )
    host.idle.append(lambda: looks.append(time.now))
    host.clock.sleep(0.05)
    secrets.add("hunter2")
    assert (looks, host.clock.now()) == (pytest.approx([0, 0.02, 0.04]), pytest.approx(0.05))
    assert host.hide("it says hunter2") == "it says ********"
    program = host.program()
    assert (program.executable.endswith("sh"), program.environment["PM2_HOME"]) == (True, str(tmp_path))
    with pytest.raises(PM2Error, match="No PM2 daemon runs"), host.connect():
        pass


def test_pm2_may_take_as_long_for_an_answer_as_it_waits_for_the_app(monkeypatch, tmp_path):
    asked = []

    @contextlib.contextmanager
    def connect(_name, _home, timeout, *_more):
        asked.append(timeout)
        yield None

    monkeypatch.setattr(pm2_host, "connect", connect)
    host = pm2_host.make_host(tmp_path, "socket", "sh", 5, {"PATH": "/bin"}, Time().clock(), set())
    for wait in (None, 90.0, 2.0):
        host.waits.extend([] if wait is None else [wait])
        with host.connect():
            pass
    assert asked == [5, 95, 95]
