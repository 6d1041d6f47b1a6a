#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pm2_process
short_description: Start, stop, restart or remove a process of PM2, and know that it is true
version_added: 0.1.0
description:
  - Asks the PM2 daemon over its own socket, so that no Node process has to start. Only a process that PM2 does not know yet is started with the C(pm2) program.
  - Ready is a measured fact. Every instance is online, its process runs and listens on a port, its script lies where it should,
    and neither its process nor its restart counter changes for O(stable_for) seconds.
  - Stopped is a measured fact too. The processes are gone.
  - Only the process whose name is exactly O(name) is touched. The daemon is never updated, and the environment of the caller does not reach the app.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: V(restarted) and V(reloaded) act every time.
  platform:
    platforms: linux
  action_group: {}
options:
  name:
    description: Exact name of the process. All of its instances are meant.
    type: str
    required: true
  state:
    description:
      - V(started) starts what does not run and waits until it is ready. A process that PM2 does not know needs O(config) or O(script).
      - V(restarted) and V(reloaded) replace the running instances; in cluster mode V(reloaded) does it one after another. Both wait until they are ready.
      - V(stopped) ends the processes and keeps them in PM2's list, V(absent) removes them from it. Both are fine with a name that PM2 does not know.
    type: str
    choices: [started, stopped, restarted, reloaded, absent]
    default: started
  config:
    description: Ecosystem file that describes the process.
    type: path
  script:
    description: Script to start where there is no ecosystem file.
    type: path
  args:
    description: Arguments of the script.
    type: list
    elements: str
    default: []
  cwd:
    description: Working folder of the script.
    type: path
  interpreter:
    description: Program that runs the script.
    type: str
  instances:
    description: Number of instances. More than one means cluster mode.
    type: int
  env:
    description: Environment variables for a process that is started with O(config) or O(script). Their values are never shown.
    type: dict
    default: {}
  port:
    description: TCP port that every instance must serve. By default any port will do.
    type: int
  path_under:
    description: Folder in which the script must really lie, symbolic links followed.
    type: path
  stable_for:
    description: Seconds that a ready process must stay so, without a restart.
    type: float
    default: 5
  timeout:
    description: Seconds that the process may take to become ready or to end, and the daemon to give one answer.
    type: float
    default: 60
  pm2_home:
    description: Folder of the PM2 daemon. The default is E(PM2_HOME), else C(~/.pm2).
    type: path
  executable:
    description: The C(pm2) program, a name on PATH or an absolute path.
    type: str
    default: pm2
seealso:
  - module: greenlight.release.pm2_process_info
"""

EXAMPLES = r"""
- name: Start the shop and wait until it serves
  greenlight.release.pm2_process:
    name: shop
    config: /srv/shop/ecosystem.config.js
    port: 3000

- name: Stop the shop
  greenlight.release.pm2_process:
    name: shop
    state: stopped
"""

RETURN = r"""
before:
  description: The instances before, empty when PM2 did not know the process.
  returned: success
  type: list
  elements: dict
  sample: [{"pm_id": 0, "name": "shop", "pid": 4711, "status": "online", "restarts": 3, "exec_mode": "fork_mode"}]
after:
  description: The instances afterwards. In check mode, the same as before.
  returned: success
  type: list
  elements: dict
  sample: [{"pm_id": 0, "name": "shop", "pid": 4802, "status": "online", "restarts": 3, "exec_mode": "fork_mode"}]
ready:
  description: Whether the process serves.
  returned: success
  type: bool
  sample: true
ready_after:
  description: Seconds from the action until every instance was ready, before O(stable_for).
  returned: when the state is one that runs and not in check mode
  type: float
  sample: 0.74
ports:
  description: TCP ports that the instances listen on.
  returned: when the state is one that runs and not in check mode
  type: list
  elements: int
  sample: [3000]
killed:
  description: Whether an instance ignored the signal to end and had to be killed.
  returned: success
  type: bool
  sample: false
"""

import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils import _pm2, _pm2_control
from ansible_collections.greenlight.release.plugins.module_utils._pm2_rpc import Client, NoDaemonError, PM2Error

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["started", "stopped", "restarted", "reloaded", "absent"],
        "default": "started",
    },
    "config": {"type": "path"},
    "script": {"type": "path"},
    "args": {"type": "list", "elements": "str", "default": []},
    "cwd": {"type": "path"},
    "interpreter": {"type": "str"},
    "instances": {"type": "int"},
    "env": {"type": "dict", "default": {}, "no_log": True},
    "port": {"type": "int"},
    "path_under": {"type": "path"},
    "stable_for": {"type": "float", "default": 5},
    "timeout": {"type": "float", "default": 60},
    "pm2_home": {"type": "path"},
    "executable": {"type": "str", "default": "pm2"},
}


def needs_change(state, before):
    if state == "started":
        return not before or any(instance.status != "online" for instance in before)
    if state == "stopped":
        return any(instance.status != "stopped" or instance.pid for instance in before)
    if state == "absent":
        return bool(before)
    return True


def start_unknown(module, home):
    """Start a process that PM2 does not know, with the pm2 program; that also starts a daemon where none runs."""
    executable = module.get_bin_path(module.params["executable"])
    if not executable:
        raise PM2Error(
            f"pm2 was not found as {module.params['executable']!r}; set executable to its absolute path, "
            "for nvm something like ~/.nvm/versions/node/v24.0.0/bin/pm2"
        )
    environment = _pm2.clean_environment(os.environ, home, {k: str(v) for k, v in module.params["env"].items()})
    # The program is a script that asks PATH for node, which nvm keeps beside pm2.
    environment["PATH"] = str(Path(executable).parent) + os.pathsep + environment.get("PATH", os.defpath)
    command = _pm2.start_command(executable, module.params["name"], module.params)
    _pm2_control.run_program(command, environment, module.params["timeout"])


def act(module, home):
    """Bring the process to the wanted state, and return the module's result."""
    params = module.params
    clock = _pm2_control.Clock(time.monotonic, time.sleep)
    try:
        with Client(home, params["timeout"]) as client:
            before = _pm2.read_instances(client, params["name"])
    except NoDaemonError:
        before = []
    _pm2_control.refuse_orphans(home, params["name"], before)
    if params["state"] in ("restarted", "reloaded") and not before:
        raise PM2Error(f"PM2 knows no process called {params['name']!r}; start it with state started")
    result = {"changed": needs_change(params["state"], before), "before": describe(before), "killed": False}
    if module.check_mode or (not before and params["state"] in ("stopped", "absent")):
        if params["state"] == "started" and not before:
            _pm2.start_command(params["executable"], params["name"], params)
        return {**result, "after": result["before"], "ready": any(i.status == "online" for i in before)}
    if not before:
        start_unknown(module, home)
    with Client(home, params["timeout"]) as client:
        if params["state"] in ("stopped", "absent"):
            return {**result, **end(client, before, params, clock)}
        return {**result, **run(client, home, before, params, clock)}


def end(client, before, params, clock):
    killed = _pm2_control.stop(client, before, params["timeout"], clock)
    if params["state"] == "absent":
        _pm2_control.delete(client, before)
    return {"killed": killed, "after": describe(_pm2.read_instances(client, params["name"])), "ready": False}


def run(client, home, before, params, clock):
    action = {"started": _pm2_control.start, "restarted": _pm2_control.restart, "reloaded": _pm2_control.reload}
    action[params["state"]](client, before)
    wanted = _pm2.Wanted(params["port"] or 0, params["path_under"] or "")
    seen, ready_after = _pm2.wait_until_ready(
        lambda: _pm2_control.look(client, home, params["name"], wanted),
        params["timeout"],
        params["stable_for"],
        clock.now,
        clock.sleep,
    )
    if not seen.ready:
        raise PM2Error(_pm2_control.explain(params["name"], seen))
    after = describe(seen.instances)
    return {"after": after, "ready": True, "ready_after": round(ready_after, 3), "ports": seen.ports}


def describe(instances):
    return [instance.as_result() for instance in instances]


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    home = _pm2_control.home_of(module.params["pm2_home"], os.environ)
    try:
        result = act(module, home)
    except PM2Error as error:
        module.fail_json(msg=str(error))
    if module._diff:
        keys = ("pm_id", "pid", "status", "restarts", "script")
        result["diff"] = {
            side: [{key: instance[key] for key in keys} for instance in result[side]] for side in ("before", "after")
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
