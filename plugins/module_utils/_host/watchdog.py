# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run work that may hang in the kernel, as on storage that does not answer, without hanging with it.

The work is done by a child process. A process that waits for a dead disk uses no processor time and cannot be
interrupted, one that is merely slow uses some: so the child is killed when its processor time stands still.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
import traceback
from typing import Any, Callable, List, Type

from ansible_collections.greenlight.release.plugins.module_utils._host import child
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_POLL_SECONDS = 0.5


class GivenUp(GreenlightError):
    """The work has not moved for too long, or ended without a result."""


def processor_time(pid: int) -> float:
    """Return the processor time of another process and all its threads, in seconds.

    Source of the clock's number: clock_getcpuclockid(3), CPUCLOCK_SCHED in linux/posix-timers.h.
    """
    return time.clock_gettime((~pid << 3) | 2)


def run_watched(
    work: Callable[[], Any],
    timeout: float,
    failure: Type[Exception],
    used: Callable[[int], float] = processor_time,
    clock: Callable[[], float] = time.monotonic,
) -> Any:
    """Return what `work` returns, a value of JSON, or raise the `failure` that it raised, with its text.

    Raises GivenUp when it has not used the processor for `timeout` seconds, and kills it, and when it ends otherwise.
    """
    parent = os.getpid()
    pid, reading = child.start(lambda: _outcome(work, failure, parent))
    try:
        answer = _read_all(reading, pid, timeout, used, clock)
    except GivenUp:
        # A process that hangs in the kernel ends when the kernel lets go of it; nothing waits for that.
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
    os.waitpid(pid, 0)
    if not answer:
        raise GivenUp("it was killed, perhaps by the system for its use of memory")
    outcome, value = json.loads(answer)
    if outcome == "failed":
        raise failure(value)
    if outcome == "broken":
        raise GivenUp(f"it met an error that it does not know, {value}; please report it")
    return value


def _outcome(work: Callable[[], Any], failure: Type[Exception], parent: int) -> List[Any]:
    """Do the work in the child, which ends with its parent, and return how it went and what came of it."""
    child.die_with_parent(parent)
    try:
        return ["done", work()]
    except failure as error:
        return ["failed", str(error)]
    except Exception as error:
        traceback.print_exc()
        return ["broken", "".join(traceback.format_exception_only(type(error), error)).strip()]


def _read_all(
    reading: int, pid: int, timeout: float, used: Callable[[int], float], clock: Callable[[], float]
) -> bytes:
    parts: List[bytes] = []
    seen, since = -1.0, clock()
    while True:
        if select.select([reading], [], [], _POLL_SECONDS)[0]:
            part = os.read(reading, 1 << 16)
            if not part:
                return b"".join(parts)
            parts.append(part)
            continue
        with contextlib.suppress(OSError):  # It has just ended, which the pipe will say.
            if used(pid) > seen:
                seen, since = used(pid), clock()
        if clock() - since > timeout:
            raise GivenUp(f"nothing has moved for {timeout:g} seconds, as when the storage does not answer")
