# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the logs of PM2 and of an app say since something was done to it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, Set

from ansible_collections.greenlight.release.plugins.module_utils._host import trust
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import SHOWN, redact

# `processIsDead` in PM2's lib/God/Methods.js: "sending it SIGKILL now" in PM2 5 and 6, "sending SIGKILL to" in 7.
_KILLED = re.compile(r"Process with pid (\d+) still alive after \d+ms, sending")
# Bytes that are read of a log at most.
_SPAN = 256 * 1024


@dataclass(frozen=True)
class LogMark:
    """A log, and how long it was, in bytes, when it was marked."""

    path: Path
    offset: int

    @classmethod
    def of(cls, path: Path) -> LogMark:
        """Mark the end of a log; one that is not there yet counts from its beginning."""
        try:
            return cls(path, path.stat().st_size)
        except OSError:
            return cls(path, 0)

    @classmethod
    def of_all(cls, home: Path, known: Iterable[str]) -> List[LogMark]:
        """Mark the logs in `known`, and those where PM2 would write for a process that it does not know yet."""
        return [cls.of(path) for path in sorted({*map(Path, known), *(home / "logs").glob("*.log")})]

    def since(self) -> str:
        """Return what was written since, its end if that is long, and nothing when the log cannot be read.

        A log that is shorter than before was started again.
        """
        try:
            with os.fdopen(trust.open_regular(self.path), "rb") as file:
                size = file.seek(0, 2)
                begin = self.offset if self.offset <= size else 0
                file.seek(max(begin, size - _SPAN))
                return file.read(_SPAN).decode("utf-8", "replace")
        except (OSError, trust.TrustError):
            return ""


def killed_pids(text: str) -> Set[int]:
    """Return the processes that ignored the signal to end, by PM2's own log, so that it had to kill them."""
    return {int(pid) for pid in _KILLED.findall(text)}


def last_lines(text: str, count: int = 8) -> List[str]:
    """Return the last lines of a log that are no stack frames, safe to print: without what looks like a secret."""
    lines = ["".join(c if c.isprintable() else " " for c in line).strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith("at ")][-count:]
    # A secret that the cut would halve is replaced first; what lies far behind the cut need not be searched.
    return [redact(line[: 8 * SHOWN])[:SHOWN] for line in said]
