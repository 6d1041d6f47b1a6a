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
  - Reads the state of the instances of a process from the daemon's own socket and from the kernel.
  - An app that is down is a fact that is reported, not a failure. The module fails only when PM2 cannot be asked.
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
    support: none
  idempotent:
    support: full
  platform:
    platforms: linux
  action_group: {}
options:
  stable_for:
    description: Seconds to watch it for, in which it must not be restarted. V(0) reads the state once.
    type: float
    default: 0
  timeout:
    description: Seconds that the daemon may take to give one answer. An instance has at most 3 of them to take a connection.
    type: float
    default: 10
  executable:
    description: The C(pm2) program, a name on PATH or an absolute path. It is only needed where the socket cannot be used.
    type: str
    default: pm2
  holders_of:
    description:
      - SQLite databases of which RV(holders) says who has them open, at any time while the process is watched. The more seconds O(stable_for) has, the
        surer is a process of PM2 found that opens a database for a moment only.
    type: list
    elements: path
    default: []
  allowed_holders:
    description: Names of programs and of processes of PM2 that RV(holders) leaves out.
    type: list
    elements: str
    default: []
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
  description: Whether every instance is online, runs and takes connections, and was not restarted while it was watched.
  returned: success
  type: bool
  sample: true
reason:
  description: Why it is not ready, empty when it is.
  returned: success
  type: str
  sample: ""
processes:
  description:
    - The instances. Memory is in bytes, cpu in percent, C(uptime) in seconds, C(started_at) and C(kill_timeout) in milliseconds,
      the first since 1970. C(revision) is the commit that PM2 found at the start in C(repository), which is the working folder or lies above it.
      C(works_in) is the real path of the folder that the process works in, empty where it does not run.
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
      repository: /srv/shop
      works_in: /srv/shop
ports:
  description: TCP ports that the instances serve.
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
  description: Log files of all instances, as M(greenlight.release.log_assert) takes them. Where there are none, those with which PM2 saved the process.
  returned: success
  type: list
  elements: dict
  sample: [{"path": "/home/shop/.pm2/logs/shop-out.log", "stream": "out"}]
saved:
  description: Whether C(pm2 resurrect) would start the process as it is now, as after a reboot.
  returned: success
  type: bool
  sample: true
transport:
  description: How PM2 was asked, C(socket) or C(program), C(none) when no daemon runs.
  returned: success
  type: str
  sample: socket
pm2_version:
  description: Version of the daemon, empty when it was not asked over its socket.
  returned: success
  type: str
  sample: 7.0.4
holders:
  description:
    - Who has a database of O(holders_of) open. C(process) is its name in this PM2, and C(role) says whether it C(serves) on a port, C(works) without one,
      or C(runs) and is not started again when it ends. Both are empty for what this PM2 does not run.
    - Processes of other users are seen by root only.
  returned: success
  type: list
  elements: dict
  sample: [{"pid": 4812, "program": "node /srv/shop/", "process": "shop-worker", "role": "works"}]
measurements:
  description: C(server_starts), true when ready.
  returned: success
  type: dict
  sample: {"server_starts": true}
"""

import os
import time
from pathlib import Path
from typing import Any, Dict, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._host import files, proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import NoDaemonError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int"},
    "more_ports": {"type": "list", "elements": "int", "default": []},
    "socket": {"type": "path"},
    "path_under": {"type": "path"},
    "revision_path": {"type": "str"},
    "revision": {"type": "str"},
    "holders_of": {"type": "list", "elements": "path", "default": []},
    "allowed_holders": {"type": "list", "elements": "str", "default": []},
    "stable_for": {"type": "float", "default": 0},
    "timeout": {"type": "float", "default": 10},
    "pm2_home": {"type": "path"},
    "transport": {"type": "str", "choices": ["auto", "socket", "program"], "default": "auto"},
    "executable": {"type": "str", "default": "pm2"},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def observe(params: Dict[str, Any], home: Path, watch: pm2.HolderWatch) -> Tuple[pm2.Readiness, pm2.State]:
    """Watch the process for as long as asked, and return what was seen and PM2's own state."""
    requirements = pm2.requirements_of(params)
    clock = pm2.Clock()
    host = pm2.make_host(home, params["transport"], params["executable"], params["timeout"], os.environ, clock, set())
    if params["holders_of"]:
        watch.begin(pm2.read_state(host, "").processes)
        host.idle.append(watch.sample)
    try:
        return pm2.observe(host, params["name"], requirements, min(3.0, params["timeout"]), params["stable_for"])
    except NoDaemonError as error:
        return pm2.Readiness(False, str(error), [], []), pm2.NOTHING


def describe(seen: pm2.Readiness, state: pm2.State, home: Path, name: str) -> Dict[str, Any]:
    """Return the module's result for what was seen."""
    logs = {(i.out_log, "out") for i in seen.instances} | {(i.err_log, "err") for i in seen.instances}
    logs = logs or pm2.saved_logs(home, name)
    return {
        "exists": bool(seen.instances),
        "ready": seen.ready,
        "reason": seen.reason,
        "processes": [
            {**each.as_result(time.time(), state.version), "works_in": proc.working_folder(each.pid)}
            for each in seen.instances
        ],
        "ports": seen.ports,
        "orphans": pm2.orphans(home, name, seen.instances, state.daemon),
        "log_files": [{"path": path, "stream": stream} for path, stream in sorted(logs) if path],
        "saved": bool(seen.instances) and pm2.is_saved(pm2.read_dump(home), state.processes, name),
        "transport": state.transport,
        "pm2_version": state.version,
        "measurements": {"server_starts": seen.ready},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    home = pm2.home_of(module.params["pm2_home"], os.environ)
    try:
        pm2.check_options(module.params, home)
        with heartbeat.kept(heartbeat.read(module.params["heartbeat"], module.check_mode)):
            watch = pm2.HolderWatch(module.params["holders_of"])
            seen, state = observe(module.params, home, watch)
        allowed = module.params["allowed_holders"]
        holders = [each for each in watch.end(state.processes) if not {each["program"], each["process"]} & {*allowed}]
        found = {**describe(seen, state, home, module.params["name"]), "holders": holders}
    except (PM2Error, RecordError, OSError) as error:
        module.fail_json(msg=files.told(error))
    module.exit_json(**found)


if __name__ == "__main__":
    main()
