# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_adjustments
short_description: Plan the adjustments of a release
version_added: 0.1.0
description:
  - Returns which environment variables change because of a decision, and how to do and undo that.
  - Internal to the roles of this collection. Its input and its result may change with every release.
author:
  - The greenlight.release maintainers (@greenlight)
positional: answers, findings, environ
options:
  _input:
    description: The options of the role P(greenlight.release.verify#role), without their prefix C(greenlight_).
    type: dict
    required: true
  answers:
    description: What is known so far, results of modules as C(since), C(record), C(noted), C(process), C(health), C(log) and C(searched).
    type: dict
    required: true
  findings:
    description: The findings of a decision.
    type: list
    elements: dict
    required: true
  environ:
    description: The file C(environ) of the process in base64. An empty text only names the variables.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what would change
  ansible.builtin.debug:
    msg: "{{ (options | greenlight.release.internal_adjustments(answers, findings, file.content)).forward.env }}"
"""

RETURN = r"""
_value:
  description:
    - The C(adjustable) variables, the C(adjustments), C(notes) about variables that stay, and C(forward) and C(back),
      each with C(env) to set and C(facts) for the record.
  type: dict
  sample: {adjustable: [], adjustments: [], notes: [], forward: {env: {}, facts: {}}, back: {env: {}, facts: {}}}
"""

from typing import Any, Callable, Dict, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision.adjust import AdjustError
from ansible_collections.greenlight.release.plugins.module_utils._measure import adjustments, answers, settings


def internal_adjustments(
    options: Mapping[str, Any], results: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], environ: str = ""
) -> Dict[str, Any]:
    try:
        parsed = settings.parse_settings(options)
        return adjustments.plan(answers.parse_answers(parsed, results), findings, environ)
    except (AdjustError, settings.MeasureError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that plans adjustments."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_adjustments": internal_adjustments}
