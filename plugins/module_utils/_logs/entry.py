# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several lines that say one thing: an error with its stack and its properties, and what ended the app with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs import documents
from ansible_collections.greenlight.release.plugins.module_utils._logs.kinds import kind_of, own_frame
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk, Verify
from ansible_collections.greenlight.release.plugins.module_utils._logs.styles import Line, read_line, without_date

# A frame of a stack, a property of an error, a bracket that ends one, what a module that is missing was asked for by.
_CONTINUES = re.compile(r"\s+\S|[}\])]+[,;]?$|- [/.\w]|Require stack:$|→")
_FRAME = re.compile(r"\s+at ")
_MOST_LINES = 100
# What Node writes last when an error that nothing caught ends it.
_END_OF_NODE = re.compile(r"Node\.js v\d+\.\d+\.\d+\S*$")
# Errors that say that a client asked for something wrong: by their names, as http-errors and Nest have them. Express
# hands on an address that cannot be decoded.
_CLIENT = re.compile(
    r"\b(?:BadRequest|Unauthorized|PaymentRequired|Forbidden|NotFound|MethodNotAllowed|NotAcceptable|RequestTimeout|"
    r"Conflict|Gone|PayloadTooLarge|URITooLong|UnsupportedMediaType|UnprocessableEntity|TooManyRequests)"
    r"(?:Error|Exception)\b|\bURIError: Failed to decode param|\brequest aborted\b|\bFST_ERR_(?:CTP|VALIDATION)"
)
# A text that is no JSON. A body is parsed by a library, or by the app as the request comes in; all else is the app's.
_NO_JSON = re.compile(
    r"\bSyntaxError: .*\bJSON\b|\bis not valid JSON\b|\bin JSON at position \d|\bUnexpected end of JSON input\b"
)
_COMES_IN = "IncomingMessage"
# The app asked somebody else, whose answer has a status too.
_ASKED = re.compile(
    r"\b(?:Axios|Fetch|HTTP|StatusCode)Error\b|\bRequest failed with status code \d|\bResponse code \d\d\d\b"
)
_CLIENT_STATUS = re.compile(r"^\s+['\"]?(?:status|statusCode)['\"]?: 4\d\d,?$")


@dataclass(frozen=True)
class LogEntry:
    """One entry: where it begins in its chunk, its first line, the lines behind it, and what the first one says."""

    start: int
    text: str
    following: Tuple[str, ...]
    line: Line
    ended_app: bool

    @property
    def level(self) -> int:
        """Return the level; that of a request is none, as its status says it."""
        return documents.INFO if self.line.request else self.line.level

    def matches(self, matches: Verify) -> bool:
        """Say whether a pattern is in what the entry says: not in what a client sent, nor in where a stack goes."""
        return matches(self.line.said) or any(map(matches, self._properties()))

    def _properties(self) -> List[str]:
        return [documents.without_urls(line) for line in self.following if not _FRAME.match(line)]

    def is_of_client(self) -> bool:
        """Say whether a client asked for something wrong, and the app went on."""
        said = self.line.said
        if self.ended_app or _ASKED.search(said):
            return False
        status = documents.error_status(self.line.document) if self.line.document else None
        if status is not None and 400 <= status < 500:
            return True
        if _CLIENT.search(said) or any(_CLIENT_STATUS.match(line) for line in self.following):
            return True
        return bool(_NO_JSON.search(said)) and self._is_of_body()

    def _is_of_body(self) -> bool:
        inside = documents.error_texts(self.line.document) if self.line.document else []
        stack = "\n".join([*self.following, *inside])
        return _COMES_IN in stack or not own_frame(stack)

    def kind(self) -> str:
        return kind_of(f"{'ended the app: ' if self.ended_app else ''}{self.text}", self.following)


def entry_at(chunk: Chunk, start: int) -> LogEntry:
    """Return the entry that the line at an offset belongs to."""
    head = _head_of(chunk, start)
    text = chunk.line_at(head)
    following, after = _following(chunk, head)
    return LogEntry(head, text, following, read_line(text), _ends_app(chunk, after))


def _head_of(chunk: Chunk, start: int) -> int:
    """Return where the entry begins that a line belongs to. The line with which Node ends belongs to the last error."""
    head, is_end = start, bool(_END_OF_NODE.match(without_date(chunk.line_at(start))))
    for _line in range(_MOST_LINES):
        text = without_date(chunk.line_at(head))
        is_blank = is_end and not text
        if head == 0 or not (is_blank or _CONTINUES.match(text) or (is_end and head == start)):
            return head
        before = chunk.bounds(head - 1)[0]
        if not is_end and not without_date(chunk.line_at(before)):
            # Behind an empty line begins something else, as an error of Koa does, which moves it to the right.
            return head
        head = before
    return start


def _following(chunk: Chunk, head: int) -> Tuple[Tuple[str, ...], int]:
    """Return the lines that continue the one at an offset, and where the next one begins."""
    lines: List[str] = []
    at = chunk.bounds(head)[1] + 1
    while at < len(chunk.data) and len(lines) < _MOST_LINES:
        text = without_date(chunk.line_at(at))
        if not _CONTINUES.match(text):
            break
        lines.append(text)
        at = chunk.bounds(at)[1] + 1
    return tuple(lines), at


def _ends_app(chunk: Chunk, at: int) -> bool:
    """Say whether Node ends behind an entry. An empty line is between them."""
    if at >= len(chunk.data):
        return False
    text = without_date(chunk.line_at(at))
    if not text:
        at = chunk.bounds(at)[1] + 1
        text = without_date(chunk.line_at(at)) if at < len(chunk.data) else ""
    return bool(_END_OF_NODE.match(text))
