# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host.proc import Listener
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.logs import LogMark
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness, Requirements
from pm2_fakes import FakeTransport, Time, instance, listed

PID = os.getpid()


def test_the_time_that_a_port_is_closed_is_counted_from_samples():
    time, is_open = Time(), [True, False, False, True, True]
    watch = readiness.PortWatch(3000, lambda: time.now, lambda _port: is_open.pop(0))
    for _sample in range(5):
        time.now += 1
        watch.sample()
    assert watch.closed_for == 2


@pytest.fixture(params=[True, False], ids=["sock_diag", "/proc/net/tcp"])
def way(request, monkeypatch):
    """Both ways to ask the kernel who holds a connection."""
    if not request.param:
        monkeypatch.setattr(readiness.sock_diag, "other_ends", lambda _connections: None)


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        server = socket.socket(family)
        server.bind((request.param, 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        server.listen(1)
        yield server


def look(transport, wanted, patience=0.2):
    time = Time()
    return readiness.measure(transport, "shop", wanted, patience, time.clock())


def test_a_process_that_accepts_is_ready(listener, way):
    """This process is the app: it accepts whenever time passes, and keeps what it accepted."""
    port, kept, time = listener.getsockname()[1], [], Time()
    listener.setblocking(False)

    def accept(seconds):
        time.sleep(seconds)
        try:
            kept.append(listener.accept()[0])
        except BlockingIOError:
            return

    clock = readiness.Clock(lambda: time.now, accept)
    seen = readiness.measure(FakeTransport([listed(pid=PID)]), "shop", Requirements(port), 5, clock)
    for connection in kept:
        connection.close()
    assert (seen.ready, seen.reason, seen.ports) == (True, "", [port])


def test_a_process_that_never_accepts_is_not(listener, way):
    seen = look(FakeTransport([listed(pid=PID)]), Requirements(listener.getsockname()[1]))
    assert "takes no connection on port" in seen.reason


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("others", [True, False])
def test_a_process_that_the_kernel_hides_is_asked_over_its_port(listener, way, monkeypatch, accepts, others):
    """As Node with `setcap cap_net_bind_service`, whose files nobody but root may see."""
    port, kept, time = listener.getsockname()[1], [], Time()
    everything = {str(os.fstat(listener.fileno()).st_ino)} if others else set()
    monkeypatch.setattr(readiness.proc, "is_hidden", lambda pid: pid == PID)
    monkeypatch.setattr(readiness.proc, "sockets_of", lambda pids: everything if PID not in set(pids) else set())
    listener.setblocking(False)

    def sleep(seconds):
        time.sleep(seconds)
        with contextlib.suppress(BlockingIOError):
            kept.append(listener.accept()[0] if accepts else None)

    clock = readiness.Clock(lambda: time.now, sleep)
    seen = readiness.measure(FakeTransport([listed(3, PID)]), "shop", Requirements(port), 0.5, clock)
    # What a process that is seen listens on is not of the hidden one.
    assert (seen.ready, seen.ports) == (accepts and not others, [] if others else [port])
    for each in filter(None, kept):
        each.close()


def test_a_process_that_ends_a_silent_connection_is_taken_to_serve(monkeypatch):
    monkeypatch.setattr(readiness, "_ended", lambda _connection: True)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert look(FakeTransport([listed(pid=PID)]), Requirements(server.getsockname()[1])).ready


def test_a_process_that_resets_every_connection_is_taken_to_serve():
    """Closing with a linger of nothing resets, as an app does that crashes with connections open."""
    reset = socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        time = Time()

        def accept(seconds):
            time.sleep(seconds)
            connection = server.accept()[0]
            connection.setsockopt(socket.SOL_SOCKET, *reset)
            connection.close()

        clock = readiness.Clock(lambda: time.now, accept)
        wanted = Requirements(server.getsockname()[1])
        assert readiness.measure(FakeTransport([listed(pid=PID)]), "shop", wanted, 1, clock).ready


def test_what_others_serve_is_no_port_of_the_process(monkeypatch):
    monkeypatch.setattr(readiness.proc, "listeners", lambda: [Listener("127.0.0.1", 1, "none")])
    assert look(FakeTransport([listed(pid=PID)]), Requirements()).reason == "instance 3 listens on no port"


@pytest.mark.parametrize("process", [listed(pid=0), listed(pid=PID, status="stopped")])
def test_what_does_not_run_is_not_asked_for_ports(process):
    assert look(FakeTransport([process]), Requirements()).ready is False


def test_a_process_without_a_port_is_asked_for_none():
    assert look(FakeTransport([listed(pid=PID)]), Requirements(0)).ready


def test_of_a_cluster_each_worker_serves_only_where_it_took_a_connection(monkeypatch):
    """The daemon, process 9, holds the sockets; of the workers 20 takes a connection on port 1, and 21 none."""
    daemon = [Listener("127.0.0.1", 1, "100"), Listener("127.0.0.1", 2, "200")]
    monkeypatch.setattr(readiness.proc, "listeners", lambda: daemon)
    monkeypatch.setattr(readiness.proc, "with_descendants", set)
    monkeypatch.setattr(readiness.proc, "sockets_of", lambda pids: {"100", "200"} if 9 in pids else set())
    monkeypatch.setattr(readiness.proc, "is_alive", lambda _pid: True)
    monkeypatch.setattr(readiness._Probe, "run", lambda _probe: {3: {1}, 4: set()})
    processes = [listed(number, pid, exec_mode="cluster_mode") for number, pid in ((3, 20), (4, 21))]
    transport = FakeTransport(processes)
    transport.daemon = 9
    seen = look(transport, Requirements())
    assert seen.reason.startswith("instance 4 takes no connection on port 1, 2")
    assert seen.ports == [1, 2]


@pytest.mark.parametrize("ports, ready", [((1, 2), True), ((1, 2, 3), False)])
def test_a_process_that_must_serve_several_ports_is_asked_on_each(monkeypatch, ports, ready):
    """It takes what comes to port 1 and 2, each when it was asked there, and nothing on port 3."""
    found = [Listener("127.0.0.1", port, f"{port}00") for port in (1, 2, 3)]
    monkeypatch.setattr(readiness.proc, "listeners", lambda: found)
    monkeypatch.setattr(readiness.proc, "sockets_of", lambda _pids: {"100", "200", "300", "taken"})
    monkeypatch.setattr(
        readiness, "_connect", lambda each: [(contextlib.nullcontext(), Connection(("", 9), ("", each.port)))]
    )
    monkeypatch.setattr(readiness, "_ended", lambda _connection: False)
    ends = {1: "taken", 2: "taken", 3: "0"}
    monkeypatch.setattr(readiness, "_other_ends", lambda connections: [ends[each.peer[1]] for each in connections])
    seen = look(FakeTransport([listed(pid=PID)]), Requirements(1, more_ports=ports[1:]))
    assert (seen.ready, "port 3" in seen.reason) == (ready, not ready)


@pytest.mark.parametrize(
    "listener, mode, ready",
    [
        (PID, "fork_mode", True),
        (9, "fork_mode", False),
        (9, "cluster_mode", True),
        (0, "fork_mode", True),
        (None, "fork_mode", False),
    ],
)
def test_a_unix_socket_is_served_by_the_process_or_by_the_daemon_of_its_cluster(monkeypatch, listener, mode, ready):
    monkeypatch.setattr(readiness.sockets, "listener_of", lambda _path: listener)
    transport = FakeTransport([listed(pid=PID, exec_mode=mode)])
    transport.daemon = 9
    seen = look(transport, Requirements(0, socket="/run/shop.sock"))
    assert (seen.ready, "takes no connection on the socket /run/shop.sock" in seen.reason) == (ready, not ready)


def test_a_listener_that_is_gone_takes_no_connection():
    assert list(readiness._connect(Listener("127.0.0.1", 1, "1"))) == []


def test_a_connection_knows_whether_the_other_side_ended_it():
    mine, other = socket.socketpair()
    mine.setblocking(False)
    with mine, other:
        assert readiness._ended(mine) is False
        other.close()
        assert readiness._ended(mine) is True
    assert readiness._ended(mine) is True


@pytest.mark.parametrize(
    "environment, was",
    [
        ({"PM2_HOME": "/p", "name": "shop"}, True),
        ({"PM2_HOME": "/q", "name": "shop"}, False),
        ({"PM2_HOME": "/p", "name": "other"}, False),
        ({"pm2_env": '{"PM2_HOME": "/p", "name": "shop"}'}, True),
        ({"pm2_env": "{", "PM2_HOME": "/p", "name": "shop"}, True),
    ],
)
def test_a_process_was_started_as_its_environment_says(environment, was):
    assert readiness._was_started_as(environment, Path("/p"), "shop") is was


@pytest.mark.parametrize(
    "known, daemon, ports, message",
    [
        (
            [7],
            0,
            {8: [3000]},
            "shop still runs as process 8 and serves port 3000, which the PM2 daemon of /p does not know",
        ),
        ([], 0, {}, "shop still runs as process 7, 8, which"),
        ([7, 8], 0, {}, None),
        ([], 7, {}, "shop still runs as process 8, which"),
    ],
)
def test_a_process_that_pm2_does_not_know_is_refused(monkeypatch, known, daemon, ports, message):
    environment = {"PM2_HOME": "/p", "name": "shop"}
    monkeypatch.setattr(readiness.proc, "environments", lambda _text: [(7, environment), (8, environment)])
    monkeypatch.setattr(readiness.proc, "with_descendants", set)
    monkeypatch.setattr(readiness.proc, "is_alive", lambda _pid: True)
    monkeypatch.setattr(readiness.proc, "listening_ports", lambda pids: ports.get(pids[0], []))
    instances = [instance(pid=pid) for pid in known] + [instance(status="stopped")]
    if message is None:
        readiness.refuse_orphans(Path("/p"), "shop", instances, daemon)
    else:
        with pytest.raises(PM2Error, match=message):
            readiness.refuse_orphans(Path("/p"), "shop", instances, daemon)


@pytest.mark.parametrize("alive, tree, found", [(True, {1, 7}, []), (False, {1}, []), (True, {1}, [7])])
def test_a_process_that_the_daemon_starts_meanwhile_is_no_orphan(monkeypatch, alive, tree, found):
    running = {1}

    def environments(_text):
        running.update(tree)
        yield 7, {"PM2_HOME": "/p", "name": "shop"}

    monkeypatch.setattr(readiness.proc, "environments", environments)
    monkeypatch.setattr(readiness.proc, "with_descendants", lambda _roots: set(running))
    monkeypatch.setattr(readiness.proc, "is_alive", lambda _pid: alive)
    assert readiness.orphans(Path("/p"), "shop", [], 1) == found


@pytest.mark.parametrize(
    "text, port, marked, end",
    [
        ("boom\n", None, 0, ". Its error log ends with: boom"),
        ("old\nboom\n", None, 4, ". Its error log ends with: boom"),
        (None, None, 0, ""),
        (None, 3000, 0, ". Port 3000 is held by process 7 (nginx)"),
    ],
)
def test_a_failure_is_explained_by_the_log_and_the_port(tmp_path, monkeypatch, text, port, marked, end):
    monkeypatch.setattr(readiness.proc, "holders_of_port", lambda _port: {5: "node", 7: "nginx", 9: "PM2"})
    monkeypatch.setattr(readiness.proc, "with_descendants", set)
    log = tmp_path / "error.log"
    if text:
        log.write_text(text)
    seen = Readiness(False, "it crashed", [instance(pid=5, err_log=str(log))], [])
    marks = [LogMark(log, marked)] if marked else []
    assert readiness.explain("shop", seen, port, 9, marks) == f"shop is not ready: it crashed{end}"
