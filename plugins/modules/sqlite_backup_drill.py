#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sqlite_backup_drill
short_description: Restore the newest backup of a SQLite database elsewhere, to see that it can be
version_added: 0.1.0
description:
  - Restores the newest backup to a folder of its own, as a restore would, checks what is there, and removes it again, also when it fails. The live database
    is not touched.
  - Checks that the database is sound, and that its schema and the number of rows of each table are those of the manifest.
  - Fails, in one sentence, when the newest backup is not good, when there is none, and when there is no room for the drill.
  - A drill that was killed leaves its folder to the next one, which removes it.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
attributes:
  check_mode:
    support: full
    details: Says which backup would be restored where, and fails where there is none, or no room.
  diff_mode:
    support: none
  idempotent:
    support: none
  platform:
    platforms: linux
  action_group: {}
options:
  dest:
    description: Folder of the backups.
    type: path
    required: true
  path:
    description: The database whose newest backup is meant. The default is the newest backup in the folder, whatever it is of.
    type: path
  workspace:
    description:
      - Folder in which the drill makes its own, C(.drill) of mode 0700. It must have room for the whole database.
    type: path
    required: true
  verify:
    description: How the restored database is checked. V(full) compares the indexes with the tables as well, at several times the cost of V(quick).
    type: str
    choices: [full, quick]
    default: full
  state_path:
    description: Folder in which the result is kept, in the private file C(drill.json), for P(greenlight.release.release_status#filter).
    type: path
  timeout:
    description: Seconds to wait for storage that does not answer. Work that makes progress is never stopped.
    type: float
    default: 60
seealso:
  - module: greenlight.release.sqlite_backup
"""

EXAMPLES = r"""
- name: See that the newest backup of the shop can be restored
  greenlight.release.sqlite_backup_drill:
    dest: /var/lib/greenlight/shop/backups
    path: /srv/shop/data/shop.db
    workspace: /var/tmp
"""

RETURN = r"""
backup:
  description: The newest backup, or null where there is none.
  returned: always
  type: str
  sample: /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db
created:
  description: When it was taken, in UTC.
  returned: always
  type: str
  sample: "2026-02-19T02:00:03.000000Z"
age:
  description: Its age in seconds.
  returned: always
  type: int
  sample: 18042
report:
  description: What was found, in one sentence, or in check mode what would be done.
  returned: success
  type: str
  sample: >-
    The backup /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db, 5h old, can be restored: 1042 rows in 7 tables, user_version 3,
    full check, 1.2 seconds
row_counts:
  description: Tables with the number of their rows.
  returned: success, not in check mode
  type: dict
  sample: {"orders": 1042}
user_version:
  description: The C(user_version) of the database.
  returned: success, not in check mode
  type: int
  sample: 3
schema_sha256:
  description: What tells one schema from another.
  returned: success, not in check mode
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
checked:
  description: How it was checked. One that needs functions of the app is checked quickly.
  returned: success, not in check mode
  type: str
  sample: full
unknown:
  description: Collations and functions of the app's own, which limit what could be checked.
  returned: success, not in check mode
  type: list
  elements: str
  sample: []
seconds:
  description: How long the restore and the check took.
  returned: success, not in check mode
  type: float
  sample: 1.2
"""

import contextlib
import functools
import time
import traceback
from datetime import datetime, timezone
from typing import Any, Dict, Mapping

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

IMPORT_ERROR = ""
try:
    from ansible_collections.greenlight.release.plugins.module_utils._host import watchdog
    from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
    from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
except ImportError:  # A Python that was built without SQLite.
    IMPORT_ERROR = traceback.format_exc()

ARGUMENTS = {
    "dest": {"type": "path", "required": True},
    "path": {"type": "path"},
    "workspace": {"type": "path", "required": True},
    "verify": {"type": "str", "choices": ["full", "quick"], "default": "full"},
    "state_path": {"type": "path"},
    "timeout": {"type": "float", "default": 60},
}


def run(params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    names = ("dest", "workspace", "path", "state_path", "timeout")
    wanted = sqlite_api.Drill(**{name: params[name] for name in names}, thoroughly=params["verify"] == "full")
    return sqlite_api.drill_newest(wanted, datetime.now(timezone.utc), time.monotonic, check_mode)


def clear(params: Mapping[str, Any]) -> None:
    """Remove what a drill left that was stopped, where the storage lets that be done."""
    work = functools.partial(sqlite_api.explained, functools.partial(sqlite_api.clear_drill, params["workspace"]))
    with contextlib.suppress(SqliteError, watchdog.GivenUp):
        watchdog.run_watched(work, params["timeout"], SqliteError)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("sqlite3"), exception=IMPORT_ERROR)
    work = functools.partial(run, module.params, module.check_mode)
    try:
        result = watchdog.run_watched(lambda: sqlite_api.explained(work), module.params["timeout"], SqliteError)
    except SqliteError as error:
        module.fail_json(msg=str(error))
    except watchdog.GivenUp as error:
        clear(module.params)
        module.fail_json(msg=f"The drill of {module.params['dest']} was stopped: {error}")
    problem = result.pop("problem")
    if problem:
        module.fail_json(msg=problem, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
