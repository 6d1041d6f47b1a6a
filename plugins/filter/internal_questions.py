# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_questions
short_description: Find out what to ask an app and its log
version_added: 0.1.0
description:
  - Returns what a new revision, or the running one, is asked and judged by, and checks the matrix.
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
- name: Show the probes
  ansible.builtin.debug:
    msg: "{{ (options | greenlight.release.internal_questions(answers)).app.probes }}"
"""

RETURN = r"""
_value:
  description: The C(matrix) with its patches, the C(known_metrics), the seconds C(stable_for), and arguments of modules as C(app), C(over) and C(log).
  type: dict
  sample: {stable_for: 5, app: {probes: [], counters: {}, deadline: 10}}
"""

from typing import Any, Callable, Dict, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._measure import answers, questions, settings


def internal_questions(options: Mapping[str, Any], results: Mapping[str, Any]) -> Dict[str, Any]:
    try:
        parsed = settings.parse_settings(options)
        return questions.ask(parsed, answers.parse_answers(parsed, results))
    except (MatrixError, settings.MeasureError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that makes the questions of a measurement."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_questions": internal_questions}
