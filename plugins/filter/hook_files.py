# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hook_files
short_description: Find the task files of hooks
version_added: 0.1.0
description:
  - Checks C(greenlight_hooks) of the role P(greenlight.release.verify#role), and returns the files of every hook as absolute paths.
  - A hook that is not known, and a file that the controller does not have, is an error.
author:
  - The greenlight.release maintainers (@greenlight)
positional: folder
options:
  _input:
    description: Names of hooks, and a list of task files for each.
    type: dict
    required: true
  folder:
    description: The folder in which relative paths begin, that of the playbook.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show what runs before the switch
  ansible.builtin.debug:
    msg: "{{ (greenlight_hooks | greenlight.release.hook_files(playbook_dir)).before_switch }}"
"""

RETURN = r"""
_value:
  description: The files of every hook, an empty list for one that is not used.
  type: dict
  sample:
    drain: []
    before_switch: [/srv/playbooks/hooks/check_stock.yml]
    migrate: []
    after_switch: []
    undrain: []
    before_rollback: []
    after_rollback: []
"""

from pathlib import Path
from typing import Any, Callable, Dict, List

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._release import hooks as release_hooks


def hook_files(hooks: Any, folder: str) -> Dict[str, List[str]]:
    try:
        return release_hooks.find_hooks(hooks, Path(folder), Path.is_file)
    except release_hooks.HookError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that finds the task files of hooks."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"hook_files": hook_files}
