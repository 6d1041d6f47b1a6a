# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins that the tests of several PM2 utils share: time that passes when asked, and a PM2 that notes its orders."""

from __future__ import annotations

from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance
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
    """Notes what it is told; `lists` are what it shows, one after another, the last for ever."""

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

    def delete(self, pm_id):
        self.calls.append(("delete", pm_id))

    def restart(self, pm_id, changes):
        self.calls.append(("restart", pm_id, *([changes] if changes else [])))

    def reload(self, pm_id, changes):
        self.calls.append(("reload", pm_id, *([changes] if changes else [])))
