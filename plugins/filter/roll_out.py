# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: roll_out
short_description: Return the state of every host of a run, and whether the run goes on
version_added: 0.1.0
description:
  - Used by the playbook C(greenlight.release.deploy) between its batches and at its end.
  - A run stops when a host failed, when one cannot be reached any more, when the rows of scope fleet say so, when a person does not answer yes,
    and when the hours in which a release may begin are over before a batch.
  - Only the first and the third speak against the revision, and cause a rollback of hosts.
author:
  - The greenlight.release maintainers (@greenlight)
positional: alive, batches, fleet_rollback, check_mode, sources
options:
  _input:
    description: The variables of every host of the run, in its order.
    type: list
    elements: dict
    required: true
  alive:
    description: Names of the hosts that are still in the play.
    type: list
    elements: str
    required: true
  batches:
    description: Sizes of the batches, numbers of hosts or percentages.
    type: list
    elements: raw
    required: true
  fleet_rollback:
    description: Roll back every host that was released, and not only those of the batch that failed.
    type: bool
    default: true
  check_mode:
    description: Whether nothing was changed on purpose.
    type: bool
    default: false
  sources:
    description: Paths of the inventory, for the commands that go on from here.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: See whether the run goes on
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | map('extract', hostvars) | greenlight.release.roll_out(ansible_play_hosts, [1, '100%']) }}"
"""

RETURN = r"""
_value:
  description:
    - Whether the run stopped and why, the hosts to roll back, those that were released, the state of every host and why it is that, and the
      lines to show.
  type: dict
  sample:
    stopped: true
    reason: "batch 2 of 3: web2 failed: response_time: +31.0 % (10 to 13.1) is above 20 %"
    take_back: [web1]
    released: [web1]
    states: {"web1": "released", "web2": "failed", "web3": "waiting"}
    reasons: {"web1": "released", "web2": "failed: response_time: +31.0 % (10 to 13.1) is above 20 %", "web3": "not touched"}
    lines:
      - "host  batch  before    now       decision  reason"
      - "----  -----  --------  --------  --------  -----------------------------------------------------------------"
      - "web1  1      5f0c1c2a  0639294c  proceed   released: every row that is due passes"
      - "web2  2      5f0c1c2a  5f0c1c2a  rollback  failed: response_time: +31.0 % (10 to 13.1) is above 20 %"
      - "web3  3      -         5f0c1c2a  -         not touched"
"""

from typing import Any, Callable, Dict, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._fleet import fleet, table


def roll_out(
    facts: Sequence[Mapping[str, Any]],
    alive: Sequence[str],
    batches: Any,
    fleet_rollback: bool = True,
    check_mode: bool = False,
    sources: Sequence[str] = (),
) -> Dict[str, Any]:
    try:
        hosts = fleet.states_of(facts, alive, batches, check_mode)
    except fleet.FleetError as error:
        raise AnsibleFilterError(str(error)) from error
    stop = fleet.find_stop(hosts, facts)
    release_id = next((str(each["__greenlight_release_id"]) for each in facts if "__greenlight_release_id" in each), "")
    commands = table.next_commands(hosts, stop, sources, release_id) if stop else []
    return {
        "stopped": stop is not None,
        "reason": stop.reason if stop else "",
        "take_back": fleet.choose_back(hosts, stop, fleet_rollback),
        "released": [host.name for host in hosts if host.state == "released"],
        "states": {host.name: host.state for host in hosts},
        "reasons": {host.name: table.describe(host) for host in hosts},
        "lines": table.render(hosts, stop, commands),
    }


class FilterModule:
    """Filter that says how far a run is."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"roll_out": roll_out}
