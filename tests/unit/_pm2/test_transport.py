# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import transport
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    NoDaemonError,
    PM2Error,
    ProtocolError,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program
from ansible_collections.greenlight.release.plugins.module_utils._pm2.transport import ProgramTransport, SocketTransport

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.mark.parametrize(
    "given, environment, home",
    [
        ("/a", {"PM2_HOME": "/b"}, Path("/a")),
        (None, {"PM2_HOME": "/b"}, Path("/b")),
        (None, {}, Path.home() / ".pm2"),
    ],
)
def test_the_home_is_the_given_one_the_environments_or_the_users(given, environment, home):
    assert transport.home_of(given, environment) == home


@pytest.mark.parametrize(
    "text, command, pid",
    [
        ("4711\n", "PM2 v7.0.4: God Daemon (/p)", 4711),
        ("4711\n", "bash", 0),
        ("", "", 0),
        ("?", "", 0),
        (None, "", 0),
    ],
)
def test_the_daemons_pid_is_believed_where_the_process_is_one(tmp_path, monkeypatch, text, command, pid):
    monkeypatch.setattr(transport.proc, "command_line", lambda _pid: command)
    if text is not None:
        (tmp_path / "pm2.pid").write_text(text)
    assert transport.daemon_pid(tmp_path) == pid


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*jlist*")), ids=lambda path: path.stem)
def test_the_list_is_found_behind_whatever_pm2_prints_before_it(recording):
    names = [each["name"] for each in transport.parse_jlist(recording.read_text())]
    assert sorted(names) == ([] if "cold" in recording.name else ["bad", "deaf", "shop", "workers", "workers"])


def test_a_line_that_only_begins_like_a_list_is_skipped():
    assert transport.parse_jlist('[x\n[{"name": "a\u2028b"}]\n') == [{"name": "a\u2028b"}]


def test_output_without_a_list_is_an_error():
    with pytest.raises(ProtocolError, match="pm2 jlist printed no list"):
        transport.parse_jlist("Error: EACCES\n")


class FakeClient:
    daemon_pid = 5

    def __init__(self, listed):
        self.listed, self.calls = listed, []

    def call(self, method, *arguments):
        self.calls.append((method, *arguments))
        return {"getVersion": "7.0.4", "getMonitorData": self.listed}.get(method)

    def ask(self, method, *arguments):
        return lambda: self.call(method, *arguments)

    def ask_together(self, *calls):
        return [self.ask(*each) for each in calls]


ACTIONS = [
    (lambda way: way.start(3), [("startProcessId", 3)], "start 3"),
    (lambda way: way.stop(3)(), [("stopWatch", "stopProcessId", 3), ("stopProcessId", 3)], "stop 3"),
    (lambda way: way.delete(3), [("stopWatch", "deleteProcessId", 3), ("deleteProcessId", 3)], "delete 3"),
    (lambda way: way.restart(3, {}), [("restartProcessId", {"id": 3, "env": {}})], "restart 3"),
    (lambda way: way.reload(3, {}), [("reloadProcessId", {"id": 3, "env": {}})], "reload 3"),
]


@pytest.mark.parametrize("act, calls, _command", ACTIONS)
def test_an_action_is_a_call_over_the_socket(act, calls, _command):
    client = FakeClient([])
    way = SocketTransport(client)
    act(way)
    assert (way.version, way.daemon, client.calls[1:]) == ("7.0.4", 5, calls)


STOPPED_AND_FORGOTTEN = [
    ("stopWatch", "stopProcessId", 3),
    ("stopProcessId", 3),
    ("restartProcessId", {"id": 3, "env": {"current_conf": {"cron_restart": "0"}}}),
]


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_schedule_is_forgotten_while_the_process_ends(monkeypatch, has_ended):
    """Where it had ended already, PM2 has started it, and it is stopped once more."""
    client = FakeClient([])
    call = client.call

    def refuse(method, *arguments):
        call(method, *arguments)
        if method == "restartProcessId" and not has_ended:
            raise PM2Error("The PM2 daemon refused: Process with pid 5 already exists")

    way = SocketTransport(client)
    monkeypatch.setattr(client, "call", refuse)
    way.stop_unscheduled(3)()
    again = [("stopWatch", "stopProcessId", 3), ("stopProcessId", 3)] if has_ended else []
    assert client.calls[1:] == STOPPED_AND_FORGOTTEN + again


def test_the_program_cannot_make_pm2_forget_a_schedule(pm2, tmp_path):
    ProgramTransport(pm2, tmp_path).stop_unscheduled(3)()
    assert (tmp_path / "orders").read_text() == "stop 3"


def test_a_saved_process_is_made_anew_over_the_socket_alone(pm2, tmp_path):
    client = FakeClient([])
    SocketTransport(client).create({"name": "shop"})
    assert client.calls[1] == ("prepare", {"name": "shop"})
    with pytest.raises(PM2Error, match="cannot start shop alone; run pm2 resurrect, which starts all"):
        ProgramTransport(pm2, tmp_path).create({"name": "shop"})


def test_changes_are_handed_over_with_the_call():
    client = FakeClient([])
    SocketTransport(client).restart(3, {"kill_timeout": 1})
    assert client.calls[1] == ("restartProcessId", {"id": 3, "env": {"current_conf": {"kill_timeout": 1}}})


def test_an_answer_that_is_no_list_is_an_error():
    assert SocketTransport(FakeClient([{}])).processes() == [{}]
    with pytest.raises(ProtocolError, match="no list of processes"):
        SocketTransport(FakeClient(None)).processes()


@pytest.fixture
def pm2(tmp_path, monkeypatch):
    """A program that stands in for pm2: it lists what is in a file, and notes its orders."""
    monkeypatch.setattr(transport, "daemon_pid", lambda _home: 5)
    file = tmp_path / "pm2"
    file.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"if sys.argv[1] == 'jlist': print(open({str(tmp_path / 'list')!r}).read())\n"
        f"else: open({str(tmp_path / 'orders')!r}, 'a').write(' '.join(sys.argv[1:]))\n"
    )
    file.chmod(0o755)
    (tmp_path / "list").write_text("[]")
    return Program(str(file), {"PATH": os.defpath}, 20)


@pytest.mark.parametrize("act, _calls, command", ACTIONS)
def test_an_action_is_a_command_of_the_program(pm2, tmp_path, act, _calls, command):
    act(ProgramTransport(pm2, tmp_path))
    assert (tmp_path / "orders").read_text() == command


@pytest.mark.parametrize(
    "process", [{"name": "3"}, {"name": "x", "pm2_env": {"namespace": "3"}}], ids=["process", "namespace"]
)
def test_an_id_that_is_also_a_name_is_refused(pm2, tmp_path, process):
    (tmp_path / "list").write_text(json.dumps([{"name": "other"}, process]))
    with pytest.raises(PM2Error, match="would take 3 for the process or namespace of that name"):
        ProgramTransport(pm2, tmp_path).stop(3)
    assert not (tmp_path / "orders").exists()


def test_the_program_is_not_asked_where_it_would_start_a_daemon(pm2, tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "daemon_pid", lambda _home: 0)
    with pytest.raises(NoDaemonError, match="No PM2 daemon runs for"):
        ProgramTransport(pm2, tmp_path)
