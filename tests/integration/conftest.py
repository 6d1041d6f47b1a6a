# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PM2 and a sample app of each test's own, or shared by those of a file."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import machine
import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import NoDaemonError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client
from machine import PATIENT, SAMPLE, App, Pm2, wait_for


@pytest.fixture(scope="session", autouse=True)
def _warm():
    yield
    for each in machine.started.values():
        each.stop()


@pytest.fixture
def run_module():
    return machine.call_module


@pytest.fixture
def free_port():
    """A port that is free, as is the next one: PM2 may count up. The kernel gives neither to anybody else."""
    while True:
        port = random.randrange(15000, 32000)
        with contextlib.suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port


@pytest.fixture
def mount():
    """A function that mounts a file system of some MiB; it needs root, as CI has it."""
    mounted = []

    def mount_at(place, size):
        place.mkdir(exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0700", "none", place]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"only who may mount a file system can fill one: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount_at
    for place in mounted:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


@pytest.fixture
def pm2():
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        daemon = Pm2(Path(folder) / "pm2")
        yield daemon
        daemon.end()


@pytest.fixture(scope="module")
def daemon():
    """A PM2 daemon that the tests of a module share."""
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        shared = Pm2(Path(folder) / "pm2")
        yield shared
        shared.end()


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
