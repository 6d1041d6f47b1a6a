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
  - Asks the PM2 daemon over its own socket, so that no Node process has to start. The C(pm2) program is used for what only
    it does (a process that PM2 does not know yet, and O(save)), and where the daemon speaks another protocol.
  - Ready is a measured fact. Every instance is online, its process runs and takes connections on a port, its script lies where
    it should, and neither its process nor its restart counter changes for O(stable_for) seconds.
  - Stopped is a measured fact too. The processes are gone, and what they listened on is closed.
  - The whole wanted configuration counts, with O(config) or O(script) also what is not wanted any more. What differs is changed.
  - Over the program (O(transport)) a process whose configuration differs is always created again, which needs O(config) or O(script).
  - Only the process whose name is exactly O(name) is touched. The daemon is never updated, and the environment of the caller
    does not reach the app.
  - Made for PM2 5, 6 and 7.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
  - greenlight.release.heartbeat
  - greenlight.release.pm2
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
  state:
    description:
      - V(started) starts what does not run and waits until it is ready. A process that PM2 does not know needs O(config) or O(script).
        One whose configuration differs, or whose path leads to another release than it runs, is restarted or created again.
      - V(restarted) and V(reloaded) replace the running instances and wait until they are ready. In cluster mode V(reloaded)
        replaces one after another, the next one only when the last one serves, so that no request is lost. For that the app must
        close its server on SIGINT and live on for a moment, as a connection may still arrive.
        In fork mode PM2 can only restart, and a setting that PM2 cannot hand over makes it create the process again; there is a warning.
      - V(stopped) ends the processes and keeps them in PM2's list, V(absent) removes them from it. Both are fine with a name that PM2 does not know.
    type: str
    choices: [started, stopped, restarted, reloaded, absent]
    default: started
  config:
    description:
      - Ecosystem file (C(.js), C(.cjs), C(.mjs), C(.json), C(.yml), C(.yaml)) that describes the process. Relative paths in it begin at its
        folder. One that exports a function is refused, since PM2 does not call it.
      - Node reads it with a clean environment and O(env). The other options take precedence over it.
    type: path
  env_name:
    description:
      - Name of a block of variables in O(config), V(production) for C(env_production), which is merged into those of C(env) as
        C(pm2 start --env) does. Where the app has such blocks, and none of that name, it is refused.
      - A process that runs with the values of a block is not changed without this option, as it would lose them. An empty text
        does without a block.
    type: str
  script:
    description:
      - Script to start where there is no ecosystem file. PM2 takes a path with a space for a shell command, so a space may only be in O(cwd).
    type: path
  args:
    description:
      - Arguments of the script. They can be seen in the list of processes.
    type: list
    elements: str
  cwd:
    description:
      - Working folder of the script. The default is the folder of the ecosystem file or of the script.
      - A symbolic link in it is kept, so that a flipped one is followed.
    type: path
  interpreter:
    description:
      - Program that runs the script. PM2 chooses by the suffix of the script, C(node) for C(.js). A name without a path needs
        O(script) or O(config).
    type: str
  node_args:
    description:
      - Arguments of the interpreter.
    type: list
    elements: str
  instances:
    description:
      - Number of instances. It needs O(script) or O(config), as do O(exec_mode) and O(cwd).
      - V(0) means one for each processor. When it is given, PM2 uses cluster mode unless O(exec_mode) says otherwise.
    type: int
  exec_mode:
    description:
      - V(cluster) shares a port between instances, which are scripts of Node. PM2 uses V(fork) unless O(instances) is given.
    type: str
    choices: [fork, cluster]
  env:
    description:
      - Environment variables of the process, which take precedence over those of O(config). Their values are never shown, and reach no list of processes.
      - A variable that an earlier run of this module set, and that is no longer wanted, is removed.
    type: dict
    default: {}
  max_memory_restart:
    description:
      - Memory above which PM2 restarts an instance, in bytes or with V(K), V(M) or V(G) behind the number.
    type: str
  kill_timeout:
    description:
      - Milliseconds that an instance has to end before it is killed. PM2 takes 1600. O(timeout) must be longer.
    type: int
  listen_timeout:
    description:
      - Milliseconds that PM2 gives a new instance to listen or to say that it is ready. PM2 takes 3000. O(timeout) must be longer.
    type: int
  wait_ready:
    description:
      - Whether PM2 waits until the instance says C(process.send('ready')).
    type: bool
  out_file:
    description:
      - Log file of standard output.
    type: path
  error_file:
    description:
      - Log file of standard error.
    type: path
  time:
    description:
      - Whether PM2 puts the time before every line of the logs.
    type: bool
  stable_for:
    description:
      - Seconds that a ready process must stay so, without a restart.
    type: float
    default: 5
  timeout:
    description:
      - Seconds that the process may take to become ready or to end, and PM2 to give one answer.
      - It is never less than the C(listen_timeout) and C(kill_timeout) that the process has, for what these bound.
    type: float
    default: 60
  save:
    description:
      - Save PM2's list of all processes when the process is as wanted, so that C(pm2 resurrect) starts them again after a reboot.
        Nothing is saved when that is so already. The file is made private, as it holds the environment of every process.
    type: bool
    default: false
  allow_root:
    description:
      - Let root run a script, or read an ecosystem file, that another user can change because the file, a folder above it or a link on the
        way belongs to that user or can be written to by others. Whoever can change it can then become root; C(become_user) is the better way.
        There is a warning.
    type: bool
    default: false
  executable:
    description:
      - The C(pm2) program, a name on PATH or an absolute path. C(node) is searched first in its folder.
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

- name: Start it as pm2 start ecosystem.config.js --env production does
  greenlight.release.pm2_process:
    name: shop
    config: /srv/shop/ecosystem.config.js
    env_name: production
    port: 3000

- name: Run four workers that follow the link to the current release, also after a reboot
  greenlight.release.pm2_process:
    name: shop
    script: server.js
    cwd: /srv/shop/current
    instances: 4
    env:
      PORT: "3000"
      DATABASE_URL: "{{ shop_database_url }}"
    port: 3000
    save: true

- name: Go over to the release that the link leads to, without losing a request
  greenlight.release.pm2_process:
    name: shop
    state: reloaded
    port: 3000

- name: Go over to the release, and see that every instance runs it
  greenlight.release.pm2_process:
    name: shop
    state: reloaded
    port: 3000
    revision_path: REVISION
    revision: "{{ shop_commit }}"

- name: Stop the shop
  greenlight.release.pm2_process:
    name: shop
    state: stopped
"""

RETURN = r"""
action:
  description:
    - What was done, in check mode what would be done. One of C(none), C(create), C(resurrect), C(start), C(restart),
      C(reload), C(recreate), C(stop) and C(delete).
    - With C(resurrect) a process that PM2 does not know, as it was killed, was started as PM2 had saved it, and no other.
  returned: success
  type: str
  sample: restart
before:
  description:
    - The instances before, empty when PM2 did not know the process. Memory is in bytes, cpu in percent, C(uptime) in seconds,
      C(started_at) and C(kill_timeout) in milliseconds, the first since 1970. C(revision) is the commit that PM2 found in the
      working folder at the start.
  returned: success
  type: list
  elements: dict
  sample:
    - pm_id: 0
      name: shop
      pid: 4711
      status: online
      restarts: 3
      started_at: 1771466400000
      uptime: 86400.5
      memory: 61210624
      cpu: 0.3
      exec_mode: fork_mode
      script: /srv/shop/server.js
      cwd: /srv/shop
      out_log: /home/shop/.pm2/logs/shop-out.log
      err_log: /home/shop/.pm2/logs/shop-error.log
      node_version: 24.0.0
      pm2_version: 7.0.4
      kill_timeout: 1600
      revision: 0639294c7d2f4d1ab8e1c7d27cbb56e4a3a4a1f2
after:
  description:
    - The instances afterwards, with the keys of RV(before). In check mode, the same as before.
  returned: success
  type: list
  elements: dict
  sample: [{"pm_id": 0, "name": "shop", "pid": 4802, "status": "online", "restarts": 4, "exec_mode": "fork_mode"}]
ready:
  description:
    - Whether the process serves.
  returned: success
  type: bool
  sample: true
ready_after:
  description:
    - Seconds from the action until every instance was ready, before O(stable_for).
  returned: when the state is one that runs and not in check mode
  type: float
  sample: 0.74
port_closed_for:
  description:
    - Seconds for which nothing listened on the port, of O(port) or of the only port of a process in fork mode.
  returned: when such a port is known and not in check mode
  type: float
  sample: 0.31
ports:
  description:
    - TCP ports that the instances serve.
  returned: when the state is one that runs and not in check mode
  type: list
  elements: int
  sample: [3000]
killed:
  description:
    - Whether an instance ignored the signal to end and PM2 had to kill it, according to C(PM2_HOME/pm2.log). A warning names it.
  returned: success
  type: bool
  sample: false
saved:
  description:
    - Whether PM2's list of processes was saved.
  returned: success
  type: bool
  sample: false
transport:
  description:
    - How PM2 was asked, C(socket) or C(program), C(none) when no daemon runs.
  returned: success
  type: str
  sample: socket
pm2_version:
  description:
    - Version of the daemon, empty when it was not asked over its socket.
  returned: success
  type: str
  sample: 7.0.4
"""

import os
import time
from pathlib import Path
from typing import Any, Dict, Set

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["started", "stopped", "restarted", "reloaded", "absent"],
        "default": "started",
    },
    "config": {"type": "path"},
    "env_name": {"type": "str"},
    "script": {"type": "path"},
    "args": {"type": "list", "elements": "str"},
    "cwd": {"type": "path"},
    "interpreter": {"type": "str"},
    "node_args": {"type": "list", "elements": "str"},
    "instances": {"type": "int"},
    "exec_mode": {"type": "str", "choices": ["fork", "cluster"]},
    "env": {"type": "dict", "default": {}, "no_log": True},
    "max_memory_restart": {"type": "str"},
    "kill_timeout": {"type": "int"},
    "listen_timeout": {"type": "int"},
    "wait_ready": {"type": "bool"},
    "out_file": {"type": "path"},
    "error_file": {"type": "path"},
    "time": {"type": "bool"},
    "port": {"type": "int"},
    "more_ports": {"type": "list", "elements": "int", "default": []},
    **{name: {"type": "path"} for name in ("socket", "path_under", "pm2_home")},
    **{name: {"type": "str"} for name in ("revision_path", "revision")},
    "stable_for": {"type": "float", "default": 5},
    "timeout": {"type": "float", "default": 60},
    "save": {"type": "bool", "default": False},
    "allow_root": {"type": "bool", "default": False},
    "transport": {"type": "str", "choices": ["auto", "socket", "program"], "default": "auto"},
    "executable": {"type": "str", "default": "pm2"},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def act(module: AnsibleModule, home: Path, env: Dict[str, str], secrets: Set[str]) -> Dict[str, Any]:
    """Bring the process to the wanted state, and return the module's result.

    The set `secrets` gets everything that comes to light and must not be shown, also where this fails.
    """
    params = module.params
    pm2.check_options(params, home)
    clock = pm2.Clock()
    host = pm2.make_host(home, params["transport"], params["executable"], params["timeout"], os.environ, clock, secrets)
    path = os.environ.get("PATH", os.defpath)
    request = pm2.read_request(params, env, host, os.cpu_count() or 1, path, os.geteuid())
    secrets.update(request.config.env.values() if request.config else ())
    before = pm2.read_state(host, request.name)
    secrets.update(pm2.running_secrets(before.processes, request.name))
    plan = pm2.checked_plan(request, host, before, os.geteuid())
    diff = {"diff": pm2.report.diff(before, plan)} if module._diff else {}
    if module.check_mode or (not before.instances and not plan.changed):
        return {**pm2.report.planned(before, plan, time.time()), **diff}
    outcome = pm2.carry_out(request, host, before, plan)
    version = pm2.version_of(pm2.find_executable(params["executable"]))
    for warning in pm2.report.warnings(request, before, outcome, home, os.geteuid(), version, plan.action):
        module.warn(host.hide(warning))
    return {**pm2.report.done(before, plan, outcome, time.time()), **diff}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    env = pm2.take_variables(module.params, module.no_log_values)
    secrets = set(env.values())
    home = pm2.home_of(module.params["pm2_home"], os.environ)
    try:
        with heartbeat.kept(heartbeat.read(module.params["heartbeat"], module.check_mode)):
            result = act(module, home, env, secrets)
    except (PM2Error, RecordError, OSError) as error:
        module.fail_json(msg=pm2.hide(files.told(error), secrets))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
