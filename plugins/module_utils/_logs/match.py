# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of a chunk of a log match a pattern, found without reading every line.

A chunk is some hundred kilobytes that end with a line. A chunk is split into lines only where a text was found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, Callable, Iterator, List, Optional, Protocol, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs.literals import (
    can_span_lines,
    literals_of,
    load_parser,
    split_alternatives,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import ESCAPES

_ESCAPES = re.compile(ESCAPES.encode())
# Measured: scanning for a byte is 10 times cheaper than for a text; a false hit costs as much as 300 bytes.
_RARE = 1000
# From so many hits in a chunk on, splitting the chunk into lines is cheaper than searching the line of each hit.
_DENSE = 600
_SAMPLE = 1 << 12
# Chunks after which a text without a rare byte is tried again.
_TRY_AGAIN = 16
_NEWLINE = ord("\n")

Verify = Callable[[str], bool]


class Chunk:
    """Lines of one log, without terminal colours and NULs, which could hide a text."""

    def __init__(self, data: bytes) -> None:
        if b"\x1b" in data:
            data = _ESCAPES.sub(b"", data)
        self.data = data.replace(b"\0", b"") if b"\0" in data else data
        self._lines: Optional[List[bytes]] = None

    def lines(self) -> Iterator[Tuple[int, bytes]]:
        """Return every line with the offset at which it begins."""
        if self._lines is None:
            self._lines = self.data.split(b"\n")
            if not self._lines[-1]:
                self._lines.pop()
        return zip(accumulate([len(line) + 1 for line in self._lines], initial=0), self._lines)

    def bounds(self, position: int) -> Tuple[int, int]:
        """Return where the line at a position begins and ends."""
        end = self.data.find(b"\n", position)
        return self.data.rfind(b"\n", 0, position) + 1, len(self.data) if end < 0 else end

    def line_at(self, start: int) -> str:
        """Return the line that begins at an offset, invalid UTF-8 in it replaced."""
        return self.data[start : self.bounds(start)[1]].decode("utf-8", "replace").rstrip()


class Needle:
    """A text to search for: by its rarest byte, as long as that is rare."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._rare: Optional[int] = None
        self._missed = 0
        self._chunks = 0

    def prepare(self, data: bytes) -> None:
        """Choose the byte to search for in the next chunks, when the last one had too many false hits."""
        failed = self._missed * _RARE > len(data)
        self._missed = 0
        self._chunks += 1
        if not failed and (self._rare is not None or self._chunks % _TRY_AGAIN != 1):
            return
        sample = data[:_SAMPLE]
        counts = [sample.count(byte) for byte in self.text]
        rarest = min(range(len(counts)), key=counts.__getitem__)
        self._rare = rarest if counts[rarest] * _RARE <= len(sample) else None

    def find(self, data: bytes, begin: int) -> int:
        """Return the first position of the text from `begin` on, -1 when there is none."""
        if self._rare is None:
            return data.find(self.text, begin)
        byte = self.text[self._rare]
        at = data.find(byte, begin + self._rare)
        while at >= 0:
            if data.startswith(self.text, at - self._rare):
                return at - self._rare
            self._missed += 1
            at = data.find(byte, at + 1)
        return -1


class Finder(Protocol):
    """Finds the lines of a chunk that match one thing."""

    def find(self, chunk: Chunk) -> Set[int]:
        """Return where these lines begin."""

    def count(self, chunk: Chunk) -> int:
        """Return their number."""


@dataclass
class Alternative:
    """Texts, one of which a line must contain, and what else must hold for it; no texts where there are none.

    `survey` says of many lines together whether any of them can match, where that is known.
    """

    needles: Sequence[Needle]
    verify: Optional[Verify] = None
    survey: Optional[Verify] = None
    dense: bool = False

    def find(self, chunk: Chunk) -> Set[int]:
        """Return where the lines begin that match."""
        if self.dense or not self.needles:
            return self._find_in_lines(chunk)
        return {start for needle in self.needles for start in self._find_by(needle, chunk)}

    def _find_by(self, needle: Needle, chunk: Chunk) -> Iterator[int]:
        data, hits = chunk.data, 0
        needle.prepare(data)
        at = needle.find(data, 0)
        while at >= 0:
            hits += 1
            start, end = chunk.bounds(at)
            if self.verify is None or self.verify(chunk.line_at(start)):
                yield start
            at = needle.find(data, end)
        self.dense = self.dense or hits > _DENSE

    def count(self, chunk: Chunk) -> int:
        """Return the number of lines that match."""
        if self.verify is not None or not self.dense:
            return len(self.find(chunk))
        # Two hits are on two lines when a line ends between them.
        parts = chunk.data.split(self.needles[0].text)
        return sum([_NEWLINE in part for part in parts[1:-1]]) + (len(parts) > 1)

    def _find_in_lines(self, chunk: Chunk) -> Set[int]:
        if self.survey is not None and not self.survey(chunk.data.decode("utf-8", "replace")):
            return set()
        candidates = chunk.lines()
        if self.needles:
            # The method is three times as fast as `in`, which tries a number first.
            first, *others = [needle.text for needle in self.needles]
            kept = [
                (start, line)
                for start, line in candidates
                if line.find(first) >= 0 or (others and any(line.find(text) >= 0 for text in others))
            ]
            self.dense = len(kept) > _DENSE
            candidates = iter(kept)
        verify = self.verify
        if verify is None:
            return {start for start, _line in candidates}
        return {start for start, line in candidates if verify(line.decode("utf-8", "replace").rstrip())}


@dataclass(frozen=True)
class Matcher:
    """A pattern: what finds its lines in whole chunks, and `matches` for one line."""

    shown: str
    matches: Verify
    finders: Sequence[Finder]

    def find(self, chunk: Chunk) -> List[int]:
        """Return where the matching lines begin, ascending."""
        found: Set[int] = set()
        for finder in self.finders:
            found |= finder.find(chunk)
        return sorted(found)

    def count(self, chunk: Chunk) -> int:
        """Return the number of matching lines."""
        return self.finders[0].count(chunk) if len(self.finders) == 1 else len(self.find(chunk))


def literal(text: str) -> Matcher:
    """Return what finds lines with a text."""
    return Matcher(text, lambda line: text in line, [Alternative([_needle(text)])])


def regular(pattern: str, parser: Any = None) -> Matcher:
    """Return what finds lines that a regular expression matches. Raises re.error."""
    parser = parser or _parser()
    finders = []
    for part in split_alternatives(pattern):
        needles = [_needle(text) for text in sorted(literals_of(part, parser) or ())]
        search = _searcher(part)
        finders.append(Alternative(needles, search, search if can_span_lines(part, parser) else None))
    return Matcher(pattern, _searcher(pattern), finders)


def _needle(text: str) -> Needle:
    return Needle(text.encode("utf-8", "surrogatepass"))


def _searcher(pattern: str) -> Verify:
    search = re.compile(pattern).search
    return lambda line: search(line) is not None


@lru_cache(maxsize=None)
def _parser() -> Any:
    return load_parser()
