# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: old_hosts
short_description: Return the hosts that stay on the old revision while others are released
version_added: 0.1.0
description:
  - A host that has the new revision already would be compared with itself, so it is left out, and so is one that cannot be reached any more.
  - Used by the playbook C(greenlight.release.deploy).
author:
  - The greenlight.release maintainers (@greenlight)
positional: alive, hostvars, revision
options:
  _input:
    description: Names of the hosts of later batches.
    type: list
    elements: str
    required: true
  alive:
    description: Names of the hosts that are still in the play.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  revision:
    description: The new revision.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the new revision is compared with
  ansible.builtin.debug:
    msg: "{{ ['web2', 'web3'] | greenlight.release.old_hosts(ansible_play_hosts, hostvars, '0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d') }}"
"""

RETURN = r"""
_value:
  description: The names, in their order.
  type: list
  elements: str
  sample: [web3]
"""

from typing import Any, Callable, Dict, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._fleet import fleet


def old_hosts(later: Sequence[str], alive: Sequence[str], hostvars: Mapping[str, Any], revision: str) -> List[str]:
    return fleet.stay_old([hostvars[name] for name in later if name in alive], revision)


class FilterModule:
    """Filter that returns the hosts that stay on the old revision."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"old_hosts": old_hosts}
