# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: decision_table
short_description: Show a decision as a table
version_added: 0.1.0
description:
  - Turns what P(greenlight.release.decide#filter) returned into lines of text, one a finding, one with the decision, and one for each remedy.
author:
  - The greenlight.release maintainers (@greenlight)
options:
  _input:
    description: The decision.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the decision of the last verification
  ansible.builtin.debug:
    msg: "{{ greenlight_decision | greenlight.release.decision_table }}"
"""

RETURN = r"""
_value:
  description: The lines of the table.
  type: list
  elements: str
  sample:
    - "metric         baseline  value  target         outcome  action   reason"
    - "-------------  --------  -----  -------------  -------  -------  ---------------------"
    - "server_starts  true      true   equal to true  pass     proceed  true is equal to true"
    - ""
    - "decision: proceed (every row that is due passes)"
"""

from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._decision import decision


class FilterModule:
    """Filter that shows a decision to a person."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"decision_table": decision.render_table}
