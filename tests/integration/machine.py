# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests run on this machine: the real modules, playbooks, PM2 and the sample app."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client
from git_commands import git
from warm import Warm

CHECKOUT = Path(__file__).resolve().parent.parent.parent
COLLECTIONS = CHECKOUT / ".cache" / "collections"
MODULES = "ansible_collections.greenlight.release.plugins.modules"
SAMPLE = CHECKOUT / "examples" / "sample-app"
# Seconds for what may succeed, however busy the machine is, and for what must fail and would use up all it gets.
PATIENT, SHORT = 20, 5


class Result(dict):
    """What a module returned. Who asks for what is not there sees what the module said instead."""

    def __missing__(self, key):
        raise AssertionError(f"the result has no {key}: {self.get('msg') or dict(self)}")


# The processes from which modules and playbooks are forked, which all tests share.
started = {}


def warm(kind):
    """Return the process from which C(modules), C(playbooks) or what an C(interpreter) runs are forked."""
    if kind not in started:
        started[kind] = Warm(
            kind,
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_PIPELINING="1",
            PYTHONPATH=str(CHECKOUT / "tests" / "support" / "compiled"),
            GREENLIGHT_COMPILED=str(CHECKOUT / ".cache" / "compiled"),
        )
    return started[kind]


def interpreter():
    """Return the Python for a host of ansible-playbook, which forks instead of importing everything for each task."""
    return str(warm("interpreter").program("python"))


def call_module(name, arguments, check=False, diff=False, env=None, timeout=120):
    """Run a module in a process of its own, and return its result; anything but one JSON object is a failure."""
    given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}
    output, errors = warm("modules").module(name, given, env=env, timeout=timeout)
    assert "Traceback" not in output + errors, errors
    return Result(json.loads(output))


def call_module_alone(name, arguments, pythonpath):
    """Run a module in a Python that has imported nothing before, and finds other libraries first."""
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{name}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": f"{pythonpath}:{COLLECTIONS}"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Result(json.loads(done.stdout))


def play(*words, cwd=None, env=None, timeout=400):
    """Run ansible-playbook, and return its status and what it printed."""
    process = warm("playbooks").playbook(*words, cwd=cwd, env=env)
    try:
        output = process.communicate(timeout)[0]
    finally:
        process.kill()
    return process.returncode, output


def wait_for(condition, what, seconds=30):
    """Wait until a condition holds, and return what it returned."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} seconds")


def fill(file):
    """Leave no room in the file system in which a new file lies."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as opened:
        while True:
            opened.write(b"x" * 4096)


class Pm2:
    """A PM2 daemon of its own; the path of its socket may only be short."""

    def __init__(self, home):
        self.home = home
        self.executable = shutil.which("pm2")
        assert self.executable, "pm2 is not on PATH; run ./greenlight test"

    def __call__(self, *words, env=None, where=None):
        environment = {**os.environ, **(env or {}), "PM2_HOME": str(self.home)}
        done = subprocess.run(
            [self.executable, *map(str, words)],
            env=environment,
            cwd=where,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self):
        """End the daemon, which ends its processes first."""
        pid_file = self.home / "pm2.pid"
        program = Path(f"/proc/{pid_file.read_text()}/cmdline") if pid_file.exists() else self.home / "cmdline"
        if program.exists() and program.read_text().startswith("PM2 "):
            os.kill(int(program.parent.name), signal.SIGTERM)
            wait_for(lambda: not program.exists(), "the end of PM2")

    def processes(self):
        """Return what PM2 knows of its processes."""
        with Client(self.home, PATIENT) as client:
            return client.call("getMonitorData", {})

    def arguments(self, **more):
        return {"pm2_home": str(self.home), "executable": self.executable, **more}


class App:
    """The sample app's checkout, database and address."""

    def __init__(self, folder, repository, port):
        self.path, self.port = folder / "app", port
        self.database = folder / "data" / "app.db"
        self.url = f"http://127.0.0.1:{port}"
        self.env = {"PORT": str(port), "DATABASE_PATH": str(self.database)}
        git(repository, "clone", "--quiet", str(repository), str(self.path))

    def check_out(self, revision):
        git(self.path, "checkout", "--quiet", f"origin/{revision}")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, name):
        request = urllib.request.Request(f"{self.url}/api/items", json.dumps({"name": name}).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"]["id"]

    def answers(self):
        try:
            return self.get("/health")
        except OSError:
            return None
