# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about a field of JSON lines, such as the level of a logger that writes JSON.

A line may begin with something else, as with `pm2 start --time`, and may be the `message` of another JSON, as PM2
writes it with `--log-type json`.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Set

from ansible_collections.greenlight.release.plugins.module_utils._logs.match import (
    Alternative,
    Chunk,
    Finder,
    Matcher,
    Needle,
)
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import ORDERED, describe, make_test

_REMEMBERED = 1000
# Text before the document may hold braces too, but a line of nothing but braces must not take long.
_BEGINNINGS = 8


def parse_line(line: str) -> Any:
    """Return the document in a line, None when there is none."""
    document = _document_in(line)
    if document is None:
        return None
    inner = document.get("message")
    if "timestamp" in document and isinstance(inner, str) and inner.startswith("{"):
        return parse_line(inner) or document
    return document


def _document_in(line: str) -> Any:
    begin = line.find("{")
    for _attempt in range(_BEGINNINGS):
        if begin < 0:
            break
        try:
            return json_path.parse_beginning(line[begin:])
        except json_path.JSONPathError:
            begin = line.find("{", begin + 1)
    return None


def value_in(line: str, path: str) -> Any:
    """Return the value of a field. Raises JSONPathError for a line without it."""
    return json_path.value_at(parse_line(line), path)


def field_matcher(path: str, condition: str, limit: Any) -> Matcher:
    """Return what finds lines whose field meets a condition of CONDITIONS. Raises re.error, ConditionError."""
    holds = make_test(condition, limit)

    def matches(line: str) -> bool:
        try:
            return holds(value_in(line, path))
        except json_path.JSONPathError:
            return condition == "exists" and not limit and parse_line(line) is not None

    value = f"{limit:g}" if isinstance(limit, float) else str(limit)
    shown = f"{path} {describe(condition)} {value}"
    return Matcher(shown, matches, [_finder(path, condition, limit, matches)])


def _finder(path: str, condition: str, limit: Any, matches: Callable[[str], bool]) -> Finder:
    key = json_path.names_in(path)[-1:]
    # A key with other characters could be written in several forms.
    if not key or not re.fullmatch(r"[A-Za-z0-9_-]+", key[0]) or (condition == "exists" and not limit):
        return Alternative([], matches)
    # The number of an element of a list does not follow its key.
    if condition in ORDERED and not path.endswith("]"):
        return NumberAlternative(key[0], make_test(condition, limit), matches)
    if condition == "equals" and isinstance(limit, str) and re.fullmatch(r"[A-Za-z0-9_-]+", limit):
        return Alternative([Needle(limit.encode())], matches)
    return Alternative([Needle(f'"{key[0]}'.encode())], matches)


class NumberAlternative:
    """Finds lines by the numbers that follow a key, most of which need no second check."""

    def __init__(self, key: str, holds: Callable[[Any], bool], verify: Callable[[str], bool]) -> None:
        self._number = re.compile(rf'"{key}\\*"\s*:\s*\\*"?([^\s,}}\\"]+)'.encode())
        self._holds, self._verify = holds, verify
        self._known: Dict[bytes, bool] = {}

    def find(self, chunk: Chunk) -> Set[int]:
        """Return where the lines begin that match."""
        found: Set[int] = set()
        for match in self._number.finditer(chunk.data):
            if self._is_wanted(match.group(1)):
                start = chunk.bounds(match.start())[0]
                if start not in found and self._verify(chunk.line_at(start)):
                    found.add(start)
        return found

    def count(self, chunk: Chunk) -> int:
        """Return the number of lines that match."""
        return len(self.find(chunk))

    def _is_wanted(self, text: bytes) -> bool:
        if text not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[text] = self._holds(text.decode("utf-8", "replace"))
        return self._known[text]
