# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: decide
short_description: Judge measurements against a decision matrix
version_added: 0.1.0
description:
  - Returns one finding for each row of the matrix, and as the decision the worst of their actions.
  - The order of actions is proceed, adjust, monitor, rollback.
  - What was not measured, or has no baseline, never passes. It rolls back only where the row's own action is rollback.
  - What has too few samples, or misses its target by no more than chance could, is inconclusive. It asks for nothing, and says so.
  - Of a thousand releases that changed nothing, rows that judge samples roll back fewer than one, over all rows and looks of a watch.
    C(rollback_if) is crossed when that is as sure. A share of counted C(events) is judged by an exact test of its counts, which are
    divided by how much more they scatter from block to block than independent ones do; another number by its interval.
  - Where it is unclear whether the rollback line is crossed, a finding says in C(samples_needed) how many samples each side would need.
author:
  - The greenlight.release maintainers (@greenlight)
positional: matrix, baseline, age, known_metrics, watch_seconds, scope, look, doubted
options:
  _input:
    description:
      - Name of each metric and its measurement.
      - A measurement is a boolean, a number, or a mapping of C(value), C(low), C(high) and C(samples). A C(note) explains a bad value in words.
      - A share may have its C(events) among the samples, C(blocks) of both in their order, and all three again as C(since_switch). C(fresh) are
        those since an earlier look that was worth a second one.
    type: dict
    required: true
  matrix:
    description: The rows, see C(greenlight_decision_matrix) of the role P(greenlight.release.verify#role).
    type: list
    elements: dict
    required: true
  baseline:
    description: The measurements of the old revision, for rows that are C(relative).
    type: dict
    default: {}
  age:
    description: Seconds since the switch. Rows that are C(due) later are not judged.
    type: int
    default: 0
  known_metrics:
    description: Names of the metrics that are measured at all. A row about another one is an error.
    type: list
    elements: str
  watch_seconds:
    description: Seconds that a watch lasts at least. It lasts longer where a row is C(due), or judged C(until), a later age.
    type: int
    default: 0
  scope:
    description:
      - Judge only the rows of this scope, V(host) or V(fleet). An empty text judges all rows, as a host does that is released alone.
    type: str
    choices: ["", host, fleet]
    default: ""
  look:
    description: The number of this judgement of the release, from 1. Each has its part of the error budget.
    type: int
    default: 1
  doubted:
    description: Names of rows that C(confirm) an action by a second look, and that the look before would have rolled back for.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Judge one measurement
  ansible.builtin.debug:
    msg: "{{ {'error_rate': 2.5} | greenlight.release.decide(matrix) }}"
  vars:
    matrix:
      - metric: error_rate
        target: {below: 1}
        action: monitor
        rollback_if: {above: 5}
"""

RETURN = r"""
_value:
  description: The decision, the reason for it, and the findings in the order of the rows.
  type: dict
  sample:
    decision: monitor
    reason: "error_rate: 2.5 is not below 1"
    age: 0
    watch_seconds: 0
    look: 1
    findings:
      - name: error_rate
        metric: error_rate
        value: 2.5
        window: ""
        target: below 1, rollback if above 5
        samples_needed: null
        outcome: miss
        action: monitor
"""

from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision import decision
from ansible_collections.greenlight.release.plugins.module_utils._decision import matrix as decision_matrix


def decide(
    measurements: Mapping[str, Any],
    matrix: Any,
    baseline: Optional[Mapping[str, Any]] = None,
    age: int = 0,
    known_metrics: Optional[Sequence[str]] = None,
    watch_seconds: int = 0,
    scope: str = "",
    look: int = 1,
    doubted: Sequence[str] = (),
) -> Dict[str, Any]:
    try:
        return decision.decide(measurements, matrix, baseline, age, known_metrics, watch_seconds, scope, look, doubted)
    except decision_matrix.MatrixError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that turns measurements into a decision."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"decide": decide}
