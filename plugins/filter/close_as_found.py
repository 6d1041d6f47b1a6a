# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: close_as_found
short_description: Say what closing a release as it is finds on the host
version_added: 0.1.0
description:
  - Says whether a release can be closed for a person who has put the host right by hand, what is true of the host, and what comes next.
  - What could not be looked at is told, and stops nothing.
  - Used by the playbook P(greenlight.release.rollback#playbook) with C(greenlight_close_as_is).
author:
  - The greenlight.release maintainers (@greenlight)
positional: head, process, health, backups, databases, check_mode
options:
  _input:
    description: The newest release record, or null.
    type: dict
    required: true
  head:
    description: What M(greenlight.release.git_revision) read, or its failure.
    type: dict
    required: true
  process:
    description: What M(greenlight.release.pm2_process_info) returned, or its failure.
    type: dict
    required: true
  health:
    description: What M(greenlight.release.health_check) returned, or its failure.
    type: dict
    required: true
  backups:
    description: What M(greenlight.release.sqlite_backup_info) returned of the backups, or its failures, in a loop over the databases.
    type: dict
    required: true
  databases:
    description: What M(greenlight.release.sqlite_backup_info) returned of the databases, or its failures, in a loop over them.
    type: dict
    required: true
  check_mode:
    description: Whether nothing is to be closed, only told.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Show what closing the release would find
  ansible.builtin.debug:
    msg: "{{ (shop_records.record | greenlight.release.close_as_found(shop_head, shop_process, shop_health, shop_backups, shop_databases, true)).message }}"
"""

RETURN = r"""
_value:
  description: Whether the release is closed, what was found on the host, for the record, and a message with the next command.
  type: dict
  sample:
    closes: true
    found: {"revision": "0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d", "process_problem": "", "health_problem": "", "database_problem": ""}
    message: "Release 20260219T020000Z-0639294c is closed as it is: the app serves. Next, run greenlight.release.deploy"
"""

from typing import Any, Callable, Dict, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._release import as_found


def close_as_found(
    record: Optional[Mapping[str, Any]],
    head: Mapping[str, Any],
    process: Mapping[str, Any],
    health: Mapping[str, Any],
    backups: Mapping[str, Any],
    databases: Mapping[str, Any],
    check_mode: bool,
) -> Dict[str, Any]:
    looks = as_found.Looks(head, process, health, backups.get("results", []), databases.get("results", []))
    return as_found.close_as_found(record, looks, check_mode)


class FilterModule:
    """Filter that says what closing a release as it is finds on the host."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"close_as_found": close_as_found}
