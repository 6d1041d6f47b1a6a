# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: release_refusal
short_description: Say why a release must not begin
version_added: 0.1.0
description:
  - Refuses a release outside of its hours, and one whose rollback would be refused.
  - Used by the role P(greenlight.release.deploy#role).
author:
  - The greenlight.release maintainers (@greenlight)
positional: rollback_database, ignore_hours, restore_within
options:
  _input:
    description: Whether the time is right, as P(greenlight.release.allowed_now#filter) returns it.
    type: dict
    required: true
  rollback_database:
    description: C(greenlight_rollback_database) of the role P(greenlight.release.rollback#role).
    type: str
    required: true
  ignore_hours:
    description: Whether a release may begin at any time.
    type: bool
    default: false
  restore_within:
    description: C(greenlight_restore_within) of the role P(greenlight.release.rollback#role).
    type: str
    default: 10m
"""

EXAMPLES = r"""
- name: Release in the night only
  ansible.builtin.assert:
    that: refusal == ''
    fail_msg: "{{ refusal }}"
  vars:
    refusal: "{{ '02:00-04:00' | greenlight.release.allowed_now | greenlight.release.release_refusal('auto') }}"
"""

RETURN = r"""
_value:
  description: The reason, empty when the release may begin.
  type: str
  sample: greenlight_rollback_database must be auto, restore or keep, and not kept
"""

from typing import Any, Callable, Dict, Mapping

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.greenlight.release.plugins.module_utils._release import plan


def release_refusal(
    hours: Mapping[str, Any], rollback_database: str, ignore_hours: Any = False, restore_within: Any = "10m"
) -> str:
    ignored = boolean(ignore_hours, strict=False)
    return plan.refuse(str(rollback_database), str(hours["reason"]), ignored, restore_within)


class FilterModule:
    """Filter that says why a release must not begin."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"release_refusal": release_refusal}
