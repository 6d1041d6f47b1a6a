# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_end
short_description: Say what a person should know at the end of a rollback
version_added: 0.1.0
description:
  - Says what was done with each database, also when an interrupted rollback had restored it, and where the evidence of the release is.
  - Used by the role P(greenlight.release.rollback#role).
author:
  - The greenlight.release maintainers (@greenlight)
positional: restored
options:
  _input:
    description: The facts of the release record, as M(greenlight.release.release_record) returned them when the rollback began.
    type: dict
    required: true
  restored:
    description: What M(greenlight.release.release_switch) says of each database, empty where it says nothing.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what became of the databases
  ansible.builtin.debug:
    msg: "{{ (noted.record.facts | greenlight.release.rollback_end(switched.restored)).message }}"
"""

RETURN = r"""
_value:
  description: What is known of the databases, for the record, and a message, which may be empty.
  type: dict
  sample:
    databases: [{"path": "/srv/shop-data/shop.db", "restored": {"restored": true, "reason": "the schema changed since the backup", "lost": ""}}]
    message: "The database was restored, as the schema changed since the backup. What it replaced is in /var/lib/greenlight/shop/replaced."
"""

from typing import Any, Callable, Dict, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release import rollback


def rollback_end(facts: Mapping[str, Any], restored: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    known = rollback.merge_restored(restored, facts)
    return {"databases": known, "message": rollback.summarize(known, facts.get("evidence_path"))}


class FilterModule:
    """Filter that says what a person should know at the end of a rollback."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"rollback_end": rollback_end}
