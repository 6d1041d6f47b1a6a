#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sqlite_backup_info
short_description: List the backups of SQLite databases, and inspect a live one
version_added: 0.1.0
description:
  - Lists the backups in a folder with their manifests, and whether each still is what its manifest says.
  - With O(path) it also says whether a live database is sound, and what it holds.
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
  dest:
    description: Folder of the backups. One that does not exist holds none.
    type: path
  path:
    description: A live database. With O(brief) it is not opened, and says whose backups are meant.
    type: path
  brief:
    description:
      - Only say how old things are, RV(newest), and read neither a backup nor a database.
    type: bool
    default: false
  state_path:
    description: Folder of an app's release records, which also holds the result of the last drill. For O(brief).
    type: path
  timeout:
    description: Seconds to wait for a lock of another process, and for storage that does not answer at all.
    type: float
    default: 60
seealso:
  - module: greenlight.release.sqlite_backup
"""

EXAMPLES = r"""
- name: List the backups of the shop
  greenlight.release.sqlite_backup_info:
    dest: /var/lib/greenlight/shop/backups
"""

RETURN = r"""
backups:
  description:
    - The manifests, oldest first, each with its path, C(sound), and a C(reason) where it is not.
    - Behind them those that cannot be read, with nothing but these three.
  returned: when O(dest) is given, without O(brief)
  type: list
  elements: dict
  sample: [{"path": "/var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db", "sound": true, "reason": ""}]
database:
  description: Whether the live database is sound, and what it holds. Nothing is changed, leftovers of a killed process included.
  returned: when O(path) is given, without O(brief)
  type: dict
  sample: {"sound": true, "reason": "", "user_version": 3, "journal_mode": "wal", "row_counts": {"orders": 1042}}
newest:
  description: How things stand with the backups, with null for what there is not.
  returned: with O(brief)
  type: dict
  contains:
    backup:
      description: The newest backup.
      type: dict
      sample: {"path": "/var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db", "created": "2026-02-19T02:00:03.000000Z"}
    off_host:
      description: The newest backup that is copied off the host.
      type: dict
      sample:
        path: /var/lib/greenlight/shop/backups/shop.db.20260218T020003Z.91ab3e.db
        created: "2026-02-18T02:00:03.000000Z"
        copied_at: "2026-02-18T02:00:09Z"
    off_host_problem:
      description: Why the newest backup was not copied, empty when it was, or nobody tried.
      type: str
      sample: ""
    drill:
      description: The last drill, see M(greenlight.release.sqlite_backup_drill).
      type: dict
      sample: {"at": "2026-02-15T04:00:12Z", "good": true, "problem": ""}
"""

import functools
import traceback
from pathlib import Path
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
    "dest": {"type": "path"},
    "path": {"type": "path"},
    "brief": {"type": "bool", "default": False},
    "state_path": {"type": "path"},
    "timeout": {"type": "float", "default": 60},
}


def describe(params: Mapping[str, Any]) -> Dict[str, Any]:
    if params["brief"]:
        path, state_path = (Path(params[name]) if params[name] else None for name in ("path", "state_path"))
        return {"newest": sqlite_api.describe_newest(Path(params["dest"]), path, state_path)}
    result: Dict[str, Any] = {}
    if params["dest"]:
        result["backups"] = sqlite_api.describe_backups(Path(params["dest"]), params["timeout"])
    if params["path"]:
        result["database"] = sqlite_api.inspect(Path(params["path"]), params["timeout"])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("dest", "path")],
        required_if=[("brief", True, ("dest",))],
    )
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("sqlite3"), exception=IMPORT_ERROR)
    try:
        work = functools.partial(sqlite_api.explained, functools.partial(describe, module.params))
        found = watchdog.run_watched(work, module.params["timeout"], SqliteError)
    except SqliteError as error:
        module.fail_json(msg=str(error))
    except watchdog.GivenUp as error:
        module.fail_json(msg=f"The inspection of {module.params['path'] or module.params['dest']} was stopped: {error}")
    module.exit_json(**found)


if __name__ == "__main__":
    main()
