# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_measurements
short_description: Combine the measurements of several hosts
version_added: 0.1.0
description:
  - A rate, which is a percentage with samples, is counted again over the requests of all hosts. A boolean holds where it holds on every host.
  - Everything else is the mean of the hosts, by their samples where they have some. What one host was not measured by is left out.
author:
  - The greenlight.release maintainers (@greenlight)
options:
  _input:
    description: The measurements of each host.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge two hosts as one
  ansible.builtin.debug:
    msg: "{{ [{'error_rate': 2.5}, {'error_rate': 0.5}] | greenlight.release.pool_measurements | greenlight.release.decide(matrix) }}"
  vars:
    matrix:
      - metric: error_rate
        scope: fleet
        target: {below: 2}
        action: monitor
"""

RETURN = r"""
_value:
  description: The measurements by their names.
  type: dict
  sample: {"error_rate": {"value": 1.5, "low": 1.5, "high": 1.5}}
"""

from typing import Any, Callable, Dict, Iterable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision import matrix, pool


def pool_measurements(hosts: Iterable[Mapping[str, Any]]) -> Dict[str, Any]:
    try:
        return pool.pool(list(hosts))
    except matrix.MatrixError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that makes one host's measurements of those of several."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"pool_measurements": pool_measurements}
