#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_record_info
short_description: Read the release records of an app
version_added: 0.1.0
description:
  - Returns the newest release of an app, the releases before it, and the revisions that were rejected.
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
  state_path:
    description: Folder of the app's records. A folder that does not exist holds no release.
    type: path
    required: true
  new_release:
    description:
      - Fail, before anything is measured, where the newest release is not over and a new one may therefore not begin.
        V(stale) lets it pass over one that died before it had begun to change the app, V(never) over none.
      - By default nothing is refused.
    type: str
    choices: [never, stale]
  standing:
    description:
      - Describe the release whose revision the host has. Where the newest one was rolled back to a release that was kept, it is that one, so that its
        watch goes on and it can be rolled back as well. What was written and counted until then is not held against it.
      - By default the newest release is described.
    type: bool
    default: false
  now:
    description: The time that counts as now, in UTC such as V(2026-02-19T02:00:00Z). The default is the clock of the host.
    type: str
seealso:
  - module: greenlight.release.release_record
"""

EXAMPLES = r"""
- name: Read what is on record
  greenlight.release.release_record_info:
    state_path: /var/lib/greenlight/shop
  register: shop_releases

- name: Show who is releasing
  ansible.builtin.debug:
    msg: "{{ shop_releases.lock }}"
"""

RETURN = r"""
exists:
  description: Whether any release is on record.
  returned: always
  type: bool
  sample: true
record:
  description:
    - The newest record as M(greenlight.release.release_record) returns it, or null.
    - Here and below a release that was C(aborted) is skipped, since it changed nothing, unless there is no other one.
  returned: always
  type: dict
  sample: {"id": "20260219T020000Z-0639294c", "status": "watching"}
file:
  description: File of the newest record, or an empty text.
  returned: always
  type: str
  sample: /var/lib/greenlight/shop/releases/20260219T020000Z-0639294c.json
age:
  description: Seconds since the newest release was switched to, or null when it was not.
  returned: always
  type: int
  sample: 3612
watch_open:
  description: Whether the newest release is still being watched.
  returned: always
  type: bool
  sample: true
watch:
  description: What a judgement of the newest release begins with, null without a release.
  returned: always
  type: dict
  contains:
    since:
      description:
        - Where the log is read from. The C(cursor) is that of the newest observation that is at least an hour old, else of the switch, which
          C(from_switch) says.
        - C(known_kinds) are the kinds of lines that the old revision wrote.
        - C(counted) are the events and samples of shares from the switch until there, and C(own) the failed and all requests that later
          observations sent themselves.
      type: dict
      sample:
        cursor: {"version": 1, "at": 1771466400.0, "files": []}
        known_kinds: {"critical_errors": []}
        from_switch: true
        counted: {"error_rate": {"events": 3, "samples": 900, "blocks": [[3, 900]]}}
        own: {"error_rate": [0, 58]}
    doubted:
      description:
        - The C(rows) that the last observation would have rolled back for, had they been confirmed, and what was C(counted) of shares since the switch
          until then.
      type: dict
      sample: {"rows": [], "counted": {}}
    look:
      description: The number of the next judgement of the newest release, from 1. Each has its part of the error budget.
      type: int
      sample: 3
    baseline_since:
      description:
        - Where a baseline reads the log from when the newest release was rolled back within a day, as C(since), and empty otherwise.
          Before it lie the lines of the rejected release.
      type: dict
      sample: {}
    first_measurements:
      description: The measurements of the first observation after the switch.
      type: dict
      sample: {"cache_hit_rate": 12.5}
    restarts:
      description:
        - How often PM2 restarted the app from the first observation after the switch to the last one (C(total)), and what its counter
          was then (C(last)), both without the restarts that an adjustment made. Null before there is an observation.
      type: dict
      sample: {"total": 0, "last": 3}
    same_hour:
      description: When and what the old revision was measured as at this hour of an earlier day, null where it was not observed then.
      type: dict
      sample: {"at": "2026-02-18T14:02:00Z", "measurements": {"error_rate": {"value": 0.5, "low": 0.1, "high": 2.4, "samples": 200}}}
    readings:
      description: The values that every metric had in the observations of all releases, oldest first.
      type: dict
      sample: {"cache_hit_rate": [81.2, 82.0]}
    rejected_kinds:
      description: The kinds of lines that rolled back releases wrote, by the name of the rule.
      type: dict
      sample: {"critical_errors": ["9f2c1a7be0d4"]}
lock:
  description: One sentence about who holds the newest release, empty when it is over.
  returned: always
  type: str
  sample: ""
died:
  description: Whether the run that held the newest release gave no sign of life for longer than its lease, before the release was over.
  returned: always
  type: bool
  sample: false
rejected:
  description: Rejected revisions, each with the id of the release that rejected it.
  returned: always
  type: dict
  sample: {"0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d": "20260219T020000Z-0639294c"}
unrestarted:
  description: The old and the new revision of each release that stands and for which the app had not to be restarted, oldest first.
  returned: always
  type: list
  elements: list
  sample: [["5f0c1c2a7d3f4b6e8a9b0c1d2e3f405162738495", "0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d"]]
releases:
  description: All releases, oldest first.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 20260219T020000Z-0639294c
      status: watching
      from_revision: 5f0c1c2a7d3f4b6e8a9b0c1d2e3f405162738495
      to_revision: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
"""

from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store, watch


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state_path": {"type": "path", "required": True},
            "new_release": {"type": "str", "choices": ["never", "stale"]},
            "standing": {"type": "bool", "default": False},
            "now": {"type": "str"},
        },
        supports_check_mode=True,
    )
    state_path = Path(module.params["state_path"])
    try:
        now = watch.choose_moment(module.params["now"], lambda: datetime.now(timezone.utc))
        records = store.read_records(state_path)
        if module.params["new_release"]:
            for record in records:
                release_record.refuse_open_release(record, module.params["new_release"], now)
    except (release_record.RecordError, OSError) as error:
        module.fail_json(msg=files.told(error))
    module.exit_json(**watch.describe(state_path, records, now, module.params["standing"]))


if __name__ == "__main__":
    main()
