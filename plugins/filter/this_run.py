# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: this_run
short_description: Return what the first batch of a play released, and refuse hosts that differ
version_added: 0.1.0
description:
  - One run releases one revision of one app. Where two hosts of the run have different values of a variable the filter fails and names them.
  - With C(serial) a task that runs once does so once a batch. What the first batch resolved holds for the others.
author:
  - The greenlight.release maintainers (@greenlight)
positional: hosts, batch
options:
  _input:
    description: Variables that must be the same everywhere, with the value that the first host has.
    type: dict
    required: true
  hosts:
    description: The variables of every host of the run, in its order.
    type: list
    elements: dict
    required: true
  batch:
    description: Names of the hosts of this batch.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the first batch released
  ansible.builtin.debug:
    msg: >-
      {{ {'greenlight_revision': 'main'} | greenlight.release.this_run(ansible_play_hosts_all | map('extract', hostvars), ansible_play_batch) }}
"""

RETURN = r"""
_value:
  description: The commit and the ids of the first batch, empty in the first batch itself.
  type: dict
  sample:
    sha: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
    release_id: 20260219T020000Z-0639294c
    run_id: 5c9d2b4e-8d5f-5a55-9d36-0c1c8a0b7c11
"""

from typing import Any, Callable, Dict, Iterable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._fleet import fleet


def this_run(wanted: Mapping[str, Any], hosts: Iterable[Mapping[str, Any]], batch: Sequence[str]) -> Dict[str, str]:
    try:
        return fleet.first_release(wanted, list(hosts), batch)
    except fleet.FleetError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that holds the batches of a run together."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"this_run": this_run}
