# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps that are ill and daemons that are: the answer is clear, bounded, and never a success that is none."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from machine import COLLECTIONS, PATIENT, SHORT, Pm2, fill, wait_for
from small_app import SmallApp


@pytest.fixture
def small(tmp_path, free_port):
    return SmallApp(tmp_path / "app", free_port)


def caller(run_module, pm2):
    def run(**arguments):
        given = {"name": "small", "stable_for": 0.5, "timeout": PATIENT, **arguments}
        return run_module("pm2_process", pm2.arguments(**given))

    return run


@pytest.fixture
def manage(run_module, shared_pm2):
    return caller(run_module, shared_pm2)


@pytest.fixture
def manage_alone(run_module, pm2):
    return caller(run_module, pm2)


def inspect_status(pm2):
    return next(each["pm2_env"]["status"] for each in json.loads(pm2("jlist")) if each["name"] == "small")


def inspect(run_module, pm2, **arguments):
    return run_module("pm2_process_info", pm2.arguments(name="small", **arguments))


@pytest.mark.parametrize(
    "ills, instances, times, message",
    [
        (("exit 1",), None, {"stable_for": 1}, "small is not ready: instance 0 "),
        (("exit 0",), None, {"stable_for": 1}, "small is not ready: instance 0 "),
        (("exit 1", "2500"), None, {"stable_for": 6}, "instance 0 was restarted"),
        (("exit 1", "1500"), None, {"stable_for": 6}, "Its error log ends with: the disk is on fire"),
        (("never listens",), None, {"timeout": SHORT}, "instance 0 listens on no port"),
        (("blocks",), None, {"timeout": SHORT}, "takes no connection on port"),
        (("blocks",), 2, {"timeout": SHORT}, "takes no connection on port"),
        (("second one fails",), 2, {"stable_for": 3}, "instance 1 "),
        (("second one blocks",), 2, {"timeout": SHORT}, "instance 1 takes no connection on port"),
    ],
)
def test_an_app_that_does_not_serve_is_never_a_success(manage, small, ills, instances, times, message):
    wanted = {**small.arguments(*ills, instances=instances), **times}
    result = manage(**{**wanted, "port": None if "listens" in ills[0] else small.port})
    assert (result.get("failed"), message in result["msg"]) == (True, True), result["msg"]


def test_a_process_without_a_port_is_ready_when_it_runs(manage, small):
    result = manage(**{**small.arguments("never listens"), "port": 0})
    assert (result.get("msg"), result["ready"], result["ports"]) == (None, True, [])


def test_an_app_that_ignores_the_signal_is_killed_and_that_is_reported(manage, small):
    manage(**small.arguments("ignores signals"), kill_timeout=500)
    restarted = manage(state="restarted")
    assert (restarted["killed"], "was killed after 500 ms" in str(restarted["warnings"])) == (True, True)
    pid = small.ask()["pid"]
    stopped = manage(state="stopped")
    assert (stopped["killed"], "was killed after 500 ms" in str(stopped["warnings"])) == (True, True)
    assert not Path(f"/proc/{pid}").exists()


def test_an_app_that_fails_again_and_again_is_started_once(manage, small):
    manage(**small.arguments("exit 1"))
    result = manage(**small.arguments())
    assert result.get("msg") is None
    assert result["ready"]
    assert {small.ask()["pid"] for _ask in range(5)} == {result["after"][0]["pid"]}


def test_an_es_module_that_cannot_be_loaded_is_not_waited_for(manage, small, shared_pm2, tmp_path):
    """PM2 keeps such a process online, and it does nothing: without reading its log the whole timeout is spent."""
    script, port = tmp_path / "esm" / "server.mjs", small.port
    script.parent.mkdir()
    serves = f"import http from 'node:http'; http.createServer((_, answer) => answer.end()).listen({port});"
    script.write_text(serves)
    shared_pm2("start", script, "--name", "small")
    assert manage(state="started", port=port)["ready"] is True
    script.write_text(f"import nope from 'nope'; {serves}")
    ended = manage(state="restarted", port=port, timeout=100)
    assert "its code cannot be loaded: Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nope'" in ended["msg"]
    assert inspect_status(shared_pm2) == "online"


@pytest.mark.parametrize("instances", [None, 1, 2])
@pytest.mark.parametrize(
    "code, said",
    [
        ("throw new Error('boom');", "Error: boom"),
        ("let x = ;", "SyntaxError: Unexpected token ';'"),
        ("const fs = require('fs');", "ReferenceError: require is not defined"),
        ("const f = async () => { await 1; throw new TypeError('deep'); }; await f();", "TypeError: deep"),
    ],
)
def test_an_es_module_that_fails_while_it_is_loaded_is_not_waited_for(manage, small, shared_pm2, code, said, instances):
    """PM2 keeps it online in both modes, whatever its error is, also where it never knew the process before."""
    (small.folder / "server.mjs").write_text(code)
    failed = manage(**{**small.arguments(instances=instances), "script": "server.mjs", "timeout": 100})
    assert f"its code cannot be loaded: {said}" in failed["msg"]
    again = manage(state="reloaded" if instances else "restarted", port=small.port, timeout=100)
    assert f"its code cannot be loaded: {said}" in again["msg"]


@pytest.mark.parametrize(
    "code, said",
    [
        ("throw {code: 'EX'};", 'Error: Non-error value: {"code":"EX"}'),
        (
            "import net from 'node:net';await new Promise((_, no) => net.connect('/nonexistent').on('error', no));",
            "Error: connect ENOENT /nonexistent",
        ),
    ],
)
def test_whatever_rejects_while_an_app_is_loaded_is_not_waited_for(manage, small, code, said):
    """In fork mode PM2 keeps the app online, and nothing in its log says that the error was not handled."""
    serves = f"import http from 'node:http'; http.createServer((_, answer) => answer.end()).listen({small.port});"
    (small.folder / "server.mjs").write_text(serves)
    assert manage(**{**small.arguments(), "script": "server.mjs"})["ready"] is True
    (small.folder / "server.mjs").write_text(code)
    failed = manage(state="restarted", port=small.port, timeout=100)
    assert f"its code cannot be loaded: {said}" in failed["msg"]


def test_an_es_module_that_logs_an_error_and_tries_again_is_waited_for(manage, small):
    (small.folder / "server.mjs").write_text(
        "import http from 'node:http'; let left = 14;"
        "const attempt = () => { if (left--) { console.log('again'); setTimeout(attempt, 500); return; }"
        f"http.createServer((_, answer) => answer.end()).listen({small.port}); }};"
        "try { throw new Error('no database yet'); } catch (error) { console.error(error); attempt(); }"
    )
    assert manage(**{**small.arguments(), "script": "server.mjs"})["ready"] is True


@pytest.mark.parametrize(
    "settings, status",
    [
        ({"autorestart": False}, "stopped"),
        ({"stop_exit_codes": [1]}, "stopped"),
        ({"restart_delay": 90000}, "waiting restart"),
        ({"exp_backoff_restart_delay": 90000}, "waiting restart"),
        ({"wait_ready": True, "listen_timeout": 90000, "restart_delay": 90000}, "waiting restart"),
    ],
)
def test_an_app_that_ended_and_is_not_started_again_at_once_is_not_waited_for(
    manage, small, shared_pm2, settings, status
):
    """PM2 shows no restart then, so waiting for one would use up the whole timeout."""
    app = {"name": "small", "script": str(small.folder / "crash.js"), **settings}
    (small.folder / "crash.js").write_text("setTimeout(() => { throw new Error('boom'); }, 300);")
    (small.folder / "small.json").write_text(json.dumps({"apps": [app]}))
    shared_pm2("start", small.folder / "small.json")
    failed = manage(state="restarted", port=small.port, timeout=600)
    assert f"instance 0 is {status}" in failed["msg"]


def test_a_process_whose_script_is_gone_serves_on(manage, small):
    manage(**small.arguments())
    pid = small.ask()["pid"]
    (small.folder / "server.js").unlink()
    assert "server.js of small is gone; put it back" in manage(state="restarted")["msg"]
    assert small.ask()["pid"] == pid


def test_whoever_has_the_port_is_named(manage, small):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", small.port))
        other.listen()
        assert f"Port {small.port} is held by process {os.getpid()}" in manage(**small.arguments())["msg"]


@pytest.mark.parametrize(
    "environment, said", [("env -i", "(sleep) still listens on port"), ("env", "small still runs as process")]
)
def test_a_child_that_outlives_a_stop_is_named(manage, small, tmp_path, environment, said):
    """The child leaves the tree of processes that PM2 kills, and in one case takes the port along."""
    pid_file, handle = tmp_path / "child", "this._handle" if environment == "env -i" else "2"
    shell = f"{environment} sleep 600 & echo $! > {pid_file}"
    spawn = f"require('child_process').spawn('sh', ['-c', {json.dumps(shell)}], {{stdio: [0, 1, 2, {handle}]}})"
    source = small.folder / "server.js"
    source.write_text(f"{source.read_text()}\nserver.on('listening', function () {{ {spawn}; }});")
    assert manage(**small.arguments()).get("msg") is None
    child = int(wait_for(lambda: pid_file.exists() and pid_file.read_text(), "the start of the child"))
    try:
        for _time in ("first", "second"):
            assert said in manage(state="stopped", timeout=SHORT, port=small.port)["msg"]
    finally:
        os.kill(child, signal.SIGKILL)


def test_an_orphan_with_a_port_is_named_with_it(manage_alone, small, run_module, pm2):
    manage = manage_alone
    # An app that PM2 measures from inside ends soon after the daemon; one that it does not measure stays.
    config = small.folder / "app.json"
    config.write_text(json.dumps({"name": "small", "pmx": False}))
    manage(**small.arguments(), config=str(config))
    pid = small.ask()["pid"]
    os.kill(int((pm2.home / "pm2.pid").read_text()), signal.SIGKILL)
    try:
        for state in ("started", "stopped", "absent"):
            message = manage(**small.arguments(), state=state)["msg"]
            assert f"small still runs as process {pid} and serves port {small.port}" in message
        assert inspect(run_module, pm2)["orphans"] == [pid]
    finally:
        os.kill(pid, signal.SIGKILL)
    again = manage(**small.arguments())
    assert (again.get("msg"), again["action"]) == (None, "create")


def test_a_process_that_a_killed_pm2_had_saved_is_started_again_alone(manage_alone, small, run_module, pm2):
    other = small.folder / "other.js"
    other.write_text("setInterval(() => {}, 1000)")
    pm2("start", other, "--name", "bystander")
    assert manage_alone(**small.arguments(instances=2), save=True)["changed"] is True
    pid = int((pm2.home / "pm2.pid").read_text())
    family = [each["pid"] for each in json.loads(pm2("jlist", "--silent"))]
    for each in (pid, *family):
        os.kill(each, signal.SIGKILL)
    # PM2's socket is answered until the kernel has taken the process apart.
    wait_for(lambda: not Path(f"/proc/{pid}/cmdline").exists(), "the end of PM2")
    predicted = run_module("pm2_process", pm2.arguments(name="small", state="started"), check=True)
    assert (predicted["changed"], predicted["action"]) == (True, "resurrect")
    back = manage_alone(state="started", port=small.port)
    assert (back.get("msg"), back["action"], back["ports"]) == (None, "resurrect", [small.port])
    assert [(each["name"], each["pm2_env"]["status"]) for each in json.loads(pm2("jlist", "--silent"))] == [
        ("small", "online"),
        ("small", "online"),
    ]
    assert manage_alone(state="started", port=small.port)["changed"] is False
    pm2("delete", "small")
    assert manage_alone(state="started", port=small.port)["action"] == "resurrect"


def test_a_pid_file_of_another_process_is_not_believed(manage_alone, small, run_module, pm2):
    manage = manage_alone
    manage(**small.arguments(instances=2))
    file = pm2.home / "pm2.pid"
    own = file.read_text()
    file.write_text(str(os.getpid()))
    try:
        seen = inspect(run_module, pm2)
    finally:
        # PM2 is ended by it after the test.
        file.write_text(own)
    assert (seen["reason"], seen["ports"]) == ("", [small.port])


def test_a_daemon_that_hangs_is_reported_with_a_remedy(manage, small, shared_pm2):
    pm2 = shared_pm2
    manage(**small.arguments())
    daemon = int((pm2.home / "pm2.pid").read_text())
    os.kill(daemon, signal.SIGSTOP)
    try:
        assert f"in 1 seconds; kill -CONT {daemon} lets it run on" in manage(state="restarted", timeout=1)["msg"]
    finally:
        os.kill(daemon, signal.SIGCONT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_the_daemon_of_another_user_is_reported_with_whom_to_become(small, pm2, manage_alone):
    manage = manage_alone
    manage(**small.arguments())
    for folder in (pm2.home.parent, pm2.home):
        os.chmod(folder, 0o755)
    program = (
        "import os, sys; from pathlib import Path; os.setgid(65534); os.setuid(65534)\n"
        "from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error\n"
        "from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client\n"
        "try: Client(Path(sys.argv[1]), 1).__enter__()\n"
        "except PM2Error as error: print(error)"
    )
    # The checkout may lie where another user cannot read, so what the program needs is copied.
    with_copy = pm2.home.parent / "copy"
    source = COLLECTIONS / "ansible_collections/greenlight/release/plugins/module_utils"
    shutil.copytree(source, with_copy / "ansible_collections/greenlight/release/plugins/module_utils")
    said = subprocess.run(
        ["/usr/bin/python3", "-c", program, str(pm2.home)],
        env={"PYTHONPATH": str(with_copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"PM2_HOME {pm2.home} belongs to root; become that user (become: true, become_user)" in said.stdout, (
        said.stderr
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_does_not_act_in_the_home_of_a_user(manage_alone, small, pm2):
    manage = manage_alone
    pm2.home.mkdir()
    os.chown(pm2.home, 65534, 65534)
    assert "belongs to nobody; become that user" in manage(**small.arguments())["msg"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_script_of_a_user_runs_as_root_only_where_that_is_allowed(manage, small):
    os.chown(small.folder / "server.js", 65534, 65534)
    answer = manage(**small.arguments())
    assert "server.js belongs to nobody, who could so become root; run as" in answer["msg"]
    allowed = manage(**small.arguments(), allow_root=True)
    assert "belongs to nobody, who can so become root" in str(allowed["warnings"])
    assert manage(state="stopped")["changed"] is True
    assert "who could so become root" in manage(state="restarted")["msg"]


@pytest.fixture
def small_home(mount):
    """PM2 with a home on a file system of its own. Its sockets need a short path."""
    daemon = Pm2(mount(Path(tempfile.mkdtemp(prefix="gl-")), 1))
    yield daemon
    daemon.end()


def test_a_full_home_is_named_before_pm2_hangs_at_it(small_home, small, run_module):
    fill(small_home.home / "filler")
    answer = caller(run_module, small_home)(**small.arguments())
    assert (answer["failed"], "No space is left for PM2_HOME" in answer["msg"]) == (True, True), answer["msg"]
    assert [path.name for path in small_home.home.iterdir()] == ["filler"]


def test_on_a_full_home_the_app_is_managed_and_the_saved_list_is_kept(small_home, small, run_module):
    manage = caller(run_module, small_home)
    assert manage(**small.arguments(), save=True)["changed"] is True
    saved = (small_home.home / "dump.pm2").read_text()
    fill(small_home.home / "filler")
    for state in ("restarted", "stopped", "started"):
        assert manage(**small.arguments(), state=state)["changed"] is True
    answer = manage(**small.arguments(NEW="1"), save=True)
    assert (answer["failed"], "No space is left for PM2_HOME" in answer["msg"]) == (True, True), answer["msg"]
    assert (small_home.home / "dump.pm2").read_text() == saved


def test_a_daemon_older_than_the_program_is_reported_and_left_alone(manage, small, shared_pm2, tmp_path):
    pm2 = shared_pm2
    manage(**small.arguments())
    package = tmp_path / "newer"
    (package / "bin").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "pm2", "version": "99.0.0"}))
    program = package / "bin" / "pm2"
    program.write_text(
        f'#!/bin/sh\necho ">>>> In-memory PM2 is out-of-date, do: pm2 update"\nexec {pm2.executable} "$@"\n'
    )
    program.chmod(0o755)
    pid = small.ask()["pid"]
    for transport in ("socket", "program"):
        result = manage(executable=str(program), transport=transport)
        assert (result.get("msg"), result["changed"]) == (None, False)
    assert "the program 99.0.0; pm2 update ends that" in str(manage(executable=str(program))["warnings"])
    assert small.ask()["pid"] == pid


@pytest.mark.parametrize("state", ["restarted", "reloaded"])
def test_a_process_that_pm2_does_not_know_cannot_be_replaced(manage, state):
    assert manage(state=state)["msg"] == "PM2 knows no process called 'small'; start it with state started"


def test_a_process_that_nobody_described_cannot_be_started(manage):
    assert manage()["msg"] == "PM2 knows no process called 'small'; give config or script to start it"


def test_nothing_is_saved_where_no_daemon_runs(manage_alone, pm2):
    result = manage_alone(state="absent", save=True)
    assert (result.get("msg"), result["changed"], pm2.home.exists()) == (None, False, False)


NAMES = ("all", "0", "1", "it's; $(x) `y`", "-x", "--name", "ünï cödé", '"', "/re/", "a,b")


def test_an_odd_name_means_exactly_that_process(manage, small, tmp_path):
    """The bystander has an id that PM2's own program would take some names for, and all would be hit by others."""
    bystander = SmallApp(tmp_path / "bystander", 0)
    given = {**bystander.arguments("never listens"), "port": 0, "stable_for": 0}
    pid = manage(name="bystander", **given)["after"][0]["pid"]
    for name in NAMES:
        begun = manage(name=name, **{**small.arguments(), "stable_for": 0})
        assert (begun.get("msg"), begun["after"][0]["name"]) == (None, name)
        assert manage(name=name, state="restarted", stable_for=0).get("msg") is None, name
        assert manage(name=name, state="absent")["after"] == [], name
    assert manage(name="bystander", port=0, stable_for=0)["after"][0]["pid"] == pid
