# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_decision
short_description: Judge a release by what was measured
version_added: 0.1.0
description:
  - Returns the decision about the newest release, with what it was made from.
  - Internal to the roles of this collection. Its input and its result may change with every release.
author:
  - The greenlight.release maintainers (@greenlight)
positional: answers, scope
options:
  _input:
    description: The options of the role P(greenlight.release.verify#role), without their prefix C(greenlight_).
    type: dict
    required: true
  answers:
    description: What is known so far, results of modules as C(since), C(record), C(noted), C(process), C(health), C(log) and C(searched).
    type: dict
    required: true
  scope:
    description: Judge only the rows of this scope. An empty text judges all rows.
    type: str
    choices: ["", host, fleet]
    default: ""
"""

EXAMPLES = r"""
- name: Show the decision
  ansible.builtin.debug:
    msg: "{{ options | greenlight.release.internal_decision(answers) }}"
"""

RETURN = r"""
_value:
  description:
    - The decision as P(greenlight.release.decide#filter) returns it, with C(measurements), C(problems), C(quotes), C(cursor), C(counters) and C(baseline_at).
  type: dict
  sample: {decision: proceed, reason: every row that is due passes}
"""

from typing import Any, Callable, Dict, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._measure import answers, settings, verdict


def internal_decision(options: Mapping[str, Any], results: Mapping[str, Any], scope: str = "") -> Dict[str, Any]:
    try:
        parsed = settings.parse_settings(options)
        return verdict.judge_release(parsed, answers.parse_answers(parsed, results), scope)
    except (MatrixError, settings.MeasureError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that judges a release."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_decision": internal_decision}
