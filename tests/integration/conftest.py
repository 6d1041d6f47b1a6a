# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real modules, run as Ansible runs them, and a PM2 and a sample app of each test's own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import NoDaemonError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client

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


def call_module(name, arguments, check=False, diff=False, env=None, timeout=120):
    """Run a module in a process of its own, and return its result; anything but one JSON object is a failure."""
    given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{name}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS), **(env or {})},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Result(json.loads(done.stdout))


@pytest.fixture
def run_module():
    return call_module


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, seconds=30):
    """Wait until a condition holds, and return what it returned."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} seconds")


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

    def arguments(self, **more):
        return {"pm2_home": str(self.home), "executable": self.executable, **more}


@pytest.fixture
def pm2():
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        daemon = Pm2(Path(folder) / "pm2")
        yield daemon
        daemon("kill")


@pytest.fixture(scope="module")
def daemon():
    """A PM2 daemon that the tests of a module share."""
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        shared = Pm2(Path(folder) / "pm2")
        yield shared
        shared("kill")


@pytest.fixture
def shared_pm2(daemon):
    """The daemon of the module, without a process of another test."""
    yield daemon
    with contextlib.suppress(NoDaemonError), Client(daemon.home, PATIENT) as client:
        for process in client.call("getMonitorData", {}):
            client.call("deleteProcessId", process["pm_id"])


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """The sample app's repository: its folder and the SHA of each revision."""
    folder = tmp_path_factory.mktemp("repository") / "sample-app"
    made = subprocess.run([sys.executable, SAMPLE / "make_repository.py", folder], capture_output=True, check=True)
    return folder, json.loads(made.stdout)


class App:
    """The sample app's checkout, database and address."""

    def __init__(self, folder, repository, port):
        self.path, self.port = folder / "app", port
        self.database = folder / "data" / "app.db"
        self.url = f"http://127.0.0.1:{port}"
        self.env = {"PORT": str(port), "DATABASE_PATH": str(self.database)}
        subprocess.run(["git", "clone", "--quiet", str(repository), str(self.path)], check=True)

    def check_out(self, revision):
        subprocess.run(["git", "-C", str(self.path), "checkout", "--quiet", f"origin/{revision}"], check=True)

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


@pytest.fixture
def app(tmp_path, repository, free_port):
    return App(tmp_path, repository[0], free_port)


@pytest.fixture
def running(app, pm2):
    """The sample app's revision good, running under PM2."""
    app.check_out("good")
    pm2("start", app.path / "ecosystem.config.js", env=app.env)
    wait_for(app.answers, "the first answer of the sample app")
    return app
