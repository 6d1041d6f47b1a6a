#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_switch
short_description: Go from the old revision to the new one, or back, in one go
version_added: 0.1.0
description:
  - Does in one process what must happen while nobody is served, so that this is hardly longer than a restart by PM2.
  - Forward, it marks the end of the log, stops the app, brings the backup up to the last committed write, moves the code, migrates, starts the app,
    and waits until it is ready. Back, it stops the app, puts the database back where that is needed, moves the code, and starts the app.
  - Everything is checked before anything is stopped, the daemon of PM2, the commits, and the backup. The release record on the host is told of each stage.
  - What the app is and where comes from the facts of the release record.
  - A failure says which step it was, and what is true of the host then.
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
    support: none
    details: It stops and starts the app every time. The roles run it only where there is something to switch.
  platform:
    platforms: linux
  action_group: {}
options:
  direction:
    description:
      - V(forward) goes to the new revision of the release, V(back) to the old one, from wherever the release has come to.
    type: str
    choices: [forward, back]
    required: true
  state_path:
    description: Folder of the app's release records.
    type: path
    required: true
  run_id:
    description: Id of the run that holds the lock of the release.
    type: str
    required: true
  release_id:
    description: Id of the release. The default is the newest.
    type: str
  by:
    description: Who releases, for the lock.
    type: str
    default: unknown
  lease:
    description: Seconds for which the lock holds after each stage.
    type: int
    default: 1800
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
    type: str
    choices: [restart, reload]
    default: restart
  restart_app:
    description:
      - Whether the app itself must run anew to use what has changed. Without it only the code is moved, and the processes of O(restart) run anew.
    type: bool
    default: true
  restart:
    description: Names of other processes of the same PM2, which are restarted when the app serves.
    type: list
    elements: str
    default: []
  backup:
    description:
      - The backup that was taken while the app served, to be brought up to the last committed write.
      - Needed by O(direction=forward) unless O(phase=from_migrate).
    type: path
  backup_verify:
    description: How thoroughly a backup is checked that has to be taken anew, see O(greenlight.release.sqlite_backup#module:verify).
    type: str
    choices: [full, quick, none]
    default: quick
  backup_timeout:
    description: Seconds to wait for a lock on the database, and for storage that does not answer.
    type: float
    default: 60
  database:
    description:
      - What O(direction=back) does with the database. V(auto) restores it when its schema changed or its file is not sound, and else keeps what users wrote.
        V(restore) always restores it, V(keep) never. What a restore replaces is set aside whole.
    type: str
    choices: [auto, restore, keep]
    default: auto
  migrate:
    description: Commands that migrate the database, each a list of words, run in the tree of the new revision one after another.
    type: list
    elements: list
    default: []
  migrate_timeout:
    description: Seconds that one of these commands may take.
    type: float
    default: 600
  env:
    description: Environment variables that the app is started with when going back. Their values are never shown.
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
    description: Seconds that the app may take to become ready or to end, and PM2 to give one answer.
    type: float
    default: 60
  git_timeout:
    description: Seconds that one git command may take.
    type: float
    default: 120
  save:
    description: Save PM2's list of processes, so that C(pm2 resurrect) brings them back after a reboot.
    type: bool
    default: false
  executable:
    description: The C(pm2) program, a name on PATH or an absolute path.
    type: str
    default: pm2
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
    backup: "{{ shop_backup.backup.path }}"
    migrate:
      - [npm, run, migrate]
    port: 3000

- name: Go back, and put the database back only if its schema changed
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
    - Where the log of the old revision ended, or going back that of the new one, for M(greenlight.release.log_assert).
    - Empty where the log could not be read on the way back, which goes on with a warning.
  returned: when the log was marked
  type: dict
  sample: {"version": 2, "at": 1771466402.1, "files": []}
backup:
  description: The backup that holds every committed write of the old revision.
  returned: when going forward has come as far
  type: str
  sample: /var/lib/greenlight/shop/backups/shop.db.20260219T020006Z.4f1d9c.pages
restored:
  description:
    - What became of the database. C(restored) says whether it was replaced, C(reason) why, C(set_aside) where the replaced one is,
      C(differences) and C(lost) which rows differ.
  returned: when going back has come as far and O(database) is not V(keep)
  type: dict
  sample: {"restored": true, "reason": "the schema changed since the backup", "set_aside": null, "differences": {}, "lost": ""}
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
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout
    from ansible_collections.greenlight.release.plugins.module_utils._host import commands
    from ansible_collections.greenlight.release.plugins.module_utils._logs import files as logs_files
    from ansible_collections.greenlight.release.plugins.module_utils._logs import process as logs_process
    from ansible_collections.greenlight.release.plugins.module_utils._logs import rules
    from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2_api
    from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
        config,
        limits,
        process,
        readiness,
        report,
        transport,
    )
    from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
    from ansible_collections.greenlight.release.plugins.module_utils._release import store
    from ansible_collections.greenlight.release.plugins.module_utils._release import watch as release_watch
    from ansible_collections.greenlight.release.plugins.module_utils._switch import data, steps
    from ansible_collections.greenlight.release.plugins.module_utils._switch import process as switch_process
except ImportError:  # A Python that was built without SQLite.
    IMPORT_ERROR = traceback.format_exc()
else:
    IMPORT_ERROR = None

ARGUMENTS = {
    "direction": {"type": "str", "choices": ["forward", "back"], "required": True},
    "state_path": {"type": "path", "required": True},
    "run_id": {"type": "str", "required": True},
    "release_id": {"type": "str"},
    "by": {"type": "str", "default": "unknown"},
    "lease": {"type": "int", "default": 1800},
    "record": {"type": "dict"},
    "phase": {"type": "str", "choices": ["whole", "before_migrate", "from_migrate"], "default": "whole"},
    "strategy": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
    "restart_app": {"type": "bool", "default": True},
    "restart": {"type": "list", "elements": "str", "default": []},
    "backup": {"type": "path"},
    "backup_verify": {"type": "str", "choices": ["full", "quick", "none"], "default": "quick"},
    "backup_timeout": {"type": "float", "default": 60},
    "database": {"type": "str", "choices": ["auto", "restore", "keep"], "default": "auto"},
    "migrate": {"type": "list", "elements": "list", "default": []},
    "migrate_timeout": {"type": "float", "default": 600},
    "env": {"type": "dict", "default": {}, "no_log": True},
    "port": {"type": "int"},
    "stable_for": {"type": "float", "default": 5},
    "timeout": {"type": "float", "default": 60},
    "git_timeout": {"type": "float", "default": 120},
    "save": {"type": "bool", "default": False},
    "executable": {"type": "str", "default": "pm2"},
}


def find_record(params, check_mode):
    if check_mode and params["record"]:
        return params["record"]
    records = store.read_records(Path(params["state_path"]))
    return store.find_record(records, params["release_id"])


def course_of(params, record):
    ways = [params[name] for name in ("direction", "phase", "strategy")]
    return steps.Course(*ways, record["from_revision"], record["to_revision"], params["restart_app"])


def processes_of(params, record, course, env, hidden):
    """Return the processes, and what there is to act on them with."""
    facts, root = record["facts"], steps.root_of(steps.move_of(record))
    home = transport.home_of(facts["pm2_home"] or None, os.environ)
    clock = readiness.Clock(time.monotonic, time.sleep)
    reloads = (course.direction, course.strategy) == ("forward", "reload")
    return switch_process.Processes(
        pm2_api.make_host(home, "auto", params["executable"], params["timeout"], os.environ, clock, hidden),
        os.geteuid(),
        facts["process_name"],
        "reloaded" if reloads else "started",
        process.Wanted(params["port"], str(root)),
        params["stable_for"],
        params["timeout"],
        params["save"],
        switch_process.environment_of(facts["process_name"], env, os.environ.get("PATH", os.defpath)),
        tuple(params["restart"]),
    )


def database_of(params, record, course):
    backup = record["facts"].get("backup") if course.direction == "back" else params["backup"]
    given = [params[name] for name in ("backup_verify", "backup_timeout")]
    path, token = record["facts"]["database_path"], secrets.token_hex(3)
    wanted, was_restored = params["database"], record["facts"].get("restored", {}).get("restored", False)
    policy = "auto" if wanted == "restore" and was_restored else wanted
    return data.Database(path, backup or "", *given, record["id"], utcnow, token, policy)


def utcnow():
    return datetime.now(timezone.utc)


def actions_of(params, record, run, processes, database, done, warn):
    """Return what each step does. A step returns what the result of the module says of it."""
    move, state_path = steps.move_of(record), Path(params["state_path"])
    found, stopping = {}, []

    def note(stage, *names):
        facts = {"backup": database.backup, **found}
        change = change_of(params, stage, {name: facts[name] for name in names})
        steps.note(state_path, record["id"], change, utcnow(), os.geteuid())
        return {}

    def mark():
        files = logs_process.parse_files(record["facts"]["log_files"])
        try:
            found["cursor"] = logs_files.take_cursor(files, time.time())
        except (rules.LogError, OSError) as error:
            if params["direction"] == "forward":
                raise
            # The app is stopped, and users do not wait for a log.
            warn(f"The log was not marked, so all of it is read: {error}")
            found["cursor"] = {}
        return {"cursor": found["cursor"]}

    def stop():
        stopping.append(switch_process.stop(processes))
        return {}

    def settle():
        done.extend(finish() for finish in stopping)
        stopping.clear()
        return {}

    def back_up():
        found["backup"] = data.back_up(database)
        return {"backup": found["backup"]}

    def restore():
        result = data.restore(database)
        # Whoever finishes a rollback that died must not put the same backup back twice: users have written since.
        if result.get("restored", {}).get("restored"):
            found.update(result)
            note(None, "restored")
        return result

    def move_code():
        (layout.back if params["direction"] == "back" else layout.forward)(run, move)
        return {}

    def migrate():
        for words in params["migrate"]:
            commands.run(words, steps.root_of(move), os.environ, params["migrate_timeout"])
        return {}

    def start():
        settle()
        done.append(switch_process.start(processes))
        return switch_process.describe(done[-1], record["facts"]["log_files"], time.time())

    def restart_others():
        done.extend(switch_process.restart_others(processes))
        return {}

    return {
        "mark": mark,
        "note_switching": lambda: note("switching", "backup", "cursor"),
        "stop": stop,
        "settle": settle,
        "back_up": back_up,
        "restore": restore,
        "move": move_code,
        "note_switched": lambda: note("switched", "backup"),
        "migrate": migrate,
        "start": start,
        "look": lambda: switch_process.look(processes, record["facts"]["log_files"], time.time()),
        "restart_others": restart_others,
    }


def change_of(params, stage=None, facts=None):
    return release_record.Change(params["run_id"], params["by"], params["lease"], stage=stage, facts=facts or {})


def check(module, record, course, run, processes, database, hidden):
    """Find out, before anything is touched, whether all is there that the switch needs; return what PM2 says."""
    params, move, is_back = module.params, steps.move_of(record), course.direction == "back"
    steps.check_course(course)
    commands.check(params["migrate"], "migrate")
    limits.check(params, processes.host.home)
    logs_process.parse_files(record["facts"]["log_files"])
    if not (module.check_mode and params["record"]):
        release_record.note(record, change_of(params), utcnow())
        steps.check_record(record, course)
    before = switch_process.check(processes, hidden, with_others=not is_back)
    steps.check_code(run, move, course, may_be_missing=module.check_mode)
    if is_back:
        data.check_restore(database)
    elif course.phase != "from_migrate":
        data.check_backup(database, move, may_be_missing=module.check_mode)
    return before


def act(module, env, hidden, journey):
    params = module.params
    if not module.check_mode:
        store.hold_switch(Path(params["state_path"]), params["timeout"], time.monotonic, time.sleep)
    record = find_record(params, module.check_mode)
    course, move = course_of(params, record), steps.move_of(record)
    where = layout.repository_of(move.kind, move.app_path)
    run = git.make_run(git.make_environment(os.environ, {}), params["git_timeout"], str(where))
    processes, database = processes_of(params, record, course, env, hidden), database_of(params, record, course)
    began, done = time.monotonic(), []
    before = steps.attempt(course, "check", lambda: check(module, record, course, run, processes, database, hidden))
    journey.seconds["check"] = round(time.monotonic() - began, 3)
    result = {"changed": True, "steps": steps.steps_of(course), "before": report.facts(before, time.time())}
    if module._diff:
        result["diff"] = steps.diff_of(course)
    if module.check_mode:
        return result
    watch = switch_process.watch_port(processes, before)
    actions = actions_of(params, record, run, processes, database, done, module.warn)
    steps.travel(course, actions, time.monotonic, journey)
    steps.attempt(course, "stop", actions["settle"])
    if watch:
        watch.sample()
        result["port_closed_for"] = round(watch.closed_for, 3)
    records = store.read_records(Path(params["state_path"]))
    result["story"] = release_watch.describe(Path(params["state_path"]), records, utcnow())
    version = report.version_of(transport.find_executable(params["executable"]))
    for warning in switch_process.warnings(processes, done, version):
        module.warn(warning)
    return result


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("sqlite3"), exception=IMPORT_ERROR)
    env, journey = config.take_variables(module.params, module.no_log_values), steps.Journey()
    hidden = set(env.values())
    try:
        result = act(module, env, hidden, journey)
    except steps.SwitchError as error:
        told = {**journey.found, "seconds": journey.seconds, "step": error.step}
        module.fail_json(msg=report.hide(str(error), hidden), **told)
    except release_record.RecordError as error:
        module.fail_json(msg=str(error), seconds={}, step="check")
    module.exit_json(**{**result, **journey.found, "seconds": journey.seconds})


if __name__ == "__main__":
    main()
