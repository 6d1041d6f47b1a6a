# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report at the end of a run over several hosts: one table, and the commands that continue where it stopped."""

from __future__ import annotations

import shlex
from typing import Dict, List, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._fleet.fleet import Host, Stop
from ansible_collections.greenlight.release.plugins.module_utils._values import table

_SAID = {
    "waiting": "not touched",
    "unchanged": "had it already",
    "rehearsed": "would be released",
    "released": "released",
    "failed": "failed",
    "lost": "lost",
    "taken_back": "rolled back",
    "stuck": "could not be rolled back",
}
_HEAD = ("host", "batch", "before", "now", "decision", "reason")
_SHOWN = 8


def render(hosts: Sequence[Host], stop: Optional[Stop], commands: Sequence[str]) -> List[str]:
    """Return the lines of the table, one a host, and below it why the run stopped and how to go on."""
    rows = [
        (host.name, str(host.batch), _short(host.before), _short(host.now), host.decision or "-", describe(host))
        for host in hosts
    ]
    lines = table.render_table(_HEAD, rows)
    if stop:
        lines += ["", f"stopped: {stop.reason}"]
    return lines + list(commands)


def _short(revision: str) -> str:
    return revision[:_SHOWN] or "-"


def describe(host: Host) -> str:
    """Return the state of the host in words, and why."""
    said = _SAID[host.state]
    return f"{said}: {host.reason}" if host.reason else said


def next_commands(hosts: Sequence[Host], stop: Stop, sources: Sequence[str], release_id: str) -> List[str]:
    """Return the commands that finish what a run left: hosts half-way, hosts to roll back, hosts not touched.

    A revision that was rejected on one host is not tried on the others, so no command releases it.
    """
    by_state: Dict[str, List[Host]] = {}
    for host in hosts:
        by_state.setdefault(host.state, []).append(host)
    half_way = by_state.get("lost", []) + by_state.get("stuck", [])
    wanted = next((host.wanted for host in hosts if host.wanted), "")
    back = f"-e greenlight_rollback_release={release_id}"
    lines = []
    if half_way:
        lines += _explained(
            "when they can be reached again, roll them back",
            _command("rollback", sources, half_way, f"{back} -e greenlight_take_over=true"),
        )
    if by_state.get("released"):
        lines += _explained("to roll back what was released", _command("rollback", sources, by_state["released"], back))
    rest = by_state.get("lost", []) + by_state.get("waiting", [])
    if rest and wanted and not stop.speaks_against:
        retry = " -e greenlight_retry_rejected=true" if by_state.get("lost") else ""
        lines += _explained(
            "to go on with the others", _command("deploy", sources, rest, f"-e greenlight_revision={wanted}{retry}")
        )
    return lines


def _explained(why: str, command: str) -> List[str]:
    return [f"{why}:", f"  {command}"]


def _command(playbook: str, sources: Sequence[str], hosts: Sequence[Host], rest: str) -> str:
    inventory = "".join(f"-i {shlex.quote(source)} " for source in sources)
    limit = shlex.quote(",".join(host.name for host in hosts))
    return f"ansible-playbook {inventory}greenlight.release.{playbook} --limit {limit} {rest}"
