# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that end in time: within an alarm, and several at once in processes of their own.

A process can be interrupted in whatever it does, and ended where even that does not help; a thread cannot.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from types import FrameType
from typing import Any, Callable, Dict, List, Optional, Sequence, TypeVar

from ansible_collections.greenlight.release.plugins.module_utils._host import child
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

T = TypeVar("T")
_PIECE = 1 << 16
_AGAIN = 0.5


class TooSlowError(GreenlightError):
    """An action took longer than it may."""


def within(seconds: float, action: Callable[[], T]) -> T:
    """Return what an action returns. Raises TooSlowError in the midst of it when it takes longer.

    It uses the alarm of the process, so it works in the main thread, and not within itself.
    """

    running = [True]

    def interrupt(_number: int, _frame: Optional[FrameType]) -> None:
        if running:
            raise TooSlowError

    signal.signal(signal.SIGALRM, interrupt)
    # Again and again, since Python drops an exception that comes while it clears something away.
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        try:
            return action()
        finally:
            running.clear()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def run_all(jobs: Sequence[Callable[[], Any]], seconds: float) -> List[Any]:
    """Run jobs at the same time, each in a process of its own, and return their results, which must fit into JSON.

    The result is None for a job that ended without one, or was killed since `seconds` were over.
    """
    readers = dict(child.start(job) for job in jobs)
    received = _receive(list(readers.values()), time.monotonic() + seconds)
    results = []
    for pid, reader in readers.items():
        os.close(reader)
        if reader not in received:
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        results.append(json.loads(received[reader]) if status == 0 else None)
    return results


def _receive(readers: Sequence[int], ends: float) -> Dict[int, bytes]:
    """Return what came from each descriptor that was closed at the other side in time."""
    parts: Dict[int, List[bytes]] = {reader: [] for reader in readers}
    done: Dict[int, bytes] = {}
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while len(done) < len(readers):
            ready = selector.select(max(0.0, ends - time.monotonic()))
            if not ready and time.monotonic() >= ends:
                break
            for key, _events in ready:
                piece = os.read(key.fd, _PIECE)
                if piece:
                    parts[key.fd].append(piece)
                else:
                    selector.unregister(key.fd)
                    done[key.fd] = b"".join(parts[key.fd])
    return done
