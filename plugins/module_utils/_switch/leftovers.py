# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a migration or a trial whose run was killed: it goes on, and may write to the database.

Whatever these start has a mark in its environment, which no other process has. It is found by that wherever it
went: out of its group, out of its session, or away from its parent.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Dict, Mapping, Set

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2

_MARK = "GREENLIGHT_STARTED_BY"
# Seconds in which a program may clear up when it is asked to end, and again when it is killed.
_GRACE = 10.0
_PAUSE = 0.05


def marked(environment: Mapping[str, str], release_id: str) -> Dict[str, str]:
    """Return the environment of a command of a release, by which all that it starts is found."""
    return {**environment, _MARK: release_id}


def find(release_id: str, daemon: int) -> Dict[int, str]:
    """Return pid -> name of what the migration of a release has started and still runs.

    What PM2 runs is none of it, with the daemon's pid, though a command could have started that by `pm2`.
    """
    found = {pid for pid, its in proc.environments(f"{_MARK}={release_id}") if its.get(_MARK) == release_id}
    if found and daemon:
        found -= proc.with_descendants([daemon])
    return {pid: proc.name_of(pid) for pid in found if proc.is_alive(pid)}


def end(release_id: str, daemon: int, clock: pm2.Clock) -> str:
    """End what is left of the migration of a release, and return who that was, "" for nobody. Raises CommandError."""
    left = find(release_id, daemon)
    told = proc.describe(left)
    for number in (signal.SIGTERM, signal.SIGKILL):
        asked: Set[int] = set()
        ends = clock.now() + _GRACE
        while left and clock.now() < ends:
            for pid in left.keys() - asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            asked.update(left)
            clock.sleep(_PAUSE)
            left = find(release_id, daemon)
    if left:
        raise CommandError(
            f"The migration or trial of {release_id} is still at work in process {proc.describe(left)} and cannot "
            "be ended; end it, then roll back again"
        )
    return told
