# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: own_batches
short_description: Divide the hosts of a run into batches, and return those that concern one host
version_added: 0.1.0
description:
  - Used by the playbook C(greenlight.release.deploy). The last size is repeated until no host is left.
author:
  - The greenlight.release maintainers (@greenlight)
positional: hosts, settings
options:
  _input:
    description: Name of the host.
    type: str
    required: true
  hosts:
    description: Names of all hosts of the run, in its order.
    type: list
    elements: str
    required: true
  settings:
    description:
      - The settings of the run, C(batches), C(soak), C(confirm), C(matrix) and C(patches). See C(greenlight_batches), C(greenlight_soak) and
        C(greenlight_confirm) of the role P(greenlight.release.deploy#role), and the decision matrix of the role P(greenlight.release.verify#role).
      - Where a row of the matrix has the scope fleet, the batches before the host's own are returned as well, since it is compared with them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show when a host has its turn
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | greenlight.release.own_batches(ansible_play_hosts_all, settings) }}"
  vars:
    settings: {batches: [1, 100%], soak: 10m, confirm: false, matrix: [], patches: {}}
"""

RETURN = r"""
_value:
  description:
    - The batches, each with its number, how many there are, its hosts, the hosts of later ones, the seconds to wait after it,
      whether the rows of scope fleet are judged, and the name of the file with its tasks.
  type: list
  elements: dict
  sample: [{"number": 1, "of": 2, "hosts": ["web1"], "later": ["web2", "web3"], "soak": 600, "together": false, "tasks": "gated"}]
"""

from typing import Any, Callable, Dict, List, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._fleet import fleet


def own_batches(name: str, hosts: Sequence[str], settings: Mapping[str, Any]) -> List[Dict[str, Any]]:
    try:
        return fleet.batches_of(name, hosts, settings)
    except fleet.FleetError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that divides the hosts of a run."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"own_batches": own_batches}
