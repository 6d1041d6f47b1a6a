# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: failed_release
short_description: Say what becomes of a release that failed
version_added: 0.1.0
description:
  - A release that failed is rolled back, unless it had changed nothing or was closed already.
  - Used by the role P(greenlight.release.deploy#role).
author:
  - The greenlight.release maintainers (@greenlight)
positional: context, record, closed, check_mode, already
options:
  _input:
    description: Why it failed.
    type: str
    required: true
  context:
    description: The C(app), the C(release_id) and the C(from_revision) of the release.
    type: dict
    required: true
  record:
    description: The record of the release as the rollback found it, or null. Only the message depends on it.
    type: dict
    required: true
  closed:
    description: The record that was closed last, or an empty mapping.
    type: dict
    default: {}
  already:
    description: Whether the revision ran already, so that nothing was released.
    type: bool
    default: false
  check_mode:
    description: Whether nothing was to be changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Fail with the reason
  ansible.builtin.fail:
    msg: "{{ (reason | greenlight.release.failed_release(greenlight_hook, shop_releases.record)).message }}"
"""

RETURN = r"""
_value:
  description: Whether it must be rolled back, and after that the message to fail with.
  type: dict
  sample:
    rolls_back: true
    message: "Release 20260219T020000Z-0639294c of shop was aborted, nothing was changed: npm ci ended with status 1: no space"
"""

from typing import Any, Callable, Dict, Mapping, Optional

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.greenlight.release.plugins.module_utils._release import plan


def failed_release(
    reason: str,
    context: Mapping[str, str],
    record: Optional[Mapping[str, Any]],
    closed: Optional[Mapping[str, Any]] = None,
    check_mode: Any = False,
    already: Any = False,
) -> Dict[str, Any]:
    failure = plan.Failure(
        app=context["app"],
        release_id=context["release_id"],
        from_revision=context["from_revision"],
        check_mode=boolean(check_mode, strict=False),
        closed_id=(closed or {}).get("id", ""),
        already=boolean(already, strict=False),
    )
    return {
        "rolls_back": plan.must_roll_back(failure),
        "message": plan.describe_end(failure, record, reason),
    }


class FilterModule:
    """Filter that says what becomes of a release that failed."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"failed_release": failed_release}
