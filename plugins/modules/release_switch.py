#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_switch
short_description: Switch an app to the new revision, or roll it back, in one process
version_added: 0.1.0
description:
  - Does in one process what must happen while nobody is served, so that this is hardly longer than a restart by PM2.
  - Forward, it marks the end of the log, stops the app, brings the backup up to the last committed write, moves the code, migrates, starts the app,
    and waits until it is ready. A rollback stops the app, restores the database where that is needed, moves the code, and starts the app.
  - A release may have no database, one, or several. Of several the backups are of one moment, as nothing runs, and a rollback rules for each alone.
  - Everything is checked before anything is stopped, the daemon of PM2, the commits, and the backup. Each stage is written into the release record on the host.
  - What the app is and where, and which processes belong to it, comes from the facts of the release record.
  - A failure says which step it was, and what is true of the host then. With O(roll_back) a new revision that fails is rolled back at once.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
  - greenlight.release.release_run
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
    details: It stops and starts the app every time. The roles run it only where there is something to switch.
  platform:
    platforms: linux
  action_group: {}
options:
  direction:
    description:
      - V(forward) switches to the new revision of the release, V(back) rolls back to the old one, whatever stage the release has reached.
    type: str
    choices: [forward, back]
    required: true
  lease_after:
    description: Seconds that the lease has left when the module ends. The default is O(lease), which is renewed as long as the module works.
    type: int
  release_id:
    description: Id of the release. The default is the newest.
    type: str
  record:
    description:
      - The release record that M(greenlight.release.release_record) would have opened. Only for check mode, in which it is not on the host.
    type: dict
  phase:
    description:
      - V(before_migrate) ends when the new code is in place, V(from_migrate) goes on from there, so that something else can run in between.
    type: str
    choices: [whole, before_migrate, from_migrate]
    default: whole
  strategy:
    description:
      - V(restart) stops the app before the code is moved, and starts it afterwards.
      - V(reload) moves the code while the app runs, and then lets PM2 replace one instance after another. In cluster mode no request is lost by that.
        The migration must be one that the old revision can live with.
      - A rollback of such a release reloads the app as well, where it need not touch the database, and an instance of the cluster runs.
        One that cannot be reloaded is stopped and started, with a warning.
    type: str
    choices: [restart, reload]
    default: restart
  roll_back:
    description:
      - Whether a new revision that fails to migrate or to start is rolled back at once and in the same process, since users wait.
        It is rolled back as with O(direction=back), with O(database), O(restore_within) and O(restore_loses_at_most).
      - The module fails all the same. With O(direction=back) the same run then finds that there is nothing left to do.
    type: bool
    default: false
  restart_app:
    description:
      - Whether the app itself must be restarted to use what has changed. Without it only the code is moved, and only the processes of O(restart) are restarted.
    type: bool
    default: true
  restart:
    description:
      - Names of other processes of the same PM2, which are restarted when the app serves, besides those that the release record lists.
      - One that has the database open when the app is stopped is stopped just before it. With O(direction=back) one that cannot be restarted is a warning.
      - One that PM2 does not start again when it ends (C(autorestart) is V(false)) may have ended, and is left then. With C(cron_restart) as well it is a
        job, which is not started off schedule and takes the other code when it starts again.
    type: list
    elements: str
    default: []
  backups:
    description:
      - The backups that were taken while the app served, to be brought up to the last committed write, one of each database of the release and
        in the order of the release record. A release without a database has none.
      - Needed by O(direction=forward) unless O(phase=from_migrate).
    type: list
    elements: path
    default: []
  databases:
    description:
      - What is meant for one database alone, mappings with its C(path), and with C(verify) instead of O(backup_verify), C(rollback) instead of
        O(database), C(restore_within) and C(restore_loses_at_most) instead of these options. Which databases there are is in the release record.
    type: list
    elements: raw
    default: []
  backup_verify:
    description: How thoroughly a backup is checked that has to be taken again, see O(greenlight.release.sqlite_backup#module:verify).
    type: str
    choices: [full, quick, none]
    default: quick
  backup_timeout:
    description: Seconds to wait for a lock on the database, and for storage that does not answer.
    type: float
    default: 60
  database:
    description:
      - What O(direction=back) does with each database. V(restore) always restores it, V(keep) never. What a restore replaces is set aside whole.
      - V(auto) keeps it where the old code can use it, as after a migration that only added tables, indexes, or columns that need not be filled. It restores a
        database that is missing, and one that is damaged or that the old code cannot use where that costs little, see O(restore_within) and
        O(restore_loses_at_most). Beyond these bounds the module fails with a question before anything is stopped.
      - A migration that changed only data is known by the ledger of knex, Prisma, Sequelize, Drizzle or TypeORM, or by C(user_version).
      - Where a restore is ahead, its backup, a process that has the database open and is not stopped, and a lack of room are refused before anything is
        stopped. A file of up to 256 MiB is checked for damage; of a larger one only what reading its schema shows is known.
    type: str
    choices: [auto, restore, keep]
    default: auto
  restore_within:
    description:
      - How long after the switch O(database=auto) restores the database whatever that costs, such as V(10m). A migration does not count.
      - A switch that died and could not write down when it was counts from its backup, which came before it.
    type: str
    default: 10m
  restore_loses_at_most:
    description:
      - Up to how many rows O(database=auto) may undo at any time. Rows that were added, changed or deleted since the backup count, those of ledgers do not.
    type: int
    default: 0
  migrate:
    description:
      - Commands that migrate the database, each a list of words, run in the tree of the new revision one after another.
      - They get the variables that PM2 started the app with, and the app's Node is the first on their PATH.
      - What they start is known by C(GREENLIGHT_STARTED_BY) in its environment. Where a run was killed, O(direction=back) ends it first.
    type: list
    elements: list
    default: []
  migrate_timeout:
    description: Seconds that one of these commands may take.
    type: float
    default: 600
  rehearse:
    description:
      - Whether O(migrate) is run first in the staged tree and on a copy of the database, made of O(backups), while the app serves.
        A migration that fails there ends the switch before anything was changed.
      - The commands run with the variables of the app. Where one of these holds the path of the database, alone or in a URL, it leads to the copy.
        Where the database lies in the checkout, the copy lies at the same place of the staged tree.
      - V(auto) tries it where that is possible, and else warns. V(always) fails where it is not. V(never) does not.
    type: str
    choices: [auto, always, never]
    default: never
  trial_port:
    description:
      - A free TCP port on which the new revision is tried while the old one serves. By default it is not tried.
      - It is started in the staged tree, by the command of PM2 and not by PM2 itself, with the variables of the app, on a copy of the database that
        O(migrate) was tried on. Each variable and each word of the command that is O(port) is this port instead.
        It must listen within O(start_timeout), and live on for O(stable_for) seconds. Else the switch ends before anything was changed.
      - Where it cannot be tried, such as for lack of memory, the module warns.
      - After O(migrate) the old revision is tried in the same way, from where it runs and on the migrated copy, where a variable leads it there. That
        it does not run is a warning; a rollback with O(database=auto) counts the schema then as one that the old code cannot use.
    type: int
  allowed_holders:
    description:
      - Names of programs, and of processes of PM2, that may have the database open while it is migrated. Any other process that has it open, and is not
        stopped with the app, is refused before anything is stopped.
    type: list
    elements: str
    default: [litestream]
  env:
    description: Environment variables that the app is started with in a rollback. Their values are never shown.
    type: dict
    default: {}
  port:
    description: TCP port on which every instance must take connections. By default any port will do.
    type: int
  stable_for:
    description: Seconds that the app must stay ready, without a restart.
    type: float
    default: 5
  timeout:
    description: Seconds that PM2 may take to give one answer, besides what it waits for the app itself.
    type: float
    default: 60
  start_timeout:
    description:
      - Seconds that the app may take to become ready, and never less than its C(listen_timeout). The default is O(timeout).
      - A start that certainly fails ends the wait at once.
    type: float
  stop_timeout:
    description: Seconds that the app may take to end, and never less than its C(kill_timeout). The default is O(timeout).
    type: float
  git_timeout:
    description: Seconds that one git command may take.
    type: float
    default: 120
  save:
    description: Save PM2's list of processes, so that C(pm2 resurrect) starts them again after a reboot.
    type: bool
    default: false
  subfolder:
    description: The folder in the repository that O(migrate) runs in, and in which the app may have a C(.env) file. Empty is the repository itself.
    type: str
    default: ""
  executable:
    description: The C(pm2) program, a name on PATH or an absolute path.
    type: str
    default: pm2
  ecosystem:
    description:
      - An ecosystem file of PM2 in the repository, from O(subfolder). What it says of the app, and of the processes of O(restart), is applied with
        the start, and O(direction=back) applies the file of the old revision. Variables that a process has from elsewhere stay.
      - Node reads it with a clean environment, as it lies where PM2 runs the app. What it changes is found out before anything is stopped, from git.
        A change that a reload cannot hand over, or that no rollback could undo as the old revision has no such file, is refused.
    type: str
  ecosystem_env:
    description: The block of variables of O(ecosystem), see O(greenlight.release.pm2_process#module:env_name).
    type: str
  repository:
    description: Where check mode finds the new revision, which is not on the host then. Only O(ecosystem) needs it.
    type: str
  deploy_key:
    description: A key on the host with which ssh reads O(repository).
    type: str
seealso:
  - module: greenlight.release.release_record
  - module: greenlight.release.pm2_process
  - module: greenlight.release.sqlite_backup
"""

EXAMPLES = r"""
- name: Switch to the new revision of the release that this run has opened
  greenlight.release.release_switch:
    direction: forward
    state_path: /var/lib/greenlight/shop
    run_id: 5c9d2b4e-8d5f-5a55-9d36-0c1c8a0b7c11
    backups: ["{{ shop_backup.backup.path }}"]
    migrate:
      - [npm, run, migrate]
    port: 3000

- name: Roll back, and restore the database only if the old code cannot use it and that costs little
  greenlight.release.release_switch:
    direction: back
    state_path: /var/lib/greenlight/shop
    run_id: 5c9d2b4e-8d5f-5a55-9d36-0c1c8a0b7c11
    database: auto
    port: 3000
"""

RETURN = r"""
steps:
  description: The steps of the switch in their order, in check mode those that would be taken.
  returned: success
  type: list
  elements: str
  sample: [mark, note_switching, stop, back_up, move, note_switched, migrate, start, restart_others]
step:
  description: The step that failed, C(check) when nothing was changed.
  returned: failure
  type: str
  sample: migrate
seconds:
  description: Seconds that each step took.
  returned: always
  type: dict
  sample: {"check": 0.12, "stop": 0.11, "back_up": 0.03, "move": 0.06, "start": 5.31}
cursor:
  description:
    - Where the log of the old revision ended, or in a rollback that of the new one, for M(greenlight.release.log_assert).
    - Empty where the log could not be read in a rollback, which goes on with a warning.
  returned: when the log was marked
  type: dict
  sample: {"version": 2, "at": 1771466402.1, "files": []}
backups:
  description: The backups that hold every committed write of the old revision, one of each database.
  returned: when going forward has come as far, and there is a database
  type: list
  elements: str
  sample: [/var/lib/greenlight/shop/backups/shop.db.20260219T020006Z.4f1d9c.pages]
rehearsal:
  description:
    - Whether the migration was tried on a copy of the database (C(done)), C(reason) why not, and how long it took in C(seconds).
  returned: when there is something to migrate and O(rehearse) is not V(never), and not in check mode
  type: dict
  sample: {"done": true, "reason": "", "seconds": 1.21}
trial:
  description: Whether the new revision was tried beside the old one (C(done)), C(reason) why not, and how long it took in C(seconds).
  returned: when O(trial_port) is set, and not in check mode
  type: dict
  sample: {"done": true, "reason": "", "seconds": 6.4}
restored:
  description:
    - What became of each database, C(path). C(restored) says whether it was replaced, C(reason) why or why not, C(set_aside) where the replaced
      one is, C(differences) and C(lost) which rows differ.
    - In check mode what would become of it, and the C(question) that a person would have to answer first.
  returned: when a rollback has come as far, and there is a database
  type: list
  elements: dict
  sample:
    - {"path": "/srv/shop-data/shop.db", "restored": false, "reason": "the schema is that of the backup", "set_aside": null, "lost": "", "question": ""}
rolled_back:
  description: How many C(seconds) each step took of a rollback that O(roll_back) asked for.
  returned: failure, when the new revision was rolled back at once
  type: dict
  sample: {"seconds": {"check": 0.04, "stop": 0.03, "restore": 0.0, "move": 0.05, "mark": 0.0, "start": 5.12}}
settings:
  description: What O(ecosystem) changes, by the names of the processes. The diff has the values, but for those of variables.
  returned: when O(ecosystem) is set
  type: dict
  sample: {"shop": ["env.CACHE_TTL", "node_args"]}
before:
  description: The instances of the app before, see RV(greenlight.release.pm2_process#module:before).
  returned: success
  type: list
  elements: dict
  sample: [{"pm_id": 0, "name": "shop", "pid": 4711, "status": "online"}]
process:
  description:
    - What was seen of the app when it had become ready, with the keys C(ready), C(reason), C(processes), C(ports) and C(log_files)
      of M(greenlight.release.pm2_process_info).
  returned: when the app was started, or runs on
  type: dict
  sample: {"ready": true, "reason": "", "processes": [], "ports": [3000], "log_files": []}
story:
  description: What the release records say now, see M(greenlight.release.release_record_info).
  returned: success and not in check mode
  type: dict
  sample: {"exists": true, "age": 6, "watch_open": false}
after:
  description: The instances afterwards.
  returned: when the app was started
  type: list
  elements: dict
  sample: [{"pm_id": 0, "name": "shop", "pid": 4802, "status": "online"}]
ready_after:
  description: Seconds from the start or reload until every instance was ready, before O(stable_for).
  returned: when the app was started
  type: float
  sample: 0.74
port_closed_for:
  description: Seconds for which nothing listened on the port, of O(port) or of the only port of a process in fork mode.
  returned: when such a port is known and not in check mode
  type: float
  sample: 0.93
"""

import os
import secrets
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Set

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible_collections.greenlight.release.plugins.module_utils._host import files
    from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
    from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat, store
    from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
    from ansible_collections.greenlight.release.plugins.module_utils._switch import actions, at_once, inputs, report
    from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import SwitchError
except ImportError:  # A Python that was built without SQLite.
    IMPORT_ERROR = traceback.format_exc()
else:
    IMPORT_ERROR = ""

LISTS = {"restart": "str", "backups": "path", "databases": "raw", "migrate": "list"}
ARGUMENTS = {
    "direction": {"type": "str", "choices": ["forward", "back"], "required": True},
    "state_path": {"type": "path", "required": True},
    "run_id": {"type": "str", "required": True},
    "release_id": {"type": "str"},
    "by": {"type": "str", "default": "unknown"},
    "lease": {"type": "int", "default": 300},
    **{name: {"type": "int"} for name in ("lease_after", "port", "trial_port")},
    "record": {"type": "dict"},
    "phase": {"type": "str", "choices": ["whole", "before_migrate", "from_migrate"], "default": "whole"},
    "strategy": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
    "restart_app": {"type": "bool", "default": True},
    **{name: {"type": "list", "elements": elements, "default": []} for name, elements in LISTS.items()},
    "backup_verify": {"type": "str", "choices": ["full", "quick", "none"], "default": "quick"},
    "database": {"type": "str", "choices": ["auto", "restore", "keep"], "default": "auto"},
    "restore_within": {"type": "str", "default": "10m"},
    "restore_loses_at_most": {"type": "int", "default": 0},
    "migrate_timeout": {"type": "float", "default": 600},
    "rehearse": {"type": "str", "choices": ["auto", "always", "never"], "default": "never"},
    "allowed_holders": {"type": "list", "elements": "str", "default": ["litestream"]},
    "env": {"type": "dict", "default": {}, "no_log": True},
    "stable_for": {"type": "float", "default": 5},
    **{name: {"type": "float", "default": 60} for name in ("timeout", "backup_timeout")},
    **{name: {"type": "float"} for name in ("start_timeout", "stop_timeout")},
    "git_timeout": {"type": "float", "default": 120},
    **{name: {"type": "bool", "default": False} for name in ("roll_back", "save")},
    "subfolder": {"type": "str", "default": ""},
    "executable": {"type": "str", "default": "pm2"},
    **{name: {"type": "str", "no_log": False} for name in ("ecosystem", "ecosystem_env", "repository", "deploy_key")},
}


def switch(module: AnsibleModule, env: Dict[str, str], hidden: Set[str]) -> Dict[str, Any]:
    """Plan, check and make the switch, in check mode without the last, and return the result of the module."""
    clock = pm2.Clock()
    system = inputs.System(os.environ, os.geteuid(), lambda: datetime.now(timezone.utc), clock, secrets.token_hex(3))
    with heartbeat.kept(heartbeat.read(module.params, module.check_mode)):
        if not module.check_mode:
            store.hold_switch(Path(module.params["state_path"]), module.params["timeout"], clock.now, clock.sleep)
        planned, progress = actions.begin(inputs.read(module.params, env, hidden, system, module.check_mode))
        if not module.check_mode:
            progress = at_once.run(planned, progress, lambda: inputs.read_back(module.params, env, hidden, system))
    for warning in progress.warnings:
        module.warn(warning)
    return report.describe(planned, progress, module._diff)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("sqlite3"), exception=IMPORT_ERROR)
    env = pm2.take_variables(module.params, module.no_log_values)
    hidden = set(env.values())
    try:
        result = switch(module, env, hidden)
    except SwitchError as error:
        for warning in error.warnings:
            module.warn(warning)
        module.fail_json(msg=pm2.hide(str(error), hidden), **report.describe_failure(error))
    except (RecordError, OSError) as error:
        module.fail_json(msg=pm2.hide(files.told(error), hidden), seconds={}, step="check")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
