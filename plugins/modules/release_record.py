#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_record
short_description: Keep the record of a release, and the lock in it, on the host
version_added: 0.1.0
description:
  - Writes the JSON file that says how far a release has come, so that after a crash the host still knows what was being done.
  - The lock is a part of the record. Both change in one atomic write, and a lease says how long a silent run may hold it.
  - The records of an app lie in C(<state_path>/releases/), one file of mode 0600 a release. The folder is created with mode 0700
    where the user may do that.
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
    support: full
  platform:
    platforms: linux
  action_group: {}
options:
  state:
    description:
      - V(opened) begins a release and takes its lock. It is refused while another release is in progress, and for a revision that was rejected before.
      - V(noted) adds a stage, facts or an observation. A stage takes the lock, or renews the lease of the run that holds it.
      - V(closed) ends the release with O(outcome) and releases the lock.
      - V(held) renews the lease of the run that holds the release to O(lease), before something that takes long. It is refused where
        another run holds it. A release that nobody holds stays as it is.
      - V(unlocked) releases the lock of a run that failed and ends here. The release stays open, and the next run need not wait for the lease.
    type: str
    choices: [opened, noted, held, closed, unlocked]
    required: true
  app:
    description: Name of the app. Needed by O(state=opened).
    type: str
  release_id:
    description:
      - Id of the release, UTC start and the first eight digits of the wanted revision, such as V(20260219T020000Z-0639294c).
      - Needed by O(state=opened). Otherwise the default is the newest release.
    type: str
  from_revision:
    description: Full commit SHA that a rollback returns the host to. Needed by O(state=opened).
    type: str
  to_revision:
    description: Full commit SHA that is released. Needed by O(state=opened).
    type: str
  take_over:
    description:
      - Whose lock may be taken over. V(stale) allows one whose lease has expired, V(any) allows every one.
      - With O(state=opened) only a stale release that had not begun to change the app can be taken over; it is closed as C(aborted).
    type: str
    choices: [never, stale, any]
    default: never
  retry_rejected:
    description: Allow a revision that an earlier release rejected.
    type: bool
    default: false
  refuse:
    description:
      - Why no release may begin now, such as P(greenlight.release.allowed_now#filter) says. With a text O(state=opened) fails,
        and in check mode only warns. Empty refuses nothing.
    type: str
    default: ""
  cautions:
    description: What to warn of when a release is opened, such as a lock file that nothing installs.
    type: list
    elements: str
    default: []
  stage:
    description:
      - The step that begins now, such as V(backed_up) or V(switched).
      - V(switched) sets the moment from which the age of the release is counted.
    type: str
  facts:
    description: What a rollback needs to know. Merged into the facts of the record, key by key. Keep secrets out of it.
    type: dict
    default: {}
  evidence:
    description:
      - What was seen of the release, kept as private files before anything is changed. For O(state=noted).
      - They lie in C(<state_path>/evidence/<release id>/), those of the newest ten releases. What is there already is never replaced.
      - The record names the folder in its fact C(evidence_path). Where it cannot be kept, the module warns, and notes the rest.
    type: dict
    suboptions:
      cursor:
        description: Where the logs are read from, a cursor of M(greenlight.release.log_assert). Long logs are kept to their two ends.
        type: dict
        default: {}
      findings:
        description: Mappings or lists by name, each of which becomes a JSON file without secrets.
        type: dict
        default: {}
  observation:
    description: One judgement, a mapping as the filter P(greenlight.release.decide#filter) returns it. Appended with the time.
    type: dict
  outcome:
    description:
      - How the release ended. Needed by O(state=closed).
      - V(watching) keeps the watch open for O(watch_seconds) after the switch and is V(healthy) when that time is over, or
        C(healthy_with_findings) where the last decision was another one than to proceed.
        It is refused, with the reason, where the decision of O(observation) is C(rollback).
      - V(rolled_back) and V(failed) reject the revision. V(aborted) says that nothing on the host was changed, and is refused where something was.
      - V(closed_as_is) is for a person who has put the host right by hand. It says nothing of the revision, and changes nothing but the record.
    type: str
    choices: [watching, healthy, rolled_back, failed, aborted, closed_as_is]
  watch_seconds:
    description: Length of the watch in seconds, counted from the switch.
    type: int
    default: 0
  now:
    description:
      - The time that counts as now, in UTC such as V(2026-02-19T02:00:00Z). The default is the clock of the host.
      - For tests and rehearsals of a watch, whose hours need not be waited for.
    type: str
seealso:
  - module: greenlight.release.release_record_info
"""

EXAMPLES = r"""
- name: Open the release record
  greenlight.release.release_record:
    state: opened
    state_path: /var/lib/greenlight/shop
    app: shop
    release_id: 20260219T020000Z-0639294c
    from_revision: 5f0c1c2a7d3f4b6e8a9b0c1d2e3f405162738495
    to_revision: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
    run_id: 5c9d2b4e-8d5f-5a55-9d36-0c1c8a0b7c11
    by: alice@controller

- name: Note that the new code is in place
  greenlight.release.release_record:
    state: noted
    state_path: /var/lib/greenlight/shop
    run_id: 5c9d2b4e-8d5f-5a55-9d36-0c1c8a0b7c11
    stage: switched

- name: Close the release and watch it for a day
  greenlight.release.release_record:
    state: closed
    state_path: /var/lib/greenlight/shop
    run_id: 5c9d2b4e-8d5f-5a55-9d36-0c1c8a0b7c11
    outcome: watching
    watch_seconds: 86400
"""

RETURN = r"""
record:
  description: The record as it is now, or in check mode as it would be.
  returned: success
  type: dict
  contains:
    id:
      description: Id of the release.
      type: str
      sample: 20260219T020000Z-0639294c
    status:
      description: One of in_progress, watching, healthy, healthy_with_findings, rolled_back, failed, aborted and closed_as_is.
      type: str
      sample: in_progress
    stage:
      description: The last step that began.
      type: str
      sample: opened
    facts:
      description: What a rollback needs to know.
      type: dict
      sample: {"database_backup": "/var/lib/greenlight/shop/backups/app.db.20260219T020003Z.4f1d.db"}
    lock:
      description: Who holds the release, since when and how long, or null.
      type: dict
      sample: {"by": "alice@controller", "run_id": "5c9d2b4e", "since": "2026-02-19T02:00:00Z", "until": "2026-02-19T02:30:00Z"}
file:
  description: The record's file.
  returned: success
  type: str
  sample: /var/lib/greenlight/shop/releases/20260219T020000Z-0639294c.json
"""

import contextlib
import functools
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._release import evidence, store, transition, watch
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record

MAPPING: Dict[str, Any] = {"type": "dict", "default": {}}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["opened", "noted", "held", "closed", "unlocked"], "required": True},
    "state_path": {"type": "path", "required": True},
    "run_id": {"type": "str", "required": True},
    "by": {"type": "str", "default": "unknown"},
    "app": {"type": "str"},
    "release_id": {"type": "str"},
    "from_revision": {"type": "str"},
    "to_revision": {"type": "str"},
    "lease": {"type": "int", "default": 300},
    "take_over": {"type": "str", "choices": ["never", "stale", "any"], "default": "never"},
    "retry_rejected": {"type": "bool", "default": False},
    "refuse": {"type": "str", "default": ""},
    "cautions": {"type": "list", "elements": "str", "default": []},
    "stage": {"type": "str"},
    "facts": MAPPING,
    "evidence": {"type": "dict", "options": {"cursor": MAPPING, "findings": MAPPING}},
    "observation": {"type": "dict"},
    "outcome": {"type": "str", "choices": list(release_record.OUTCOMES)},
    "watch_seconds": {"type": "int", "default": 0},
    "now": {"type": "str"},
}


def keep_evidence(module: AnsibleModule, release_id: str) -> str:
    """Keep the evidence of a release, and return its folder, empty when it could not be kept."""
    state_path = Path(module.params["state_path"])
    try:
        if not module.check_mode:
            evidence.keep(state_path, release_id, evidence.Evidence(**module.params["evidence"]), time.time())
    except evidence.EvidenceError as error:
        # A host that must roll back does not wait for a disk that has room.
        module.warn(str(error))
        return ""
    return str(evidence.folder_of(state_path, release_id))


def update_records(module: AnsibleModule, now: datetime) -> Dict[str, Any]:
    """Read, judge and write the records in one step, and return the module's result."""
    state_path, keep = Path(module.params["state_path"]), functools.partial(keep_evidence, module)
    done = transition.plan(store.read_records(state_path), module.params, now, keep)
    if done.changed and not module.check_mode:
        transition.write(state_path, done)
    file = str(state_path / "releases" / f"{done.after['id']}.json")
    diff = {"diff": {"before": done.before or {}, "after": done.after}} if module._diff else {}
    return {"changed": done.changed, "record": done.after, "file": file, **diff}


def refuse_to_open(module: AnsibleModule) -> None:
    """Fail where no release may begin now, which a rehearsal only reports, and warn of what is risky."""
    params = module.params
    refused = params["refuse"] if params["state"] == "opened" else ""
    problem = f"No release of {params['app']} may begin now: {refused}" if refused else ""
    if problem and not module.check_mode:
        module.fail_json(msg=problem)
    for text in filter(None, [problem, *params["cautions"]]):
        module.warn(text)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[
            ("state", "opened", ("app", "release_id", "from_revision", "to_revision")),
            ("state", "closed", ("outcome",)),
        ],
    )
    refuse_to_open(module)
    try:
        now = watch.choose_moment(module.params["now"], lambda: datetime.now(timezone.utc))
        alone = store.exclusive(Path(module.params["state_path"]), os.geteuid())
        with contextlib.nullcontext() if module.check_mode else alone:
            result = update_records(module, now)
    except (release_record.RecordError, OSError) as error:
        module.fail_json(msg=files.told(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
