# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the loggers and servers of Node apps write a line: its level, its message, and the request that it tells of.

A style is a row of STYLES. A log may have lines of several: the first one that can read a line is the one of it, and
`plain` reads every line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs import documents
from ansible_collections.greenlight.release.plugins.module_utils._logs.documents import (
    LoggedRequest,
    level_in,
    level_of,
    request_of,
    value_of,
    without_urls,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import ESCAPES

LEVELS = {"warning": documents.WARNING, "error": documents.ERROR, "fatal": documents.FATAL}
# What may be chosen besides the styles: found out from the lines, or whole lines and texts of the user's own.
STATUS = b"STATUS"
AUTO, CUSTOM, PLAIN = "auto", "custom", "plain"

_ESCAPES = re.compile(ESCAPES)
_TIME = r"(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?"
# PM2 and many loggers begin a line with the date.
_DATE = re.compile(rf"(?:{_TIME}(?: [AP]M)?[:,]?|\[{_TIME}\]:?) (?:[-|] )?")
# A longer line is no line of a logger.
_LONGEST = 1 << 16
_CONTINUED = re.compile(r"\s(?!\s*(?:-->|xxx|-x-) [A-Z])|[}\])]+[,;]?$|$")
# So many of the lines that were looked at make a style one of the log.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Line:
    """What a line says: its level, its text, and its request.

    `style` is the one of the line, `request_style` the one of the request in it, "" where there is none.
    """

    style: str
    level: int
    text: str
    request: Optional[LoggedRequest] = None
    request_style: str = ""
    document: Optional[Mapping[str, Any]] = None

    @property
    def said(self) -> str:
        """Return level and message, without what a client sent."""
        if self.document is None or self.request_style not in ("", self.style):
            return self.text
        name = next((name for level, name in _NAMES if self.level >= level), "")
        return f"{name} {documents.said(self.document)}".lstrip()


class Style(NamedTuple):
    """A style by its name, and how its requests look in bytes, where it has any of its own.

    One of `requests` matches once in the line of a request, to its end; STATUS stands for the status.
    """

    name: str
    requests: Tuple[bytes, ...] = ()


_JSON_STATUSES = tuple(rb'"%s":\s*"?STATUS\b[^\n]*' % name for name in (b"statusCode", b"status", b"status_code"))
_ACCESS = rb'" STATUS (?:\d+|-)(?= \\?"|\s|\\?"|$)[^\n]*'
_MORGAN = rb" STATUS (?:\d[\d.]* ms - |(?:\d+|-) - \d[\d.]* ms)[^\n]*"
_PLAIN = rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S* (?:HTTP/[\d.]+ )?(?:- |-> )?STATUS\b[^\n]*"
_NAMES = ((documents.FATAL, "FATAL"), (documents.ERROR, "ERROR"), (documents.WARNING, "WARN"))
STYLES: Tuple[Style, ...] = (
    Style("pino", (rb'"statusCode":\s*STATUS\b[^\n]*',)),
    Style("bunyan", (rb'"statusCode":\s*STATUS\b[^\n]*',)),
    Style("fastify", (rb'"statusCode":STATUS\b[^\n]*"responseTime":[^\n]*',)),
    Style("morgan", (_ACCESS, _MORGAN)),
    Style("winston", _JSON_STATUSES),
    Style("nest", _JSON_STATUSES),
    Style("log4js", (_ACCESS,)),
    Style("nginx", (_ACCESS,)),
    Style("caddy", (rb'"status":\s*STATUS\b[^\n]*',)),
    Style("json", _JSON_STATUSES),
    Style(PLAIN, (_PLAIN,)),
)
BY_NAME = {style.name: style for style in STYLES}
CHOICES = (AUTO, *BY_NAME, CUSTOM)

_METHOD = r"(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE)"
_QUOTED = r"\"(?:[^\"\\]|\\.)*\""
# How a request looks: morgan's and nginx' formats first, then what people write by hand.
_REQUESTS: Tuple[Tuple[str, Any], ...] = tuple(
    (style, re.compile(pattern))
    for style, pattern in (
        (
            "morgan",
            rf"\S+ \S+ \S+ (?:\[[^\]]+\] )?\"{_METHOD} (?P<path>\S*)[^\"]*\" (?P<status>[1-5]\d\d) (?:\d+|-)"
            rf"(?: {_QUOTED} {_QUOTED})?(?: (?P<ms>\d+(?:\.\d+)?) ms)?(?:\s|$)",
        ),
        (
            "morgan",
            rf"(?:\S+ \S+ )?{_METHOD} (?P<path>\S+) (?:HTTP/[\d.]+ )?(?P<status>[1-5]\d\d) "
            r"(?:(?:\d+|-) - )?(?P<ms>\d+(?:\.\d+)?) ms(?: - (?:\d+|-))?\s*$",
        ),
        (
            PLAIN,
            # koa-logger moves its lines to the right.
            rf"(?:\s+(?:-->|xxx|-x-) )?(?:\S+ ){{0,3}}?{_METHOD} (?P<path>/\S*) (?:HTTP/[\d.]+ )?(?:- |-> )?"
            r"(?P<status>[1-5]\d\d)\b(?:.*? (?P<ms>\d+(?:\.\d+)?) ?ms\b)?",
        ),
    )
)
# A level and a text, as the loggers write them.
_MESSAGES: Tuple[Tuple[str, Any], ...] = tuple(
    (style, re.compile(pattern))
    for style, pattern in (
        ("nest", r"\[[^\]]+\] \d+ +- .{1,40}? +(?P<level>LOG|ERROR|WARN|DEBUG|VERBOSE|FATAL) +(?P<text>.*)"),
        ("log4js", r"(?:\[[^\]]+\] )?\[(?P<level>[A-Z]+)\] \S+ - (?P<text>.*)"),
        ("nginx", r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>[a-z]+)\] \d+#\d+: (?P<text>.*)"),
        ("pino", r"(?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ?\([^)]*\): (?P<text>.*)"),
        (
            "winston",
            r"(?:\[[^\]]*\] )?\[?(?P<level>error|warn|info|http|verbose|debug|silly)\]? ?: (?P<text>.*)",
        ),
    )
)
_WORD = re.compile(
    r"(?:\S+ ){0,2}?[\[(<|]?\b(?P<level>FATAL|CRITICAL|PANIC|ERROR|WARNING|WARN|INFO|DEBUG|TRACE)\b[\])>|]?[: -]"
    r"|(?P<lower>fatal|error|warning|warn|info|debug)(?::|\])",
)
# Node writes an error as its name and what it says. A count of errors is none.
# A system error that an app writes without its name has its code.
_ERROR = re.compile(
    r"(?:^|[\s\[(:>'\"])(?:[A-Z]\w*)?(?:Error|Exception)(?: \[\w+\])?:|^(?:\w+ )?[Ee]rror:? "
    r"|\bE(?:CONNREFUSED|(?:HOST|NET)UNREACH|NOTFOUND|AI_AGAIN|TIMEDOUT|MFILE|NOSPC)\b"
)


def without_date(line: str) -> str:
    """Return a line without colours and without the date that PM2 or a logger begins it with."""
    text = _ESCAPES.sub("", line[:_LONGEST]) if "\x1b" in line else line[:_LONGEST]
    found = _DATE.match(text)
    return text[found.end() :] if found else text


def read_line(line: str) -> Line:
    """Return what a line says, by the first style that can read it."""
    text = without_date(line)
    if text.startswith("{"):
        document = _document_in(text)
        if document is not None:
            return _read_document(document)
    return _request_in(text) or _message_in(text) or _read_plain(text)


def _document_in(text: str) -> Optional[Mapping[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _read_document(document: Mapping[str, Any]) -> Line:
    message = document.get("message")
    if "app_name" in document and "process_id" in document and isinstance(message, str):
        # PM2 itself writes so with --log-type json.
        return read_line(message.rstrip("\n"))
    style = _style_of(document)
    level = level_of(level_in(document))
    request, request_style = request_of(document, style), style
    if request is not None:
        return Line(style, level, "", request, request_style, document)
    inner = _request_in(str(value_of(document, ("message", "msg")) or ""))
    if inner is not None:
        return replace(inner, style=style, document=document)
    return Line(style, level, "", None, "", document)


def _style_of(document: Mapping[str, Any]) -> str:
    level = document.get("level")
    if str(document.get("logger", "")).startswith("http.") or ("logger" in document and "ts" in document):
        return "caddy"
    if isinstance(level, int):
        if "v" in document and "hostname" in document:
            return "bunyan"
        return "fastify" if "reqId" in document else "pino"
    if not isinstance(level, str) or not {"message", "msg"} & set(document):
        return "json"
    if "context" in document and "pid" in document:
        return "nest"
    return "winston" if "message" in document else "pino"


def _request_in(text: str) -> Optional[Line]:
    for style, pattern in _REQUESTS:
        found = pattern.match(text)
        if found is not None:
            took = found["ms"]
            request = LoggedRequest(found["method"], found["path"], int(found["status"]), float(took) if took else None)
            # All else in such a line was sent by a client.
            return Line(style, documents.INFO, "", request, style)
    return None


def _message_in(text: str) -> Optional[Line]:
    for style, pattern in _MESSAGES:
        found = pattern.match(text)
        if found is not None:
            inner = _request_in(found["text"])
            if inner is not None:
                return replace(inner, style=style)
            return Line(style, level_of(found["level"]), f"{found['level'].upper()} {without_urls(found['text'])}")
    return None


def _read_plain(text: str) -> Line:
    found = _WORD.match(text)
    level = level_of(found["level"] or found["lower"]) if found else documents.INFO
    if found is None and _ERROR.search(text):
        level = documents.ERROR
    return Line(PLAIN, level, without_urls(text))


def guess_style(lines: Iterable[str]) -> List[str]:
    """Return the styles of lines of one log, that of most lines first; [] where there is no line to tell by.

    `plain` is one of them where no other is, and where requests are written in it.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        if not _CONTINUED.match(line):
            read = read_line(line)
            counts.update(list({read.style, read.request_style} - {""}))
            counts["plain requests"] += read.request_style == PLAIN
    plain, requests = counts.pop(PLAIN, 0), counts.pop("plain requests", 0)
    least = _LEAST_SHARE * (sum(counts.values()) + plain)
    names = [name for name, count in counts.most_common() if count > least]
    if requests > least or (plain and not names):
        names.append(PLAIN)
    return names


def requests_style(names: Sequence[str]) -> List[Style]:
    """Return the styles by whose bytes requests are found: where Fastify writes, pino's would find errors twice."""
    return [BY_NAME[name] for name in names if not (name == "pino" and "fastify" in names)]
