# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: databases
short_description: List the databases of an app
version_added: 0.1.0
description:
  - Lists none, one, or several, each as a mapping with its C(path), whichever of the two variables names them.
author:
  - The greenlight.release maintainers (@greenlight)
positional: single, facts
options:
  _input:
    description: C(greenlight_databases) of the role P(greenlight.release.verify#role).
    type: list
    elements: raw
    required: true
  single:
    description: C(greenlight_database_path) of that role.
    type: str
    required: true
  facts:
    description: The facts of a release record. Where it knows the databases of its release, these are meant.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the databases
  ansible.builtin.debug:
    msg: "{{ [] | greenlight.release.databases('/srv/shop-data/shop.db') }}"
"""

RETURN = r"""
_value:
  description: The databases, in their order, each with the keys that were given.
  type: list
  elements: dict
  sample: [{"path": "/srv/shop-data/shop.db"}]
"""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._release import databases


def list_databases(
    several: Sequence[Any], single: str, facts: Optional[Mapping[str, Any]] = None
) -> List[Dict[str, Any]]:
    try:
        known = facts or {}
        is_known = "databases" in known or "database_path" in known
        return databases.of_facts(known) if is_known else databases.parse(single, several)
    except databases.DatabasesError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filter that lists the databases of an app."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"databases": list_databases}
