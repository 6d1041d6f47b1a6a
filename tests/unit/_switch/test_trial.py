# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import make_config
from ansible_collections.greenlight.release.plugins.module_utils._switch import trial
from pm2_fakes import instance, listed
from switch_fakes import make_inputs, open_release

SERVES = """
import os, pathlib, socket, subprocess, sys, time
helper = subprocess.Popen(["sleep", "1000"])
pathlib.Path("pids").write_text(f"{os.getpid()} {helper.pid}")
pathlib.Path("channel").write_text(str(os.fstat(int(os.environ["NODE_CHANNEL_FD"])).st_mode))
server = socket.socket()
server.bind(("127.0.0.1", int(os.environ["PORT"])))
server.listen()
time.sleep(1000)
"""
CRASHES = "import sys; print('Error: the token is hunter2-hunter2'); sys.exit(3)"
SILENT = "import sys; sys.exit(3)"
DEAF = "import time; time.sleep(1000)"


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def make(tmp_path, free_port, monkeypatch):
    """Return a function that makes the inputs of a trial of an app with this code, and what PM2 says of the old one."""
    root, staged = tmp_path / "app", tmp_path / "staged"
    for folder in (root, staged):
        folder.mkdir()
    monkeypatch.setattr(trial.layout, "stage_path", lambda _git, _move: staged)
    monkeypatch.setattr(trial, "free_memory", lambda: 1 << 20)

    def make(code="", running=True, memory=1 << 10, script=None, cwd=None, **given):
        (staged / "server.py").write_text(code)
        open_release(tmp_path, root)
        kept = {"exec_interpreter": sys.executable, "pm_exec_path": script or f"{root}/server.py"}
        kept.update(given.pop("env", {}))
        inputs = make_inputs(tmp_path, **{"port": 3000, "trial_port": free_port, "start_timeout": 20, **given})
        clock = pm2.Clock(time.monotonic, time.sleep)
        inputs = replace(inputs, system=replace(inputs.system, clock=clock))
        old = instance(pid=5 if running else 0, memory=memory, cwd=str(cwd or root))
        return inputs, replace(pm2.NOTHING, processes=[listed(pid=5, **kept)], instances=[old])

    return make


VARIABLES = {"PORT": "3000", "PATH": os.environ["PATH"], "API_TOKEN": "hunter2-hunter2"}


def test_the_command_is_that_of_pm2_in_the_new_tree_and_on_the_other_port(make, tmp_path, free_port):
    root, staged = tmp_path / "app", tmp_path / "staged"
    kept = {
        "node_args": ["--no-warnings"],
        "args": f"--port 3000 --data {root}/data /elsewhere",
        "exec_interpreter": None,
    }
    planned = trial.plan(*make(env=kept, cwd=root / "backend"), VARIABLES)
    words = ["node", "--no-warnings", f"{staged}/server.py", "--port", str(free_port), "--data", f"{staged}/data"]
    assert planned == trial.Trial([*words, "/elsewhere"], staged / "backend", {"PORT": str(free_port)}, free_port)
    alone = trial.plan(*make(env={"exec_interpreter": "none", "args": ["3000"]}), {})
    assert (alone.words, alone.variables) == ([f"{staged}/server.py", str(free_port)], {})


@pytest.mark.parametrize(
    "given, variables, reason",
    [
        ({"running": False}, VARIABLES, "shop is down"),
        ({"port": None}, VARIABLES, "its port is not known; set greenlight_port"),
        ({"memory": 1 << 20}, VARIABLES, "there is less memory free than 2 times what the old revision has"),
        ({"cwd": "/elsewhere"}, VARIABLES, "PM2 runs it in /elsewhere, which is not in "),
        ({}, {"PORT": "3001"}, "no variable of the app and no word of its command holds its port 3000"),
    ],
)
def test_what_cannot_be_tried_is_said(make, given, variables, reason):
    with pytest.raises(trial.CannotTryError, match=reason):
        trial.plan(*make(**given), variables)


def test_a_port_that_is_taken_is_not_used(make):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(trial.CannotTryError, match=f"something listens on port {port} already"):
            trial.plan(*make(trial_port=port), VARIABLES)


def test_free_memory_is_what_the_kernel_says(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   7 kB\n")
    assert trial.free_memory(str(tmp_path / "meminfo")) == 7 << 10
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\n")
    assert trial.free_memory(str(tmp_path / "meminfo")) == 0


def try_out(inputs, before):
    trial.run(inputs, trial.plan(inputs, before, VARIABLES), VARIABLES)


def test_an_app_that_serves_is_ended_with_all_that_it_started(make, tmp_path):
    try_out(*make(SERVES, stable_for=0.2))
    pids = [int(pid) for pid in (tmp_path / "staged" / "pids").read_text().split()]
    assert [proc.is_alive(pid) for pid in pids] == [False, False]
    assert (tmp_path / "staged" / "channel").exists()


@pytest.mark.parametrize(
    "code, given, message",
    [
        (CRASHES, {}, "and it ended with status 3. It said: Error: the token is .*"),
        (SILENT, {}, "and it ended with status 3$"),
        (DEAF, {"start_timeout": 0.3}, r"and it did not listen on port \d+ in 0.3 seconds$"),
    ],
)
def test_an_app_that_does_not_serve_fails_with_its_last_words(make, code, given, message):
    with pytest.raises(CommandError, match=f"^The new revision was tried beside the old one, {message}") as caught:
        try_out(*make(code, **given))
    assert "hunter2-hunter2" not in str(caught.value)


def test_a_secret_is_not_shown_where_the_begin_of_what_an_app_says_is_cut_off(make, monkeypatch):
    said = "the token is hunter2-hunter2\nError: it is gone\n"
    monkeypatch.setattr(trial, "_SHOWN_BYTES", len(said) - len("the token is hunter2"))
    with pytest.raises(CommandError, match="It said: Error: it is gone$") as caught:
        try_out(*make(f"import sys; sys.stdout.write({said!r}); sys.exit(3)"))
    assert "hunter2" not in str(caught.value)


def test_the_command_is_that_of_the_ecosystem_file_of_the_new_revision(make, tmp_path):
    inputs, before = make()
    entry = {"script": "main.py", "cwd": "src", "args": ["--port", 3000], "node_args": "-u"}
    inputs = replace(inputs, wanted=make_config("shop", entry, {}, tmp_path / "app", 1))
    planned = trial.plan(inputs, before, VARIABLES)
    staged = f"{tmp_path}/staged"
    assert planned.words == [sys.executable, "-u", f"{staged}/src/main.py", "--port", str(inputs.trial_port)]
    assert planned.folder == tmp_path / "staged" / "src"
    assert trial.plan(inputs, before, VARIABLES, tmp_path / "app").folder == tmp_path / "app"


def test_the_old_revision_is_tried_where_it_runs(make, tmp_path):
    root = tmp_path / "app"
    inputs, before = make(SERVES)
    (root / "server.py").write_text(CRASHES)
    planned = trial.plan(inputs, before, VARIABLES, root)
    assert (planned.folder, planned.words[-1]) == (root, f"{root}/server.py")
    with pytest.raises(CommandError, match="^The old revision was tried, and it ended with"):
        trial.run(inputs, planned, VARIABLES, "The old revision was tried")


def test_a_program_that_is_not_there_cannot_be_started(make):
    with pytest.raises(CommandError, match="it cannot be started in .*: No such file"):
        try_out(*make(env={"exec_interpreter": "/nonexistent/node"}))
