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
  - Takes an exact snapshot of a database that is being written to, in any journal mode, without stopping the app.
  - In WAL mode no writer waits. With a rollback journal a commit waits while the file is copied, as it does for any reader. The module warns of that where
    a process has a database of 32 MiB or more open.
  - A backup is verified and on the disk before it gets its name, and described by a manifest next to it.
  - A restore verifies the backup first, refuses a database that a process has open, sets aside what it replaces, and leaves no sidecar of the old database.
  - A run that is killed leaves either the old state or the new one. The next run removes its leftovers.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
  - greenlight.release.heartbeat
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: V(present) takes a new backup every time, unless O(update) or O(dest) names one that is still up to date.
  platform:
    platforms: linux
  action_group: {}
options:
  state:
    description:
      - V(present) takes a backup of O(path) to O(dest), and then removes the backups of O(path) that no rule of O(keep) keeps.
      - V(restored) puts the backup O(src) in the place of O(path).
      - V(merged) inserts the rows of O(src) whose primary key O(path) does not have, as those that a rollback has set aside, while the app runs, all or none.
        Nothing is overwritten, and a verified backup is taken to O(dest) first. A row that was deleted since comes back. Triggers of the database run.
        Tables without a primary key, and ledgers of migrations, are left alone. Look at it in check mode first.
      - V(absent) only removes backups from O(dest) that no rule of O(keep) keeps, those of O(path) or, without it, of every database.
    type: str
    choices: [present, restored, merged, absent]
    default: present
  path:
    description: The database. Symbolic links are followed. Needed by O(state=present), O(state=restored) and O(state=merged).
    type: path
  dest:
    description:
      - Folder of the backups, or the file to be made. It may not lie in the folder of the database. Needed by O(state=present), O(state=merged) and
        O(state=absent).
      - What does not exist yet is a file when its name has an ending, such as C(shop.db), and a folder otherwise. A folder is created with mode 0700.
      - In a folder each backup gets a name of its own. A file that exists is never overwritten.
    type: path
  update:
    description:
      - A backup that was taken while the app ran, to be brought up to the last committed write now that the app has stopped.
      - If the database has not changed since, nothing is done and that backup is returned.
      - Otherwise only the pages that have changed are written, into a file of their own that rests on the first backup. Which pages these are is read from
        the write-ahead log where it still holds all of them, else the database is compared with the backup, which reads both once.
      - A whole new backup is taken instead where the first one is compressed, was taken with O(verify=none), or lies in another folder than the new one,
        and while a process changes the database. Others may have it open.
    type: path
  verify:
    description:
      - How a backup is checked. V(quick) reads every page, V(full) compares the indexes with the tables as well at several times the cost.
        Both compare the schema and the number of rows of each table with those of the database.
      - V(none) opens it, and compares its schema with that of the database. Then it has no SHA-256, and is read as a whole when it is restored.
      - What an O(update) writes is checked when it is restored, so that the app need not wait for it.
    type: str
    choices: [full, quick, none]
    default: quick
  compression:
    description:
      - How a backup is stored. It is verified before it is compressed, and decompressed once to see that it can be.
      - V(zstd) needs the program C(zstd) on the host, also to restore.
    type: str
    choices: [none, gzip, zstd]
    default: none
  owner:
    description: Owner of the backup and its manifest, a name or a number. Only root can give them to another user. The default is who makes them.
    type: str
  group:
    description: Group of the backup and its manifest, a name or a number. The default is that of who makes them.
    type: str
  mode:
    description: Mode of the backup and its manifest. V(0600), V(0640) and V(0660) suit a file that holds all data; one that all users can read is refused.
    type: raw
    default: "0600"
  keep:
    description:
      - Which backups of a database stay. Keys are C(last), C(daily) and C(weekly), values how many. Without a key all stay.
      - Only backups with a manifest of this module are ever removed, never the one that was just taken. An update and the backup it rests on count as one.
      - What restores have set aside is kept by the same rules, and counted by itself.
    type: dict
    default: {}
  protect:
    description: Backups that are never removed.
    type: list
    elements: path
    default: []
  state_path:
    description: Folder of an app's release records. The backups that a rollback of its releases could need are never removed.
    type: path
  release_id:
    description: Id of the release that the backup belongs to, for its manifest.
    type: str
    default: ""
  src:
    description: The backup to restore, or the folder in which a restore set aside what it replaced. Needed by O(state=restored) and
      O(state=merged).
    type: path
  restore_if:
    description:
      - V(always) restores whatever the database is like.
      - V(changed) restores only when its schema or C(user_version) differs from the backup's, or when it is missing or not sound.
    type: str
    choices: [always, changed]
    default: always
  online:
    description:
      - Restore while processes have the database open, through SQLite's own locking, in one transaction. Writers wait until it ends, with a rollback journal
        readers too, so the busy timeout of the app should be longer than writing the whole database takes.
      - The database must be sound, and in WAL mode have the page size of the backup.
    type: bool
    default: false
  force:
    description: Restore a backup that was taken of another database.
    type: bool
    default: false
  set_aside:
    description: Folder that keeps what a restore replaces. The default is the folder of O(src).
    type: path
  timeout:
    description:
      - Seconds to wait for a lock of another process, and for storage that does not answer at all.
      - A large database is no reason to raise it, as work that makes progress is never stopped. Only what O(online) has written is synced in one go.
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

- name: Bring it up to the last committed write, now that the app has stopped
  greenlight.release.sqlite_backup:
    path: /srv/shop/data/shop.db
    dest: /var/lib/greenlight/shop/backups
    update: "{{ shop_backup.backup.path }}"
  register: shop_last_backup

- name: Restore it if a migration changed the schema
  greenlight.release.sqlite_backup:
    state: restored
    src: "{{ shop_last_backup.backup.path }}"
    path: /srv/shop/data/shop.db
    restore_if: changed

- name: Put the rows back that a rollback has set aside
  greenlight.release.sqlite_backup:
    state: merged
    src: /var/lib/greenlight/shop/backups/shop.db.20260219T021500Z.91ab3e.replaced
    path: /srv/shop/data/shop.db
    dest: /var/lib/greenlight/shop/backups

- name: Keep a compressed copy that the group of the backup service may read
  greenlight.release.sqlite_backup:
    path: /srv/shop/data/shop.db
    dest: /var/backups/shop
    compression: gzip
    group: backup
    mode: "0640"
"""

RETURN = r"""
backup:
  description:
    - The manifest of the backup that was taken, is still up to date, or was restored. In check mode only its path.
    - C(size) and C(sha256) are those of the file, C(content_size) in bytes and C(content_sha256) those of the database in it.
    - C(method) is C(clone), C(copy), C(backup_api), or C(pages) for an update, whose C(base) names the backup it rests on.
    - The C(row_counts) and the C(content_sha256) of an update are null, as those of a backup that was not to be verified.
    - C(unknown) names collations and functions of the app's own, which limit what C(verified) could mean.
  returned: when the state is present or restored
  type: dict
  sample:
    path: /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db
    manifest: /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db.json
    format: 1
    source: /srv/shop/data/shop.db
    signature: {"": [104857600, 1771466402000000000]}
    created: "2026-02-19T02:00:03.000000Z"
    release_id: 20260219T020000Z-0639294c
    method: copy
    verified: quick
    unknown: []
    compression: none
    size: 104857600
    sha256: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
    content_size: 104857600
    content_sha256: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
    base: null
    base_sha256: null
    wal_salt: 1c2d3e4f5a6b7c8d
    sqlite_version: 3.40.1
    schema_sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    user_version: 3
    application_id: 0
    page_size: 4096
    page_count: 25600
    journal_mode: wal
    row_counts: {"orders": 1042}
merged:
  description: Tables with the number of rows that were inserted, or in check mode would be.
  returned: when the state is merged
  type: dict
  sample: {"orders": 500}
conflicts:
  description: Tables with the number of rows that are there with other values, or that a constraint refuses. They were left as they are.
  returned: when the state is merged
  type: dict
  sample: {"orders": 2}
conflicts_file:
  description: A file of mode 0600 with the keys of the conflicts, or null.
  returned: when the state is merged
  type: str
  sample: /var/lib/greenlight/shop/backups/shop.db.20260219T031500Z.7c22aa.db.conflicts
skipped:
  description: Tables that could not be merged, each with the reason.
  returned: when the state is merged
  type: dict
  sample: {"log": "it has no primary key by which rows can be told apart"}
left_out:
  description: Columns of merged tables that the live database does not have.
  returned: when the state is merged
  type: dict
  sample: {"orders": ["note"]}
removed:
  description: Backups that were removed, or in check mode would be.
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
  description:
    - Tables that differ, each with the number of rows in the replaced database (C(live)) and in the C(backup).
    - When the database is replaced, also with the rows that are C(newer) than the backup, C(changed) since, and C(gone) since, where rows can be compared.
    - Empty where nothing is known, as when the database is damaged, or in check mode for an update of a backup.
  returned: when the state is restored
  type: dict
  sample: {"orders": {"backup": 1042, "live": 1045, "newer": 3, "changed": 0, "gone": 0}}
lost:
  description: The same as a sentence; empty when nothing was replaced or nothing differs.
  returned: when the state is restored
  type: str
  sample: "orders: 3 rows newer than the backup"
set_aside:
  description: Folder with the database that was replaced, or null.
  returned: when the state is restored
  type: str
  sample: /var/lib/greenlight/shop/backups/shop.db.20260219T021500Z.91ab3e.replaced
"""

import functools
import secrets
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Mapping

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat

IMPORT_ERROR = ""
try:
    from ansible_collections.greenlight.release.plugins.module_utils._host import watchdog
    from ansible_collections.greenlight.release.plugins.module_utils._release import store
    from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
    from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
except ImportError:  # A Python that was built without SQLite.
    IMPORT_ERROR = traceback.format_exc()

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "restored", "merged", "absent"], "default": "present"},
    **{name: {"type": "path"} for name in ("path", "dest", "update", "state_path", "src", "set_aside")},
    "verify": {"type": "str", "choices": ["full", "quick", "none"], "default": "quick"},
    "compression": {"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw", "default": "0600"},
    "keep": {"type": "dict", "default": {}},
    "protect": {"type": "list", "elements": "path", "default": []},
    "release_id": {"type": "str", "default": ""},
    "restore_if": {"type": "str", "choices": ["always", "changed"], "default": "always"},
    "online": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 60},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def run(params: Mapping[str, Any], check_mode: bool, now: datetime, token: str) -> Dict[str, Any]:
    state_path = Path(params["state_path"]) if params["state_path"] else None
    needed = functools.partial(store.backups_to_keep, state_path, check_mode)
    retention = sqlite_api.Retention(params["keep"], params["protect"], needed)
    names = ("path", "dest", "update", "verify", "timeout", "release_id", "compression", "owner", "group", "mode")
    wanted = sqlite_api.BackUp(**{name: params[name] for name in names}, retention=retention)
    if params["state"] == "present":
        return sqlite_api.back_up(wanted, now, token, check_mode)
    if params["state"] == "absent":
        return sqlite_api.remove(params["dest"], params["path"], retention, check_mode)
    if params["state"] == "merged":
        return sqlite_api.merge(params["src"], wanted, now, token, check_mode)
    where = (params["src"], params["path"], params["timeout"])
    how = (params["restore_if"] == "changed", params["force"], params["set_aside"])
    return sqlite_api.restore(sqlite_api.plan_restore(*where, now, token, *how), params["online"], check_mode)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[
            ("state", "present", ("path", "dest")),
            ("state", "restored", ("path", "src")),
            ("state", "merged", ("path", "src", "dest")),
            ("state", "absent", ("dest", "keep")),
        ],
    )
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("sqlite3"), exception=IMPORT_ERROR)
    now, token = datetime.now(timezone.utc), secrets.token_hex(3)
    try:
        work = functools.partial(run, module.params, module.check_mode, now, token)
        with heartbeat.holding(heartbeat.read(module.params["heartbeat"], module.check_mode)):
            result = watchdog.run_watched(lambda: sqlite_api.explained(work), module.params["timeout"], GreenlightError)
    except watchdog.GivenUp as error:
        module.fail_json(msg=f"The work on {module.params['path'] or module.params['dest']} was stopped: {error}")
    except GreenlightError as error:
        module.fail_json(msg=str(error))
    for warning in sqlite_api.take_warnings(result):
        module.warn(warning)
    diff = {"diff": sqlite_api.diff_of(result)} if module._diff else {}
    result.pop("before", None)
    module.exit_json(**result, **diff)


if __name__ == "__main__":
    main()
