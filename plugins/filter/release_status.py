# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: release_status
short_description: Gather what is released where
version_added: 0.1.0
description:
  - Returns one mapping for each host, out of what M(greenlight.release.release_record_info) returned there.
  - A host without a release, one that was not reached and one whose record could not be read are in the list too.
author:
  - The greenlight.release maintainers (@greenlight)
positional: hostvars, variable, now, process, backups
options:
  _input:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  variable:
    description: Name of the variable in which the result of the module is registered.
    type: str
    required: true
  now:
    description: The time that counts as now, in UTC such as V(2026-02-19T02:00:00Z). The default is the clock of the controller.
    type: str
    default: ""
  process:
    description: Name of the variable in which the result of M(greenlight.release.pm2_process_info) is registered, empty for none.
    type: str
    default: ""
  backups:
    description: The same of M(greenlight.release.sqlite_backup_info), with O(greenlight.release.sqlite_backup_info#module:brief).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Read the release record
  greenlight.release.release_record_info:
    state_path: /var/lib/greenlight/shop
  register: shop_records

- name: Show what is released where
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | greenlight.release.release_status(hostvars, 'shop_records') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - The hosts, in the order of their names in the input.
    - C(state) is the C(status) of the newest release, or V(no release), V(unreachable) or V(unknown), which C(problem) explains.
    - C(up) says whether the app runs, null where nobody looked, C(ports) where it listens, and C(down_because) why it is not up.
      C(next) is the command that a person runs next, empty where nothing is to be done.
    - C(revision) is what the host runs by its record, null while a run is between two, or was interrupted there.
    - C(backup), C(off_host) and C(drill) are the newest backup, the newest one off the host, and the last drill, each with C(at) in UTC and C(age) in seconds,
      null where it is not known. C(off_host_problem) says why the newest backup was not copied, and a drill has C(good) and a C(problem).
  type: list
  elements: dict
  sample:
    - host: web1
      state: watching
      problem: ""
      app: shop
      release: 20260219T020000Z-0639294c
      revision: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
      stage: switched
      decision: proceed
      reason: every row that is due passes
      opened_at: "2026-02-19T02:00:00Z"
      watch_until: "2026-02-20T02:00:10Z"
      watch_seconds_left: 83410
      lock: null
      rejected: {}
      up: true
      ports: [3000]
      down_because: ""
      next: ansible-playbook greenlight.release.verify, every hour
      backup: {at: "2026-02-19T02:00:03Z", age: 2980}
      off_host: {at: "2026-02-19T02:00:03Z", age: 2980}
      off_host_problem: ""
      drill: {at: "2026-02-15T04:00:12Z", age: 341371, good: true, problem: ""}
"""

from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterable, List, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import status, watch


def release_status(
    hosts: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    variable: str,
    now: str = "",
    process: str = "",
    backups: str = "",
) -> List[Dict[str, Any]]:
    try:
        moment = watch.choose_moment(now, lambda: datetime.now(timezone.utc))
    except release_record.RecordError as error:
        raise AnsibleFilterError(str(error)) from error
    found = ((host, hostvars[host]) for host in hosts)
    return [
        status.describe_host(host, of_host.get(variable), moment, of_host.get(process), of_host.get(backups))
        for host, of_host in found
    ]


class FilterModule:
    """Filter that gathers what is released where."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"release_status": release_status}
