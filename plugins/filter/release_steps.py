# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: release_steps
short_description: Add hooks and notifications to the steps of a release
version_added: 0.1.0
description:
  - Returns the steps of the role P(greenlight.release.deploy#role), with one for every hook and every notification that is used, so that those
    which are not used cost nothing.
  - A step is the name of a task file of the role, and after a colon what the file is told.
author:
  - The greenlight.release maintainers (@greenlight)
positional: hooks, events
options:
  _input:
    description: The steps without them.
    type: list
    elements: str
    required: true
  hooks:
    description: The files of every hook, as P(greenlight.release.hook_files#filter) returns them.
    type: dict
    required: true
  events:
    description: The events that somebody is told of, as P(greenlight.release.notified_events#filter) returns them.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the steps of a release
  ansible.builtin.debug:
    msg: "{{ ['stage', 'switch', 'judge', 'conclude'] | greenlight.release.release_steps(hooks, ['success']) }}"
  vars:
    hooks: "{{ greenlight_hooks | greenlight.release.hook_files(playbook_dir) }}"
"""

RETURN = r"""
_value:
  description: The steps in their order.
  type: list
  elements: str
  sample: [stage, "hook:drain", "switch:whole", "hook:undrain", judge, conclude, "notify:success"]
"""

from ansible_collections.greenlight.release.plugins.module_utils._release import hooks


class FilterModule:
    """Filter that adds hooks and notifications to the steps of a release."""

    def filters(self):
        return {"release_steps": hooks.add_steps}
