# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a child process, which returns its result through a pipe."""

from __future__ import annotations

import ctypes
import json
import os
import signal
from typing import Any, Callable, Tuple

# prctl(2): which signal this process gets when its parent dies.
_PR_SET_PDEATHSIG = 1


def start(work: Callable[[], Any]) -> Tuple[int, int]:
    """Start work in a child process, and return its pid and a descriptor to read what it returns from, as JSON.

    Nothing comes from work that raises, or is killed. Whoever calls this closes the descriptor and awaits the child.
    """
    reader, writer = os.pipe()
    pid = os.fork() or _work_and_exit(work, writer)
    os.close(writer)
    return pid, reader


def _work_and_exit(work: Callable[[], Any], writer: int) -> int:
    """Do the work in the child. It never returns."""
    status = 1
    try:
        status = write_result(work, writer)
    finally:
        os._exit(status)


def write_result(work: Callable[[], Any], writer: int) -> int:
    """Write what work returns to a descriptor, and return the status to end with."""
    with os.fdopen(writer, "wb") as file:
        file.write(json.dumps(work()).encode())
    return 0


def die_with_parent(parent: int) -> None:
    """Let this process be killed when its parent, of that pid, dies; at once where that has happened already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
