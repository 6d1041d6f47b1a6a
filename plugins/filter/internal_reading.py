# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_reading
short_description: Read what an app and its log answered
version_added: 0.1.0
description:
  - Returns the measurements, whether the app serves, and what is wrong with it.
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
- name: Show whether the app serves
  ansible.builtin.debug:
    msg: "{{ (options | greenlight.release.internal_reading(answers)).serves }}"
"""

RETURN = r"""
_value:
  description: The C(measurements), C(serves) and the C(problems) in words.
  type: dict
  sample: {serves: true, problems: "", measurements: {critical_errors: 0}}
"""

from typing import Any, Callable, Dict, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._measure import answers, reading, settings


def internal_reading(options: Mapping[str, Any], results: Mapping[str, Any]) -> Dict[str, Any]:
    try:
        parsed = settings.parse_settings(options)
        return dict(vars(reading.read(parsed, answers.parse_answers(parsed, results))))
    except (MatrixError, settings.MeasureError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that reads the answers of a measurement."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_reading": internal_reading}
