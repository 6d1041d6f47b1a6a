# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _pm2_control
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import Instance, Readiness, Wanted
from ansible_collections.greenlight.release.plugins.module_utils._pm2_rpc import PM2Error

NO_PID = 0


def instance(pm_id=3, pid=NO_PID, status="online", exec_mode="fork_mode", err_log="/nonexistent"):
    return Instance(
        pm_id, "shop", pid, status, 0, 0, 0, 0.0, exec_mode, "/s.js", "/", "/out", err_log, "24", kill_timeout=1000
    )


class FakeClient:
    def __init__(self, time=None, seconds=0.0):
        self.calls = []
        self.time, self.seconds = time, seconds

    def call(self, method, *arguments):
        self.calls.append((method, *arguments))
        if self.time:
            self.time.now += self.seconds
        return []


class Time:
    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds

    def clock(self):
        return _pm2_control.Clock(lambda: self.now, self.sleep)


@pytest.mark.parametrize(
    "given, environment, home",
    [
        ("/a", {"PM2_HOME": "/b"}, Path("/a")),
        (None, {"PM2_HOME": "/b"}, Path("/b")),
        (None, {}, Path.home() / ".pm2"),
    ],
)
def test_the_home_is_the_given_one_the_environments_or_the_users(given, environment, home):
    assert _pm2_control.home_of(given, environment) == home


@pytest.mark.parametrize("text, pid", [("4711\n", 4711), ("", 0), ("?", 0), (None, 0)])
def test_the_daemons_pid_is_read_where_it_left_one(tmp_path, text, pid):
    if text is not None:
        (tmp_path / "pm2.pid").write_text(text)
    assert _pm2_control.daemon_pid(tmp_path) == pid


@pytest.mark.parametrize(
    "pid, mode, daemon, asked",
    [
        (10, "fork_mode", 5, {10, 11}),
        (10, "cluster_mode", 5, {5, 10, 11}),
        (10, "cluster_mode", 0, {10, 11}),
        (0, "fork_mode", 5, set()),
    ],
)
def test_a_worker_of_a_cluster_is_served_by_the_daemons_socket(monkeypatch, pid, mode, daemon, asked):
    seen = []
    monkeypatch.setattr(_pm2_control._proc, "with_descendants", lambda _roots: {10, 11})
    monkeypatch.setattr(_pm2_control._proc, "listening_ports", lambda pids: seen.append(pids) or [3000])
    assert _pm2_control.ports_of(instance(pid=pid, exec_mode=mode), daemon) == [3000]
    assert seen == [asked]


def test_a_look_without_instances_is_not_ready(tmp_path):
    assert _pm2_control.look(FakeClient(), tmp_path, "shop", Wanted()).reason == "PM2 knows no process of that name"


def test_a_look_asks_for_the_ports_of_every_instance(tmp_path, monkeypatch):
    monkeypatch.setattr(_pm2_control._pm2, "read_instances", lambda _client, _name: [instance(pid=os.getpid())])
    monkeypatch.setattr(_pm2_control, "ports_of", lambda _instance, _daemon: [3000])
    assert _pm2_control.look(FakeClient(), tmp_path, "shop", Wanted()).ports == [3000]


def test_a_process_that_pm2_does_not_know_is_refused(monkeypatch):
    monkeypatch.setattr(_pm2_control._proc, "with_environment", lambda _wanted: [7, 8])
    monkeypatch.setattr(_pm2_control._proc, "with_descendants", set)
    with pytest.raises(PM2Error, match="shop still runs as process 8, which the PM2 daemon of /p does not know"):
        _pm2_control.refuse_orphans(Path("/p"), "shop", [instance(pid=7)])
    _pm2_control.refuse_orphans(Path("/p"), "shop", [instance(pid=7), instance(pid=8)])


@pytest.mark.parametrize(
    "action, calls",
    [
        (_pm2_control.start, [("startProcessId", 4)]),
        (
            _pm2_control.restart,
            [("restartProcessId", {"id": 3, "env": {}}), ("restartProcessId", {"id": 4, "env": {}})],
        ),
        (_pm2_control.reload, [("restartProcessId", {"id": 3, "env": {}}), ("reloadProcessId", {"id": 4, "env": {}})]),
        (_pm2_control.delete, [("deleteProcessId", 3), ("deleteProcessId", 4)]),
    ],
)
def test_actions_are_calls_for_each_instance(action, calls):
    client = FakeClient()
    action(client, [instance(), instance(4, status="stopped", exec_mode="cluster_mode")])
    assert client.calls == calls


@pytest.mark.parametrize("seconds, killed", [(0.2, False), (1.0, True)])
def test_a_stop_that_takes_as_long_as_the_kill_timeout_was_a_kill(seconds, killed):
    time = Time()
    client = FakeClient(time, seconds)
    stopped = instance(4, status="stopped")
    assert _pm2_control.stop(client, [instance(), stopped], 5, time.clock()) is killed
    assert client.calls == [("stopProcessId", 3)]


def test_a_stop_waits_until_the_processes_are_gone(monkeypatch):
    answers = [True, False]
    monkeypatch.setattr(_pm2_control._proc, "with_descendants", lambda _roots: {10})
    monkeypatch.setattr(_pm2_control._proc, "is_alive", lambda _pid: answers.pop(0))
    assert _pm2_control.stop(FakeClient(), [instance(pid=10)], 5, Time().clock()) is False
    assert answers == []


def test_a_process_that_outlives_its_stop_is_named(monkeypatch):
    monkeypatch.setattr(_pm2_control._proc, "with_descendants", lambda _roots: {10})
    monkeypatch.setattr(_pm2_control._proc, "is_alive", lambda _pid: True)
    with pytest.raises(PM2Error, match="shop was stopped, but process 10 still runs after 5 seconds"):
        _pm2_control.stop(FakeClient(), [instance(pid=10)], 5, Time().clock())


def test_a_program_gets_exactly_its_environment(tmp_path):
    script = "import os, sys; sys.exit(0 if os.environ.get('A') == '1' and 'HOME' not in os.environ else 1)"
    _pm2_control.run_program([sys.executable, "-c", script], {"A": "1"}, timeout=20)


@pytest.mark.parametrize(
    "command, message",
    [
        ([sys.executable, "-c", "print('one\\n\\ntwo'); raise SystemExit(3)"], "failed with status 3: one | two"),
        (["/nonexistent/pm2", "start"], "Cannot run /nonexistent/pm2: No such file or directory; set executable"),
    ],
)
def test_a_program_that_fails_is_quoted(command, message):
    with pytest.raises(PM2Error) as error:
        _pm2_control.run_program(command, {}, timeout=20)
    assert message in str(error.value)


def test_a_program_that_hangs_is_ended():
    with pytest.raises(PM2Error, match=r"did not end in 0.01 seconds; raise timeout"):
        _pm2_control.run_program([sys.executable, "-c", "import threading; threading.Event().wait()"], {}, timeout=0.01)


@pytest.mark.parametrize("text, end", [("boom\n", ". Its error log ends with: boom"), (None, "")])
def test_the_end_of_the_error_log_explains_a_failure(tmp_path, text, end):
    log = tmp_path / "error.log"
    if text:
        log.write_text(text)
    seen = Readiness(False, "it crashed", [instance(err_log=str(log))], [])
    assert _pm2_control.explain("shop", seen) == f"shop is not ready: it crashed{end}"
