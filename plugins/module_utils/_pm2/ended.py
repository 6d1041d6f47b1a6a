# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knowing while others wait for an app that its process has ended for good, so that nobody waits for nothing."""

from __future__ import annotations

from typing import Callable, Dict, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance

# PM2 starts no process again that is one of these.
_OVER = ("stopped", "errored")
# One end may be an accident, from which PM2 has brought the app back.
_AGAIN = 2


def watch_end(name: str, read: Callable[[], Sequence[Instance]]) -> Callable[[], str]:
    """Return what says why it is no use to wait for a process, an empty text as long as that is not certain.

    `read` returns its instances. A PM2 that cannot be asked says nothing about the app.
    """
    first = _count_restarts(read)

    def why() -> str:
        try:
            instances = read()
        except PM2Error:
            return ""
        if not instances:
            return f"PM2 has no process {name}"
        if all(each.status in _OVER for each in instances):
            return f"PM2 says that {name} is {instances[0].status}"
        ended = max(each.restarts - first.get(each.pm_id, each.restarts) for each in instances)
        return f"{name} ended {ended} times meanwhile" if ended >= _AGAIN else ""

    return why


def _count_restarts(read: Callable[[], Sequence[Instance]]) -> Dict[int, int]:
    try:
        return {each.pm_id: each.restarts for each in read()}
    except PM2Error:
        return {}
