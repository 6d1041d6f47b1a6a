# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a child process, which returns its result through a pipe."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Tuple


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
