# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_rollback
short_description: Say whether and how a release is rolled back
version_added: 0.1.0
description:
  - Chooses between rolling the newest release back, aborting it because it had changed nothing yet, and doing nothing.
  - A release that was aborted hides the one before it, which is then rolled back only if it is named.
  - Used by the role P(greenlight.release.rollback#role).
author:
  - The greenlight.release maintainers (@greenlight)
positional: app, state_path, release, reason, decision, step
options:
  _input:
    description: What M(greenlight.release.release_record_info) returned. There must be a release.
    type: dict
    required: true
  app:
    description: Name of the app.
    type: str
    required: true
  state_path:
    description: Folder of the app's records.
    type: path
    required: true
  release:
    description: Id of the release that is to be rolled back, empty for the newest one.
    type: str
    required: true
  reason:
    description: Why it is rolled back.
    type: str
    required: true
  decision:
    description: The decision by the matrix, empty where there is none.
    type: dict
    default: {}
  step:
    description: The step of M(greenlight.release.release_switch) that failed, empty where another task did.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what a rollback would do
  ansible.builtin.debug:
    msg: "{{ shop_releases | greenlight.release.plan_rollback('shop', '/var/lib/greenlight/shop', '', 'asked for by a person') }}"
"""

RETURN = r"""
_value:
  description:
    - The C(action), which is V(nothing), V(give_up) or V(roll_back), and why nothing is done where it is V(nothing).
    - The C(environment) that the release had before it was adjusted, and the C(context), which hooks and notifications receive.
    - Whether it C(rejects) the revision, which a release that nobody judged does not, and whether the old revision C(was_ill) before the release.
    - The C(observation) for the record, unless an interrupted rollback is resumed, which keeps its first observation.
  type: dict
  sample:
    action: roll_back
    why_nothing: "The newest release of shop here is 20260219T020000Z-0639294c, watching, so nothing is rolled back"
    environment: {CACHE_TTL_SECONDS: "30"}
    context: {"direction": "back", "app": "shop", "release_id": "20260219T020000Z-0639294c"}
    rejects: true
    was_ill: false
    observation: {"decision": "rollback", "reason": "asked for by a person"}
"""

from typing import Any, Callable, Dict, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._release import rollback
from ansible_collections.greenlight.release.plugins.module_utils._release.record import standing


def plan_rollback(
    records: Mapping[str, Any],
    app: str,
    state_path: str,
    release: str,
    reason: str,
    decision: Optional[Mapping[str, Any]] = None,
    step: str = "",
) -> Dict[str, Any]:
    request = rollback.RollbackRequest(str(app), str(state_path), str(release), str(reason), decision or {}, str(step))
    releases = records["releases"]
    return rollback.plan_rollback(request, records["record"], releases[-1], standing(releases)[-1])


class FilterModule:
    """Filter that says whether and how a release is rolled back."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"plan_rollback": plan_rollback}
