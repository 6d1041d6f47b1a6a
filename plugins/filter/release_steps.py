# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: release_steps
short_description: Plan the steps of a release
version_added: 0.1.0
description:
  - Returns the steps of the role P(greenlight.release.deploy#role) on one host. What is not used has no step, so that it costs no task.
  - Used by the role itself.
author:
  - The greenlight.release maintainers (@greenlight)
positional: events, already, staged, check_mode, auto_adjust, save, startup_user, copy_command
options:
  _input:
    description: The files of every hook, as P(greenlight.release.hook_files#filter) returns them.
    type: dict
    required: true
  events:
    description: The events that somebody is notified of, as P(greenlight.release.notified_events#filter) returns them.
    type: list
    elements: str
    required: true
  already:
    description: Whether the host runs the revision already.
    type: bool
    required: true
  staged:
    description: Whether the new tree is built while the old one runs.
    type: bool
    required: true
  check_mode:
    description: Whether nothing is to be changed.
    type: bool
    default: false
  auto_adjust:
    description: Whether a missed row of the matrix may adjust the environment of the app.
    type: bool
    default: false
  save:
    description: Whether PM2 saves what it starts after a reboot.
    type: bool
    default: false
  startup_user:
    description: The user whose PM2 starts with the host, empty for none.
    type: str
    default: ""
  copy_command:
    description: The command that copies a backup off the host, empty for none.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the steps of a release
  ansible.builtin.debug:
    msg: "{{ hooks | greenlight.release.release_steps(['success'], false, true) }}"
  vars:
    hooks: "{{ greenlight_hooks | greenlight.release.hook_files(playbook_dir) }}"
"""

RETURN = r"""
_value:
  description:
    - The steps in their order. Each has the name of a file with tasks of the role in C(tasks), and a C(phase) of the switch, a C(hook), an
      C(event), or what a copy is C(of), where the file needs one.
  type: list
  elements: dict
  sample:
    - {tasks: stage}
    - {tasks: hook, hook: drain}
    - {tasks: switch, phase: whole}
    - {tasks: hook, hook: undrain}
    - {tasks: judge}
    - {tasks: conclude}
    - {tasks: notify, event: success}
    - {tasks: prune}
"""

from typing import Any, Callable, Dict, List, Mapping, Sequence

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.greenlight.release.plugins.module_utils._release import plan


def release_steps(
    hooks: Mapping[str, Sequence[str]],
    events: Sequence[str],
    already: Any,
    staged: Any,
    check_mode: Any = False,
    auto_adjust: Any = False,
    save: Any = False,
    startup_user: str = "",
    copy_command: Sequence[str] = (),
) -> List[plan.Step]:
    deploy = plan.Deploy(
        already=boolean(already, strict=False),
        staged=boolean(staged, strict=False),
        check_mode=boolean(check_mode, strict=False),
        auto_adjust=boolean(auto_adjust, strict=False),
        saves=boolean(save, strict=False),
        starts_at_boot=bool(startup_user),
        copies=bool(copy_command),
        hooks=frozenset(name for name, files in hooks.items() if files),
        events=frozenset(events),
    )
    return plan.plan_steps(deploy)


class FilterModule:
    """Filter that plans the steps of a release."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"release_steps": release_steps}
