# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: notified_events
short_description: List the events of which somebody is notified
version_added: 0.1.0
description:
  - Checks C(greenlight_notifications) of the role P(greenlight.release.verify#role), and returns the events that at least one service wants.
  - An error names the place in the list, and never a value.
author:
  - The greenlight.release maintainers (@greenlight)
options:
  _input:
    description: The services, as O(greenlight.release.release_notify#module:services).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say whether somebody is notified of a rollback
  ansible.builtin.debug:
    msg: "{{ 'rollback' in greenlight_notifications | greenlight.release.notified_events }}"
"""

RETURN = r"""
_value:
  description: The events.
  type: list
  elements: str
  sample: [start, rollback]
"""

from typing import Any, Callable, Dict, List

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._release import notify


def notified_events(services: Any) -> List[str]:
    try:
        wanted = {
            event for each in notify.parse_services(services, "greenlight_notifications") for event in each.events
        }
    except notify.NotifyError as error:
        raise AnsibleFilterError(str(error)) from error
    return [event for event in notify.EVENTS if event in wanted]


class FilterModule:
    """Filter that lists the events of which somebody is notified."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"notified_events": notified_events}
