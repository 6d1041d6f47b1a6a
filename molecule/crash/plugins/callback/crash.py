# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down every boundary between two tasks of a run, and kill the run at one of them.

A boundary lies behind every task that ended on the host; tasks that only the controller works on leave the host as it
was. GREENLIGHT_CRASH_LOG names the file, GREENLIGHT_CRASH_AT the number of the boundary to die at, 0 for none. With
GREENLIGHT_CRASH_HOST, the name of the container, the state of the host is written down as well: two boundaries of the
same state are the same death.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: crash
type: notification
short_description: Kill a run at a boundary between two tasks
description:
  - For the tests of the scenario C(crash).
"""

ON_THE_CONTROLLER = (
    "assert",
    "debug",
    "fail",
    "set_fact",
    "include_role",
    "include_tasks",
    "meta",
    "validate_argument_spec",
)

# All that a run may change, but not what users write: records, backups, stages, checkout, schema, processes and units.
STATE = """
find /var/lib/greenlight /srv/sample-app /etc/systemd/system ! -name '*.lock' -printf '%p %y %s %T@ %l\\n' | sort
sudo -u sample sqlite3 /srv/sample-app-data/app.db 'PRAGMA user_version'
stat -c %i /srv/sample-app-data/app.db
pgrep -f /srv/sample-app/server.js
stat -c %Y /home/sample/.pm2/dump.pm2
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "crash"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.log = Path(os.environ["GREENLIGHT_CRASH_LOG"])
        self.die_at = int(os.environ.get("GREENLIGHT_CRASH_AT", "0"))
        self.host = os.environ.get("GREENLIGHT_CRASH_HOST")
        self.passed = 0

    def pass_boundary(self, result):
        task = result._task
        if task.action.rpartition(".")[2] in ON_THE_CONTROLLER:
            return
        self.passed += 1
        boundary = {"task": task.get_name(), "state": self.state()}
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(boundary) + "\n")
        if self.passed == self.die_at:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    def state(self):
        """Return what the host is like, empty where nobody asked for it."""
        if not self.host:
            return ""
        words = ["podman", "exec", "-i", self.host, "sh", "-s"]
        return subprocess.run(words, input=STATE, check=False, stdout=subprocess.PIPE, text=True).stdout

    def v2_runner_on_ok(self, result):
        self.pass_boundary(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.pass_boundary(result)
