# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: decision_table
short_description: Show a decision as lines of text
version_added: 0.1.0
description:
  - Turns what P(greenlight.release.decide#filter) returned into lines of 100 columns at most. First comes what was decided and why, with the value
    before, the value now, what is allowed, and the first line of the log that was counted. Then what is well, what cannot be told yet, what is not
    measured, and what to do.
author:
  - The greenlight.release maintainers (@greenlight)
positional: app, host
options:
  _input:
    description: The decision.
    type: dict
    required: true
  app:
    description: Name of the app, with which the next commands are shown too.
    type: str
    default: ""
  host:
    description: Name of the host.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the decision of the last verification
  ansible.builtin.debug:
    msg: "{{ greenlight_decision | greenlight.release.decision_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample:
    - "PROCEED  shop on web1, 1h after the switch"
    - "  ok            server_starts"
"""

from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._decision import shown


class FilterModule:
    """Filter that shows a decision to a person."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"decision_table": shown.render_table}
