# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: next_observation
short_description: Choose the time of the next observation of a watched release
version_added: 0.1.0
description:
  - That is after the interval, and at the end of the watch where that comes first.
  - Used by the playbook C(greenlight.release.verify).
author:
  - The greenlight.release maintainers (@greenlight)
positional: interval, now
options:
  _input:
    description: The decision by the matrix, of which C(age) and C(watch_seconds) are read.
    type: dict
    required: true
  interval:
    description: Seconds between two observations.
    type: int
    required: true
  now:
    description: The time in seconds since 1970.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Choose when to judge again
  ansible.builtin.set_fact:
    shop_next: "{{ greenlight_decision | greenlight.release.next_observation(3600, now(utc=true).timestamp()) }}"
"""

RETURN = r"""
_value:
  description: The time in whole seconds since 1970.
  type: int
  sample: 1771470001
"""

from typing import Any, Callable, Dict, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._release import watch


def next_observation(decision: Mapping[str, Any], interval: Any, now: Any) -> int:
    return watch.next_observation(float(now), int(interval), int(decision["age"]), int(decision["watch_seconds"]))


class FilterModule:
    """Filter that chooses the time of the next observation."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"next_observation": next_observation}
