# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_settings
short_description: Collect the options by which a revision is measured and judged
version_added: 0.1.0
description:
  - Returns the variables of a host that the measurement and the decision need, by their names without a prefix.
  - Internal to the roles of this collection. Its input and its result may change with every release.
author:
  - The greenlight.release maintainers (@greenlight)
options:
  _input:
    description: The prefix of the variables.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the probes of a host
  ansible.builtin.debug:
    msg: "{{ ('greenlight_' | greenlight.release.internal_settings).probes }}"
"""

RETURN = r"""
_value:
  description: The value of each option of the role P(greenlight.release.verify#role) that matters to a measurement.
  type: dict
  sample: {health_url: "http://127.0.0.1:3000/health", stable_seconds: 5, probes: []}
"""

from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._measure import settings
from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def internal_settings(variables: Context, prefix: str) -> Dict[str, Any]:
    return {name: variables.resolve(f"{prefix}{name}") for name in settings.NAMES}


class FilterModule:
    """Filter that collects the settings of a measurement."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_settings": internal_settings}
