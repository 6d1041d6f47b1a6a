#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sqlite_backup
short_description: Back up a live SQLite database, and restore it without losing anything
version_added: 0.1.0
description:
  - Takes an exact snapshot of a database that is being written to, in any journal mode, without stopping the writers.
  - A backup is verified and synced before it gets its name, and described by a manifest beside it.
  - A restore verifies the backup first, refuses a database that a process has open, sets aside what it replaces, and leaves no sidecar of the old database.
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
    details: V(present) takes a new backup every time, unless O(update) names one that is still up to date.
  platform:
    platforms: linux
  action_group: {}
options:
  state:
    description:
      - V(present) takes a backup of O(path) into the folder O(dest), and then removes the backups that no rule of O(keep) keeps.
      - V(restored) puts the backup O(src) in the place of O(path).
      - V(absent) only removes backups from O(dest) that no rule of O(keep) keeps.
    type: str
    choices: [present, restored, absent]
    default: present
  path:
    description: The database. Symbolic links are followed. Needed by O(state=present) and O(state=restored).
    type: path
  dest:
    description: Folder of the backups, not the one of the database. Created with mode 0700. Needed by O(state=present) and O(state=absent).
    type: path
  update:
    description:
      - A backup that was taken while the app ran. If the database has not changed since, nothing is done and that backup is returned.
      - Otherwise a new one is taken.
    type: path
  verify:
    description:
      - How a backup is checked. V(quick) reads every page, V(full) compares the indexes with the tables as well at several times the cost.
      - V(none) opens it, and compares its schema with that of the database.
    type: str
    choices: [full, quick, none]
    default: quick
  keep:
    description:
      - Which backups stay. Keys are C(last), C(daily) and C(weekly), values how many. Without a key all stay.
      - Only backups with a manifest of this module are ever removed, and never the one that was just taken.
    type: dict
    default: {}
  protect:
    description: Backups that are never removed.
    type: list
    elements: path
    default: []
  release_id:
    description: Id of the release that the backup belongs to, for its manifest.
    type: str
    default: ""
  src:
    description: The backup to restore. Needed by O(state=restored).
    type: path
  restore_if:
    description:
      - V(always) restores whatever the database is like.
      - V(changed) restores only when its schema or C(user_version) differs from the backup's, or when it is missing or not sound.
    type: str
    choices: [always, changed]
    default: always
  force:
    description: Restore a backup that was taken of another database.
    type: bool
    default: false
  set_aside:
    description: Folder that keeps what a restore replaces. The default is the folder of O(src).
    type: path
  timeout:
    description: Seconds to wait for a lock of another process.
    type: float
    default: 60
seealso:
  - module: greenlight.release.sqlite_backup_info
"""

EXAMPLES = r"""
- name: Back up the live database and keep the last five backups
  greenlight.release.sqlite_backup:
    path: /srv/shop/data/shop.db
    dest: /var/lib/greenlight/shop/backups
    keep:
      last: 5
  register: shop_backup

- name: Put it back if a migration changed the schema
  greenlight.release.sqlite_backup:
    state: restored
    src: "{{ shop_backup.backup.path }}"
    path: /srv/shop/data/shop.db
    restore_if: changed
"""

RETURN = r"""
backup:
  description: The manifest of the backup that was taken, is still up to date, or was restored. In check mode only its path.
  returned: when the state is present or restored
  type: dict
  sample:
    path: /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db
    manifest: /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db.json
    source: /srv/shop/data/shop.db
    size: 104857600
    sha256: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
    schema_sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    user_version: 3
    row_counts: {"orders": 1042}
    method: copy
removed:
  description: Backups that were removed.
  returned: when the state is present or absent
  type: list
  elements: str
  sample: []
restored:
  description: Whether the database was replaced, or in check mode would be.
  returned: when the state is restored
  type: bool
  sample: true
reason:
  description: Why it was replaced or not.
  returned: when the state is restored
  type: str
  sample: the schema changed since the backup
differences:
  description: Tables whose number of rows differs, with the numbers in the replaced database and in the backup.
  returned: when the state is restored
  type: dict
  sample: {"orders": {"backup": 1042, "live": 1045}}
set_aside:
  description: Folder with the database that was replaced, or null.
  returned: when the state is restored
  type: str
  sample: /var/lib/greenlight/shop/backups/shop.db.20260219T021500Z.91ab3e.replaced
"""

import secrets
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils import _sqlite, _sqlite_backup, _sqlite_restore

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "restored", "absent"], "default": "present"},
    "path": {"type": "path"},
    "dest": {"type": "path"},
    "update": {"type": "path"},
    "verify": {"type": "str", "choices": ["full", "quick", "none"], "default": "quick"},
    "keep": {"type": "dict", "default": {}},
    "protect": {"type": "list", "elements": "path", "default": []},
    "release_id": {"type": "str", "default": ""},
    "src": {"type": "path"},
    "restore_if": {"type": "str", "choices": ["always", "changed"], "default": "always"},
    "force": {"type": "bool", "default": False},
    "set_aside": {"type": "path"},
    "timeout": {"type": "float", "default": 60},
}


def back_up(params, check_mode, now, token):
    keep = _sqlite_backup.parse_keep(params["keep"])
    dest = Path(params["dest"])
    if params["update"]:
        manifest = _sqlite_backup.read_manifest(Path(params["update"]))
        if _sqlite_backup.is_up_to_date(manifest, _sqlite.real_database(Path(params["path"]))):
            return {"changed": False, "backup": manifest, "removed": []}
    plan = _sqlite_backup.plan_backup(
        Path(params["path"]), dest, params["verify"], params["timeout"], params["release_id"], now, token
    )
    if check_mode:
        return {"changed": True, "backup": {"path": str(dest / plan.name)}, "removed": []}
    manifest = _sqlite_backup.make_backup(plan)
    removed = prune(dest, keep, [*params["protect"], manifest["path"]], check_mode=False)
    return {"changed": True, "backup": manifest, "removed": removed}


def prune(dest, keep, protect, check_mode):
    chosen = _sqlite_backup.choose_to_remove(_sqlite_backup.list_backups(dest), keep, protect)
    if not check_mode:
        _sqlite_backup.remove_backups(chosen)
    return [manifest["path"] for manifest in chosen]


def restore(params, check_mode, now, token):
    real = Path(params["path"]).resolve()
    manifest = _sqlite_backup.read_manifest(Path(params["src"]).resolve())
    _sqlite_restore.check_backup(manifest, real, params["force"])
    if params["restore_if"] == "always" or not real.exists():
        _sqlite_restore.refuse_open(real)
    live = _sqlite_restore.look_at(real, params["timeout"])
    wanted = _sqlite_restore.compare(live, manifest, params["restore_if"] == "changed")
    result = {
        "changed": wanted.needed,
        "restored": wanted.needed,
        "reason": wanted.reason,
        "differences": wanted.differences,
        "set_aside": None,
        "backup": manifest,
    }
    if not wanted.needed:
        return result
    _sqlite_restore.refuse_open(real)
    if check_mode:
        return result
    aside = Path(params["set_aside"] or Path(manifest["path"]).parent)
    done = _sqlite_restore.restore(live, manifest, aside, params["timeout"], now, token)
    return {**result, **done, "restored": done["changed"]}


def run(params, check_mode, now, token):
    if params["state"] == "present":
        return back_up(params, check_mode, now, token)
    if params["state"] == "restored":
        return restore(params, check_mode, now, token)
    keep = _sqlite_backup.parse_keep(params["keep"])
    removed = prune(Path(params["dest"]), keep, params["protect"], check_mode)
    return {"changed": bool(removed), "removed": removed}


def diff_of(result):
    if "restored" in result:
        differences = result["differences"]
        return {side: {t: counts[side] for t, counts in differences.items()} for side in ("live", "backup")}
    return {"live": {}, "backup": {"backup": result.get("backup", {}).get("path"), "removed": result["removed"]}}


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[
            ("state", "present", ("path", "dest")),
            ("state", "restored", ("path", "src")),
            ("state", "absent", ("dest", "keep")),
        ],
    )
    try:
        result = run(module.params, module.check_mode, datetime.now(timezone.utc), secrets.token_hex(3))
    except _sqlite.SqliteError as error:
        module.fail_json(msg=str(error))
    if module._diff:
        sides = diff_of(result)
        result["diff"] = {"before": sides["live"], "after": sides["backup"]}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
