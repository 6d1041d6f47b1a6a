# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_baseline
short_description: Find out what a release begins with
version_added: 0.1.0
description:
  - Returns what the record keeps of the running revision, and which checks cannot fail.
  - Internal to the roles of this collection. Its input and its result may change with every release.
author:
  - The greenlight.release maintainers (@greenlight)
positional: answers
options:
  _input:
    description: The options of the role P(greenlight.release.verify#role), without their prefix C(greenlight_).
    type: dict
    required: true
  answers:
    description: What is known so far, results of modules as C(since), C(record), C(noted), C(process), C(health), C(log) and C(searched).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the checks that cannot fail
  ansible.builtin.debug:
    msg: "{{ (options | greenlight.release.internal_baseline(answers)).vacuous }}"
"""

RETURN = r"""
_value:
  description:
    The C(facts) for the record, the C(vacuous) checks, and each text that the log does not have with a pattern for it in C(unwritten),
    and how the health is judged where that was inferred in C(judged_by).
  type: dict
  sample: {vacuous: [], unwritten: [["[Pp]ool exhausted", "[Pp]ool exhausted"]], judged_by: "", facts: {written_lines: []}}
"""

from typing import Any, Callable, Dict, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._measure import answers, baseline, settings


def internal_baseline(options: Mapping[str, Any], results: Mapping[str, Any]) -> Dict[str, Any]:
    try:
        parsed = settings.parse_settings(options)
        return baseline.baseline(parsed, answers.parse_answers(parsed, results))
    except (MatrixError, settings.MeasureError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that makes the facts of a baseline."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_baseline": internal_baseline}
