#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pm2_process_info
short_description: Say whether a process of PM2 really serves
version_added: 0.1.0
description:
  - Looks at the instances of a process over the daemon's own socket, and at what the kernel says of them.
  - An app that is down is a fact that is reported, not a failure. The module fails only when PM2 cannot be asked.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    platforms: linux
  action_group: {}
options:
  name:
    description: Exact name of the process.
    type: str
    required: true
  port:
    description: TCP port that every instance must serve. By default any port will do.
    type: int
  path_under:
    description: Folder in which the script must really lie, symbolic links followed.
    type: path
  stable_for:
    description: Seconds to watch it for, in which it must not be restarted. V(0) looks once.
    type: float
    default: 0
  timeout:
    description: Seconds that the daemon may take to give one answer.
    type: float
    default: 10
  pm2_home:
    description: Folder of the PM2 daemon. The default is E(PM2_HOME), else C(~/.pm2).
    type: path
seealso:
  - module: greenlight.release.pm2_process
"""

EXAMPLES = r"""
- name: Watch the shop for ten seconds
  greenlight.release.pm2_process_info:
    name: shop
    port: 3000
    stable_for: 10
  register: shop
"""

RETURN = r"""
exists:
  description: Whether PM2 knows the process.
  returned: success
  type: bool
  sample: true
ready:
  description: Whether every instance is online, runs and listens, and was not restarted while it was watched.
  returned: success
  type: bool
  sample: true
reason:
  description: Why it is not ready, empty when it is.
  returned: success
  type: str
  sample: ""
processes:
  description: The instances. Memory is in bytes, cpu in percent, started_at in milliseconds since 1970.
  returned: success
  type: list
  elements: dict
  sample: [{"pm_id": 0, "name": "shop", "pid": 4711, "status": "online", "restarts": 3, "memory": 61210624, "cpu": 0.3}]
ports:
  description: TCP ports that the instances listen on.
  returned: success
  type: list
  elements: int
  sample: [3000]
orphans:
  description: Processes of the app that PM2 does not know.
  returned: success
  type: list
  elements: int
  sample: []
log_files:
  description: Log files of all instances, as M(greenlight.release.log_assert) takes them.
  returned: success
  type: list
  elements: dict
  sample: [{"path": "/home/shop/.pm2/logs/shop-out.log", "stream": "out"}]
measurements:
  description: C(server_starts), true when ready.
  returned: success
  type: dict
  sample: {"server_starts": true}
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils import _pm2, _pm2_control
from ansible_collections.greenlight.release.plugins.module_utils._pm2_rpc import Client, NoDaemonError, PM2Error

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int"},
    "path_under": {"type": "path"},
    "stable_for": {"type": "float", "default": 0},
    "timeout": {"type": "float", "default": 10},
    "pm2_home": {"type": "path"},
}


def watch(params, home):
    """Watch the process for as long as asked; one look when it is not ready, as waiting would change nothing."""
    wanted = _pm2.Wanted(params["port"] or 0, params["path_under"] or "")
    try:
        with Client(home, params["timeout"]) as client:
            return _pm2.wait_until_ready(
                lambda: _pm2_control.look(client, home, params["name"], wanted),
                0,
                params["stable_for"],
                time.monotonic,
                time.sleep,
            )[0]
    except NoDaemonError as error:
        return _pm2.Readiness(False, str(error), [], [])


def describe(seen, home, name):
    """Return the module's result for what was seen."""
    logs = {(i.out_log, "out") for i in seen.instances} | {(i.err_log, "err") for i in seen.instances}
    return {
        "exists": bool(seen.instances),
        "ready": seen.ready,
        "reason": seen.reason,
        "processes": [instance.as_result() for instance in seen.instances],
        "ports": seen.ports,
        "orphans": _pm2_control.orphans(home, name, seen.instances),
        "log_files": [{"path": path, "stream": stream} for path, stream in sorted(logs) if path],
        "measurements": {"server_starts": seen.ready},
    }


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    home = _pm2_control.home_of(module.params["pm2_home"], os.environ)
    try:
        seen = watch(module.params, home)
    except PM2Error as error:
        module.fail_json(msg=str(error))
    module.exit_json(**describe(seen, home, module.params["name"]))


if __name__ == "__main__":
    main()
