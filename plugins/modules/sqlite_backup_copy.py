#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sqlite_backup_copy
short_description: Copy a backup of a SQLite database off the host
version_added: 0.1.0
description:
  - Runs a command of yours for each file that a restore of a backup needs, the backup and its manifest, and of an update also those of the backup that it
    rests on. What an update rests on goes first, and a manifest after what it describes, so a manifest at the other end says that the backup there is whole.
  - A command that fails is a result, and no failure of the module.
  - What came of it is kept next to the backup, in a private file of its name and C(.copied). Neither the words of the command nor its variables are in it,
    in the result or in a log.
  - Nothing is removed at the other end. Keep the backups there by its own rules, such as a lifecycle of the bucket.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
  - greenlight.release.heartbeat
attributes:
  check_mode:
    support: full
    details: The command is checked, and not run.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: The command is run for every file that O(already) does not name.
  platform:
    platforms: linux
  action_group: {}
options:
  src:
    description: The backup, or those of several databases. In check mode they need not be there.
    type: list
    elements: path
    required: true
  command:
    description:
      - A program and its arguments, without a shell. In them C({file}) stands for the path of a file, and C({name}) for the last part of that.
      - It is run once for each file, as most programs that copy to an object store take one file at a time.
      - Other users of the host see the arguments of a program while it runs, so keep credentials in its own configuration or in O(environment).
    type: list
    elements: str
    required: true
  environment:
    description: Variables for the command, beside those of the module.
    type: dict
    default: {}
  timeout:
    description: Seconds that all files together may take. What runs longer is killed.
    type: float
    default: 600
  already:
    description: Files that are not copied, as they were before. See RV(files).
    type: list
    elements: path
    default: []
seealso:
  - module: greenlight.release.sqlite_backup
"""

EXAMPLES = r"""
- name: Copy a backup to another host over ssh
  greenlight.release.sqlite_backup_copy:
    src: "{{ shop_backup.backup.path }}"
    command: [rsync, --archive, "{file}", "backup@store.example.com:/srv/backups/shop/"]

- name: Copy a backup to a bucket
  greenlight.release.sqlite_backup_copy:
    src: "{{ shop_backup.backup.path }}"
    command: [aws, s3, cp, --only-show-errors, "{file}", "s3://example-backups/shop/{name}"]
    environment:
      AWS_ACCESS_KEY_ID: "{{ vault_backup_key_id }}"
      AWS_SECRET_ACCESS_KEY: "{{ vault_backup_key }}"
  register: shop_copy
  failed_when: not shop_copy.copied
"""

RETURN = r"""
copied:
  description: Whether all files are copied. In check mode false.
  returned: success
  type: bool
  sample: true
at:
  description: When the attempt ended, in UTC, or null in check mode.
  returned: success
  type: str
  sample: "2026-02-19T02:00:05Z"
problem:
  description: Why the backup was not copied, empty when it was.
  returned: success
  type: str
  sample: ""
files:
  description: The files that are copied, those of O(already) included.
  returned: success
  type: list
  elements: str
  sample:
    - /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db
    - /var/lib/greenlight/shop/backups/shop.db.20260219T020003Z.4f1d9c.db.json
"""

import functools
import os
import time
import traceback
from datetime import datetime, timezone
from typing import Any, Dict, Set

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

IMPORT_ERROR = ""
try:
    from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
except ImportError:  # A Python that was built without SQLite.
    IMPORT_ERROR = traceback.format_exc()

ARGUMENTS = {
    "src": {"type": "list", "elements": "path", "required": True},
    "command": {"type": "list", "elements": "str", "required": True, "no_log": True},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "timeout": {"type": "float", "default": 600},
    "already": {"type": "list", "elements": "path", "default": []},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def take_wanted(params: Dict[str, Any], no_log_values: Set[str]) -> sqlite_api.Copying:
    """Return what is wanted, and leave no word and no value where Ansible shows the arguments of a module.

    Ansible would hide them wherever they occur in the result, also a part of a path; nothing of them is in this one.
    """
    given = {name: str(value) for name, value in params["environment"].items() if value is not None}
    command, params["command"], params["environment"] = params["command"], ["hidden"], dict.fromkeys(given, "hidden")
    no_log_values.clear()
    return sqlite_api.Copying(
        backups=params["src"],
        command=command,
        environment={**os.environ, **given},
        secrets=list(given.values()),
        timeout=params["timeout"],
        already=params["already"],
    )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("sqlite3"), exception=IMPORT_ERROR)
    wanted = take_wanted(module.params, module.no_log_values)
    try:
        now = functools.partial(datetime.now, timezone.utc)
        work = functools.partial(sqlite_api.copy_off_host, wanted, now, time.monotonic, module.check_mode)
        with heartbeat.kept(heartbeat.read(module.params["heartbeat"], module.check_mode)):
            result = sqlite_api.explained(work)
    except GreenlightError as error:
        module.fail_json(msg=str(error))
    if result["problem"]:
        module.warn(result["problem"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
