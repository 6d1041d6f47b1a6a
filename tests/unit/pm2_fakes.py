# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins that the tests of several PM2 utils share: time that passes when asked, and a PM2 that notes its orders."""

from __future__ import annotations

import contextlib
import os
import types
from pathlib import Path

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import checks, instances, process, readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.carry_out import Outcome
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import make_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import NoDaemonError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import PM2Host
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance, Readiness, Requirements
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock


class Time:
    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds

    def clock(self):
        return Clock(lambda: self.now, self.sleep)


def instance(pm_id=3, pid=0, status="online", exec_mode="fork_mode", err_log="/nonexistent", **more):
    values = {"restarts": 0, "started_at": 0, "memory": 0, "cpu": 0.0, "script": "/s.js", "cwd": "/", "out_log": "/out"}
    given = {**values, "node_version": "24", "kill_timeout": 1000, **more}
    return Instance(pm_id, "shop", pid, status, exec_mode=exec_mode, err_log=err_log, **given)


def listed(pm_id=3, pid=0, status="online", **env):
    """Return a process as PM2 lists it."""
    kept = {"status": status, "exec_mode": "fork_mode", "pm_exec_path": "/s.js", "pm_cwd": "/", **env}
    return {"pm_id": pm_id, "pid": pid, "name": "shop", "pm2_env": kept}


class FakeTransport:
    """Notes its orders; `lists` are what it shows, one after another, the last for ever."""

    name, changes_live, daemon, version = "socket", True, 0, "7.0.4"

    def __init__(self, *lists):
        self.lists, self.calls = list(lists) or [[]], []

    def processes(self):
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]

    def create(self, saved):
        self.calls.append(("create", saved["name"]))

    def start(self, pm_id):
        self.calls.append(("start", pm_id))

    def stop(self, pm_id):
        self.calls.append(("stop", pm_id))
        return lambda: self.calls.append(("stopped", pm_id))

    def stop_unscheduled(self, pm_id):
        self.calls.append(("unschedule", pm_id))
        return self.stop(pm_id)

    def delete(self, pm_id):
        self.calls.append(("delete", pm_id))

    def restart(self, pm_id, changes):
        self.calls.append(("restart", pm_id, *([changes] if changes else [])))

    def reload(self, pm_id, changes):
        self.calls.append(("reload", pm_id, *([changes] if changes else [])))


ONLINE, STOPPED = listed(pid=5), listed(status="stopped")
READY = Readiness(True, "", [instance(pid=5)], [3000])


def request(state="started", config=None, save=False, port=None, timeout=5.0):
    return Request("shop", state, config, Requirements(port), 0.0, timeout, save)


def state(*processes, live=True):
    return State(list(processes), process.instances_of(processes, "shop"), "socket", "7.0.4", 0, live)


def config(**options):
    return make_config("shop", None, {"script": "s.js", "cwd": "/", **options}, Path("/"), 1)


def make_partial(**options):
    return make_config("shop", None, options, Path("/"), 1)


PARTIAL = make_partial(kill_timeout=9)


def outcome(after, ready=READY, killed=(), closed=None):
    return Outcome(after, ready, 0.12345, list(killed), closed)


class FakeProgram:
    """Notes how often it was searched, and what it ran."""

    def __init__(self):
        self.asked, self.environment, self.ran = 0, {"PATH": os.defpath}, []

    def run(self, *words):
        self.ran.append(words)

    def __call__(self):
        self.asked += 1
        return self


def make_fake_host(home, transport, program=None):
    """Return a host with one way to PM2, None where no daemon runs."""

    @contextlib.contextmanager
    def connect():
        if transport is None:
            raise NoDaemonError("No PM2 daemon runs")
        yield transport

    return PM2Host(home, connect, program or FakeProgram(), Time().clock())


def fake_kernel(monkeypatch):
    """Fake a kernel where every process but 10 lives, port 3000 is served, and nothing is stale."""
    monkeypatch.setattr(proc, "is_alive", lambda pid: pid not in (0, 10))
    monkeypatch.setattr(proc, "with_descendants", set)
    monkeypatch.setattr(proc, "sockets_of", lambda _pids: set())
    monkeypatch.setattr(proc, "listeners", list)
    monkeypatch.setattr(proc, "listening_ports", lambda _pids: [3000])
    monkeypatch.setattr(proc, "open_ports", lambda: {3000})
    monkeypatch.setattr(instances, "is_stale", lambda _instance: False)
    monkeypatch.setattr(checks, "is_gone", lambda _script: False)
    monkeypatch.setattr(readiness, "refuse_orphans", lambda *_arguments: None)
    monkeypatch.setattr(readiness, "measure", lambda *_arguments: READY)
    monkeypatch.setattr(readiness, "measure_instances", lambda *_arguments: READY)
    return monkeypatch


FOLDER = Path("/srv/shop")
WHOLE = {"script": "server.js", "env": {"PORT": "80", "TOKEN": "hunter2"}}


def make(options=None, described=None, cpus=4, name="shop"):
    return make_config(name, described, options or {}, FOLDER, cpus)


def running(config, **changes):
    """Return what PM2 keeps of a process that was started with a configuration."""
    kept = {key: value for key, value in config.kept.items() if value is not None and key != "instances"}
    logs = {key: value.replace("{PM2_HOME}", "/p") for key, value in kept.items() if key.endswith("_log_path")}
    env = {**config.env, "unique_id": "u", "PWD": config.kept["pm_cwd"]}
    remembered = {"env_greenlight": config.app["env_greenlight"], "env": env, "PM2_HOME": "/p"}
    return {"pm_id": 0, "name": "shop", "pm2_env": {**kept, **logs, **remembered, **changes}}


def make_disk(monkeypatch, **changes):
    """Let every filesystem have plenty of room, but for the changes."""
    plenty = {"f_bavail": 1 << 20, "f_bfree": 1 << 20, "f_frsize": 4096, "f_files": 100, "f_favail": 90, "f_ffree": 90}
    monkeypatch.setattr(os, "statvfs", lambda _path: types.SimpleNamespace(**{**plenty, **changes}))


FULL = {"f_bavail": 9, "f_bfree": 9}
