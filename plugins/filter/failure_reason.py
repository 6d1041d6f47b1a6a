# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: failure_reason
short_description: Say why a task failed
version_added: 0.1.0
description:
  - Returns one sentence of the result of a task that failed. Of a command it has the last words, of a loop what its first item that failed says,
    where Ansible itself says no more than that one or more items failed. Secrets are taken out of the words of a command.
author:
  - The greenlight.release maintainers (@greenlight)
positional: task
options:
  _input:
    description: The result, as C(ansible_failed_result) has it.
    type: dict
    required: true
  task:
    description: Name of the task, for a result that says nothing.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show why the block failed
  ansible.builtin.debug:
    msg: "{{ ansible_failed_result | greenlight.release.failure_reason(ansible_failed_task.name) }}"
"""

RETURN = r"""
_value:
  description: The reason.
  type: str
  sample: "npm run build ended with status 1: error TS2304: Cannot find name 'x'."
"""

from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._host import commands


class FilterModule:
    """Filter that says why a task failed."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"failure_reason": commands.describe_failure}
