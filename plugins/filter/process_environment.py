# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: process_environment
short_description: Read environment variables of a process by name
version_added: 0.1.0
description:
  - Returns the named variables out of the file C(environ) of a process in C(/proc), and none of the others, in which there may be secrets.
  - In cluster mode PM2 passes the variables to a worker differently, which is understood too.
author:
  - The greenlight.release maintainers (@greenlight)
positional: names
options:
  _input:
    description: The content of the file in base64, as M(ansible.builtin.slurp) returns it.
    type: str
    required: true
  names:
    description: Names of the variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Read the environment of a process
  ansible.builtin.slurp:
    src: /proc/4711/environ
  register: shop_environment
  no_log: true

- name: Show how long the cache lives
  ansible.builtin.debug:
    msg: "{{ shop_environment.content | greenlight.release.process_environment(['CACHE_TTL_SECONDS']) }}"
"""

RETURN = r"""
_value:
  description: The variables that the process has.
  type: dict
  sample: {CACHE_TTL_SECONDS: "30"}
"""

from typing import Any, Callable, Dict, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision import adjust


def process_environment(encoded: str, names: Sequence[str]) -> Dict[str, str]:
    try:
        return adjust.read_environment(encoded, names)
    except adjust.AdjustError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that reads environment variables of a process."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"process_environment": process_environment}
