# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_processes
short_description: Read the processes of which a release is made
version_added: 0.1.0
description:
  - Returns the processes of an app with what each of them does, and the one that is measured.
  - Internal to the roles of this collection. Its input and its result may change with every release.
author:
  - The greenlight.release maintainers (@greenlight)
positional: name, port, seen
options:
  _input:
    description: The processes as a user writes them. An empty list means one process that serves.
    type: list
    elements: dict
    required: true
  name:
    description: Name of the process that is measured. Empty means the one that the list has.
    type: str
    default: ""
  port:
    description: Port of the process without a list, V(0) for any.
    type: int
    default: 0
  seen:
    description: What M(greenlight.release.pm2_process_info) saw of the process, with C(holders) where it was asked for them.
    type: dict
    default: {}
  unlisted:
    description: Name of the process where there is no list and no O(name).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show which process is measured
  ansible.builtin.debug:
    msg: "{{ ([{'name': 'api', 'role': 'serves'}] | greenlight.release.internal_processes).app.name }}"
"""

RETURN = r"""
_value:
  description:
    - All processes as the C(facts) of a release. The one that is measured as C(app), with C(more_ports) and C(socket) as
      M(greenlight.release.pm2_process_info) takes them, and with C(port) where it listens at a known port or at none.
    - What is not in the list and has a database open is among C(facts), and C(joined) says so in sentences. C(others) are the names of all but the app.
  type: dict
  sample:
    app: {name: api, port: 3000, more_ports: [], socket: ""}
    facts: {processes: [{name: api, role: serves, ports: [3000]}, {name: queue, role: works}]}
    others: [queue]
    joined: [queue has the database open; it is stopped and started with the release. List it in greenlight_processes]
"""

from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._values import app_process


def internal_processes(
    listed: Sequence[Any],
    name: str = "",
    port: Any = 0,
    seen: Mapping[str, Any] = MappingProxyType({}),
    unlisted: str = "",
) -> Dict[str, Any]:
    try:
        found = app_process.chosen(listed, name or ("" if listed else unlisted), port)
    except app_process.ProcessesError as error:
        raise AnsibleFilterError(str(error)) from error
    app, joined = app_process.app_of(found), app_process.joined(found, seen.get("holders") or [])
    place = {} if app.port is None else {"port": app.port}
    measured = {"name": app.name, "more_ports": list(app.ports[1:]), "socket": app.socket, **place}
    return {
        "app": measured,
        "facts": {"processes": [each.as_fact() for each in (*found, *joined)]},
        "others": [each.name for each in (*found, *joined) if each is not app],
        "joined": [app_process.tell_joined(each) for each in joined],
    }


class FilterModule:
    """Filter that reads the processes of an app."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"internal_processes": internal_processes}
