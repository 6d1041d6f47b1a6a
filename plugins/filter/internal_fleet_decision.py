# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_fleet_decision
short_description: Judge the hosts of a batch together
version_added: 0.1.0
description:
  - Returns the decision by the rows of the fleet, about all hosts of a batch as if they were one.
  - Internal to the roles of this collection. Its input and its result may change with every release.
author:
  - The greenlight.release maintainers (@greenlight)
positional: decisions, old
options:
  _input:
    description: The options of the role P(greenlight.release.verify#role), without their prefix C(greenlight_).
    type: dict
    required: true
  decisions:
    description: The decisions about each host alone.
    type: list
    elements: dict
    required: true
  old:
    description: Measurements of hosts on the old revision.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the decision
  ansible.builtin.debug:
    msg: "{{ options | greenlight.release.internal_fleet_decision(decisions, old) }}"
"""

RETURN = r"""
_value:
  description: The decision as P(greenlight.release.decide#filter) returns it.
  type: dict
  sample: {decision: proceed, reason: every row that is due passes}
"""

from typing import Any, Callable, Dict, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._measure import settings, verdict


def internal_fleet_decision(
    options: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]], old: Sequence[Dict[str, Any]]
) -> Dict[str, Any]:
    try:
        return verdict.judge_together(settings.parse_settings(options), decisions, old)
    except (MatrixError, settings.MeasureError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that judges the hosts of a batch together."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_fleet_decision": internal_fleet_decision}
