# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests in a log, found by how its styles write them: how many there were, which failed, and how long they took."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Pattern, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk, Matcher
from ansible_collections.greenlight.release.plugins.module_utils._logs.styles import (
    AUTO,
    BY_NAME,
    STATUS,
    Line,
    Style,
    guess_style,
    read_line,
    requests_style,
)

_ANY, _FAILED = rb"[1-5]\d\d", rb"5\d\d"
# Lines of the first chunk, and of each later one, by which the styles of a log are told.
_FIRST_LINES, _LATER_LINES = 200, 4
# So many lines of all are read whole, so that an error with a status is not taken for a request. In a log of more
# requests than that a few errors change no rate.
_READ_WHOLE = 1000


@dataclass
class Styles:
    """The styles of the logs that are read: given, or found out from their lines as they are read."""

    given: Sequence[str]
    found: List[str] = field(default_factory=list)
    _seen: int = 0
    _last: Optional[Chunk] = None

    def of(self, chunk: Chunk) -> Sequence[Style]:
        """Return the styles to look for in a chunk. It is looked at once, however many ask."""
        if AUTO not in self.given:
            self.found = [name for name in self.given if name in BY_NAME]
        elif chunk is not self._last:
            lines, self._last = [line for _start, line in chunk.lines()], chunk
            wanted = _LATER_LINES if self._seen else _FIRST_LINES
            sample = lines[:: max(1, len(lines) // wanted)]
            self._seen += len(sample)
            for name in guess_style(line.decode("utf-8", "replace").rstrip() for line in sample):
                self.found += [] if name in self.found else [name]
        return requests_style(self.found)


@dataclass
class RequestFinder:
    """Finds the lines of requests, all of them or those with a status."""

    styles: Styles
    status: bytes
    holds: Callable[[Line], bool]
    _patterns: Dict[str, List[Pattern[bytes]]] = field(default_factory=dict)
    _read: int = 0

    def find(self, chunk: Chunk) -> Set[int]:
        """Return where the lines begin."""
        found: Set[int] = set()
        for pattern in self._patterns_for(chunk):
            hits = [hit.start() for hit in pattern.finditer(chunk.data)]
            found |= {chunk.data.rfind(b"\n", 0, hit) + 1 for hit in hits}
        if self.status == _ANY:
            self._read += len(found)
            if self._has_read_enough:
                return found
        return {start for start in found if self.holds(read_line(chunk.line_at(start)))}

    def count(self, chunk: Chunk) -> int:
        """Return the number of lines."""
        patterns = self._patterns_for(chunk)
        if self.status == _ANY and self._has_read_enough and len(patterns) == 1:
            return len(patterns[0].findall(chunk.data))
        return len(self.find(chunk))

    @property
    def _has_read_enough(self) -> bool:
        return self._read > _READ_WHOLE

    def _patterns_for(self, chunk: Chunk) -> List[Pattern[bytes]]:
        found: List[Pattern[bytes]] = []
        for style in self.styles.of(chunk):
            if style.name not in self._patterns:
                self._patterns[style.name] = [re.compile(each.replace(STATUS, self.status)) for each in style.requests]
            found += self._patterns[style.name]
        return found


def all_requests(styles: Styles) -> Matcher:
    """Return what finds the lines of requests."""
    return _matcher("a request", styles, _ANY, lambda line: line.request is not None)


def failed_requests(styles: Styles) -> Matcher:
    """Return what finds the lines of requests that were answered with a status of 500 or more."""
    return _matcher("a failed request", styles, _FAILED, lambda line: line.request is not None and line.request.failed)


def _matcher(shown: str, styles: Styles, status: bytes, holds: Callable[[Line], bool]) -> Matcher:
    return Matcher(shown, lambda line: holds(read_line(line)), [RequestFinder(styles, status, holds)])
