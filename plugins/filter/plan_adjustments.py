# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_adjustments
short_description: Choose how environment variables are adjusted for missed rows
version_added: 0.1.0
description:
  - Says which environment variables are to change because a row with C(adjust) was missed, within the bounds of the row.
  - A change that made its metric worse is undone, and its variable is left to a person from then on.
  - Each variable changes once an observation.
author:
  - The greenlight.release maintainers (@greenlight)
positional: made, current
options:
  _input:
    description: The findings of a decision, as P(greenlight.release.decide#filter) returns them.
    type: list
    elements: dict
    required: true
  made:
    description: The adjustments of the release so far.
    type: list
    elements: dict
    required: true
  current:
    description: The environment variables of the running app, as P(greenlight.release.process_environment#filter) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be adjusted
  ansible.builtin.debug:
    msg: "{{ greenlight_decision.findings | greenlight.release.plan_adjustments([], {'CACHE_TTL_SECONDS': '30'}) }}"
"""

RETURN = r"""
_value:
  description:
    - The variables to set in C(env), what to append to the adjustments so far in C(adjustments), how to undo that in C(reversed),
      and in C(notes) why others stay as they are.
  type: dict
  sample:
    env: {CACHE_TTL_SECONDS: "60"}
    adjustments:
      - row: cache_hit_rate_1h
        env: CACHE_TTL_SECONDS
        from: "30"
        to: "60"
        value: 24.5
        taken_back: false
    reversed:
      - row: cache_hit_rate_1h
        env: CACHE_TTL_SECONDS
        from: "60"
        to: "30"
        value: 24.5
        taken_back: true
    notes: []
"""

from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._decision import adjust


class FilterModule:
    """Filter that chooses adjustments."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"plan_adjustments": adjust.plan_adjustments}
