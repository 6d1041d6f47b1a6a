# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: show_status
short_description: Show what is released where, as a table or as it is
version_added: 0.1.0
description:
  - Turns what P(greenlight.release.release_status#filter) returned into lines of text, one a host, and one for each problem below them.
author:
  - The greenlight.release maintainers (@greenlight)
positional: form
options:
  _input:
    description: The hosts.
    type: list
    elements: dict
    required: true
  form:
    description: The form, V(table) or V(json). The latter leaves the hosts as they are.
    type: str
    default: table
"""

EXAMPLES = r"""
- name: Show what is released where
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | greenlight.release.release_status(hostvars, 'shop_records') | greenlight.release.show_status }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The lines of the table, or the hosts as they are.
  type: list
  elements: raw
  sample:
    - "host  revision  release                    state     watch    decision  lock  rejected"
    - "----  --------  -------------------------  --------  -------  --------  ----  --------"
    - "web1  0639294c  20260219T020000Z-0639294c  watching  23h 10m  proceed   -     -"
"""

from typing import Any, Callable, Dict, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._release import status


def show_status(rows: Sequence[Mapping[str, Any]], form: str = "table") -> Sequence[Any]:
    try:
        return status.show_as(rows, form)
    except status.StatusError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that shows what is released where to a person."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"show_status": show_status}
