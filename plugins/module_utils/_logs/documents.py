# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of JSON says, as pino, bunyan, Fastify, winston, Nest and Caddy write it: level, message, request."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

INFO, WARNING, ERROR, FATAL = 30, 40, 50, 60
_LEVELS = {
    **dict.fromkeys(("trace", "silly"), 10),
    **dict.fromkeys(("debug", "verbose"), 20),
    **dict.fromkeys(("info", "http", "log", "notice", "data"), INFO),
    **dict.fromkeys(("warn", "warning"), WARNING),
    **dict.fromkeys(("error", "err", "severe", "crit", "critical"), ERROR),
    **dict.fromkeys(("fatal", "alert", "emerg", "emergency", "panic", "dpanic"), FATAL),
}
# What a client sent. Of an error its message stays, and of a request its answer.
_SENT = frozenset(
    (
        *("req", "request", "url", "originalUrl", "uri", "path", "query", "params", "headers", "cookies"),
        *("body", "rawBody", "rawPacket", "responseBody", "referer", "referrer", "host", "ip"),
        *("userAgent", "user_agent", "user-agent", "remoteAddress", "remoteUser"),
    )
)
# A URL in a message, and a query behind a path. A quote or a bracket ends it.
_URL = re.compile(
    r"""\b(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE)(?::|\s)\s*(?:https?:/)?/[^\s"'`<>\\,]*"""
    r"""|\bhttps?://[^\s"'`<>\\,)]*|\?[\w.%\[\]-]+=[^\s"'`<>\\,)]*"""
)
_STATUS = ("statusCode", "status", "status_code", "res.statusCode", "res.status", "meta.res.statusCode", "meta.status")
_METHOD = ("method", "req.method", "request.method", "meta.req.method")
_PATH = ("url", "path", "req.url", "request.uri", "request.url", "meta.req.url")
_TOOK = ("responseTime", "response_time", "durationMs", "duration_ms", "duration", "elapsed", "meta.responseTime")
_ERRORS = ("err", "error", "meta.error", "reason")
_DEEPEST = 4


class LoggedRequest(NamedTuple):
    """One request and its answer. `milliseconds` is None where the line does not say how long it took."""

    method: str
    path: str
    status: int
    milliseconds: Optional[float] = None

    @property
    def failed(self) -> bool:
        return self.status >= 500


def level_in(document: Mapping[str, Any]) -> Any:
    """Return what a document says of its level: of ECS the name has a dot in it, and log4js has two values for it."""
    level = document.get("log.level", value_of(document, ("level", "severity", "log.level")))
    return level.get("levelStr") if isinstance(level, dict) else level


def level_of(value: Any) -> int:
    """Return a level on pino's scale, that of information where nothing is known."""
    if isinstance(value, (int, float)):
        return int(value)
    return _LEVELS.get(str(value).lower(), INFO)


def without_urls(text: str) -> str:
    """Return a message without what a client may have written into it: an address, and the query in it."""
    return _URL.sub(lambda found: f"{found[1] or ''} URL".lstrip(), text)


def said(document: Mapping[str, Any]) -> str:
    """Return the document as text, without what a client sent and without the frames of stacks."""
    kept = _kept(document, 0)
    if kept.get("message") == "middlewareError" and isinstance(kept.get("meta"), dict):
        # express-winston says this of every error that it was handed, and of none that ended the app.
        kept["meta"]["message"] = str(kept["meta"].get("message")).replace("uncaughtException: ", "", 1)
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def _kept(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return {name: _kept(each, depth + 1) for name, each in value.items() if name not in _SENT}
    if isinstance(value, list):
        return [_kept(each, depth + 1) for each in value] if depth < _DEEPEST else []
    return without_urls(value.partition("\n    at ")[0]) if isinstance(value, str) else value


def value_of(document: Mapping[str, Any], paths: Sequence[str]) -> Any:
    """Return the value at the first of some paths that the document has, None where it has none of them."""
    for path in paths:
        value: Any = document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def request_of(document: Mapping[str, Any], style: str) -> Optional[LoggedRequest]:
    """Return the request that a document tells of, None for one that tells of none, or not yet of its answer."""
    status, method = _number(value_of(document, _STATUS)), value_of(document, _METHOD)
    took = _number(value_of(document, _TOOK))
    # Fastify writes an error with the request and its status, and the answer once more.
    if status is None or not 100 <= status < 600 or (took is None and (method is None or style == "fastify")):
        return None
    milliseconds = took * 1000 if took is not None and style == "caddy" else took
    return LoggedRequest(str(method or ""), str(value_of(document, _PATH) or ""), int(status), milliseconds)


def _number(value: Any) -> Optional[float]:
    try:
        return None if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError):
        return None


def error_texts(document: Mapping[str, Any]) -> List[str]:
    """Return the stacks of the errors in a document, those inside of others last."""
    places: List[Any] = [document, *(value_of(document, [path]) for path in _ERRORS), document.get("meta")]
    stacks = [place["stack"] for place in places if isinstance(place, dict) and "stack" in place]
    return [text for text in (_text(stack) for stack in stacks) if text]


def _text(stack: Any) -> str:
    lines = stack if isinstance(stack, list) else [stack]
    return "\n".join(line for line in lines if isinstance(line, str))


def error_status(document: Mapping[str, Any]) -> Optional[int]:
    """Return the status that an error is answered with, None for an error that says nothing of it.

    What was answered counts before what the error says: it may have come from another service.
    """
    answered = _number(value_of(document, ("res.statusCode",)))
    if answered is not None:
        return int(answered)
    places: Dict[str, Any] = {"": document, **{path: value_of(document, [path]) for path in _ERRORS}}
    for place in places.values():
        status = _number(value_of(place, ("statusCode", "status"))) if isinstance(place, dict) else None
        if status is not None:
            return int(status)
    return None
