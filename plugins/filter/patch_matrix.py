# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: patch_matrix
short_description: Change rows of a decision matrix by name
version_added: 0.1.0
description:
  - Returns the rows with some of their keys changed, so that a part of the default matrix can be kept.
  - A row is called by its C(name). Without one that is its metric, with the age where it is due later, such as C(cache_hit_rate_24h).
  - The rows themselves are checked by P(greenlight.release.decide#filter).
author:
  - The greenlight.release maintainers (@greenlight)
positional: patches
options:
  _input:
    description: The rows.
    type: list
    elements: dict
    required: true
  patches:
    description:
      - Name of each row that is to change, and the keys that it gets. A key that is null is removed, a row that is null as well.
      - A name that no row has adds a row when C(metric), C(target) and C(action) are given, and is an error otherwise.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the matrix with a stricter error rate and without the row about the pool
  ansible.builtin.debug:
    msg: "{{ greenlight_decision_matrix | greenlight.release.patch_matrix(patches) }}"
  vars:
    patches:
      error_rate:
        rollback_if: {above: 30}
      pool_exhausted: null
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
  sample:
    - metric: error_rate
      relative: true
      target: {below: 10}
      action: monitor
      rollback_if: {above: 30}
"""

from typing import Any, Callable, Dict, List

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._decision import matrix


def patch_matrix(rows: Any, patches: Any) -> List[Any]:
    try:
        return matrix.patch_matrix(rows, patches)
    except matrix.MatrixError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that changes rows of a decision matrix."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"patch_matrix": patch_matrix}
