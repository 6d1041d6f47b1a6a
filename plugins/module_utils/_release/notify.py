# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications as values: which service receives which event of a release, and in which words."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence, Set, Tuple
from urllib.parse import urlsplit

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import SHORTEST_SECRET, show

EVENTS = ("start", "success", "decision", "rollback", "failed_rollback", "failed_copy", "failed_drill")
TELEGRAM = "https://api.telegram.org"
_COMMON = ("type", "name", "events", "proxy", "ca_path")
_KEYS = {
    "webhook": ("url", "headers", *_COMMON),
    "slack": ("url", *_COMMON),
    "telegram": ("token", "chat_id", "api_url", *_COMMON),
}
_NEEDED = {"webhook": ("url",), "slack": ("url",), "telegram": ("token", "chat_id")}
_TITLES = {
    "start": "the release of {to} begins",
    "success": "{to} is released",
    "decision": "the decision about {to} is {decision}",
    "rollback": "{to} was rolled back to {from_}",
    "failed_rollback": "the rollback from {to} to {from_} failed, a person must repair it",
    "failed_copy": "the backup was not copied off the host",
    "failed_drill": "the newest backup could not be restored in a drill, take a new one",
}
# Telegram takes 4096 characters, and these bounds keep every message below that.
_REASON, _CELL, _TEXT_FINDINGS, _FINDINGS = 600, 120, 5, 20


class NotifyError(GreenlightError):
    """A notification is not described as it must be. The message holds no value of it, as each may be a secret."""


@dataclass(frozen=True)
class Service:
    """One receiver: `url` is where to send to, and a secret as `headers` and `proxy` are."""

    label: str
    kind: str
    url: str = field(repr=False)
    events: Tuple[str, ...] = EVENTS
    chat_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str = field(default="", repr=False)
    ca_path: str = ""


@dataclass(frozen=True)
class Event:
    """What happened to a release on a host."""

    kind: str
    app: str
    host: str = ""
    release_id: str = ""
    from_revision: str = ""
    to_revision: str = ""
    decision: str = ""
    reason: str = ""
    findings: Tuple[Mapping[str, Any], ...] = ()


def parse_services(given: Any, option: str) -> List[Service]:
    """Return the receivers that are described in the variable or option of that name. Raises NotifyError."""
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise NotifyError(f"{option} must be a list of mappings; write one mapping for each receiver")
    return [_parse_service(each, f"{option}[{index}]") for index, each in enumerate(given)]


def _parse_service(given: Any, where: str) -> Service:
    if not isinstance(given, Mapping):
        raise NotifyError(f"{where} must be a mapping such as {{type: slack, url: ...}}")
    kind = given.get("type")
    if kind not in _KEYS:
        raise NotifyError(f"{where}.type must be one of {', '.join(_KEYS)}")
    for key in given:
        if key not in _KEYS[kind]:
            raise NotifyError(f"{where} has {_name_key(key)}; {kind} takes {', '.join(_KEYS[kind])}")
    for key in _NEEDED[kind]:
        if given.get(key) in (None, ""):
            raise NotifyError(f"{where}.{key} is missing; a notification of type {kind} needs it")
    return Service(
        label=_parse_text(given, "name", where) or f"{where} ({kind})",
        kind=str(kind),
        url=_parse_address(given, where),
        events=_parse_events(given.get("events"), where),
        chat_id=_parse_chat(given.get("chat_id"), where) if kind == "telegram" else "",
        headers=_parse_headers(given.get("headers"), where),
        proxy=_parse_url(given, "proxy", where) if given.get("proxy") else "",
        ca_path=_parse_text(given, "ca_path", where),
    )


def only_secrets(values: Iterable[str], services: Iterable[Mapping[str, Any]]) -> Set[str]:
    """Return the values that must be hidden in all output: those of the services that are no name and no short word."""
    public = {*_KEYS, *EVENTS, *(each["name"] for each in services if isinstance(each.get("name"), str))}
    return {value for value in values if len(value) >= SHORTEST_SECRET and value not in public}


def _name_key(key: Any) -> str:
    """Name a key that is not known, unless it could be a value in the wrong place."""
    plain = isinstance(key, str) and re.fullmatch("[a-z_]{1,20}", key)
    return f"no key {key!r}" if plain else "a key that is no name"


def _parse_text(given: Mapping[str, Any], key: str, where: str) -> str:
    text = given.get(key) or ""
    if not isinstance(text, str) or not text.isprintable():
        raise NotifyError(f"{where}.{key} must be a text of one line")
    return text


def _parse_url(given: Mapping[str, Any], key: str, where: str) -> str:
    text = _parse_text(given, key, where)
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or " " in text:
        raise NotifyError(f"{where}.{key} must be a whole http or https URL; it is not shown, as it may be a secret")
    return text


def _parse_address(given: Mapping[str, Any], where: str) -> str:
    if given["type"] != "telegram":
        return _parse_url(given, "url", where)
    # A token with a slash or a question mark would lead to another method of the interface.
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", _parse_text(given, "token", where)):
        raise NotifyError(f"{where}.token must look like 123456:ABC-def; it is not shown, as it is a secret")
    base = _parse_url(given, "api_url", where) if given.get("api_url") else TELEGRAM
    return f"{base.rstrip('/')}/bot{given['token']}/sendMessage"


def _parse_chat(chat: Any, where: str) -> str:
    text = "" if isinstance(chat, bool) else str(chat)
    if not re.fullmatch(r"-?[0-9]+|@[A-Za-z0-9_]+", text):
        raise NotifyError(f"{where}.chat_id must be a number, or the name of a channel such as @releases")
    return text


def _parse_events(events: Any, where: str) -> Tuple[str, ...]:
    if events is None:
        return EVENTS
    if not isinstance(events, Sequence) or isinstance(events, str) or not set(map(str, events)) <= set(EVENTS):
        raise NotifyError(f"{where}.events must be a list of some of {', '.join(EVENTS)}")
    return tuple(map(str, events))


def _parse_headers(headers: Any, where: str) -> Dict[str, str]:
    given = {} if headers is None else headers
    if not isinstance(given, Mapping):
        raise NotifyError(f"{where}.headers must be a mapping of names to texts")
    for name, value in given.items():
        good = isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9-]+", name) and isinstance(value, str)
        if not good or not value.isascii() or not value.isprintable():
            raise NotifyError(f"{where}.headers must have plain names, and texts of one line in ASCII as values")
    return dict(given)


def write_message(service: Service, event: Event) -> bytes:
    """Return the body of the request that notifies a service of an event, JSON in UTF-8."""
    return json.dumps(_WRITERS[service.kind](service, event)).encode()


def _write_webhook(_service: Service, event: Event) -> Dict[str, Any]:
    return {
        "format": 1,
        "event": event.kind,
        "app": event.app,
        "host": event.host,
        "release_id": event.release_id,
        "from_revision": event.from_revision,
        "to_revision": event.to_revision,
        "decision": event.decision,
        "reason": show(event.reason, _REASON),
        "findings": [_shorten(finding) for finding in _missed(event)[:_FINDINGS]],
        "text": "\n".join(_lines(event)),
    }


def _write_slack(_service: Service, event: Event) -> Dict[str, Any]:
    # These three are all that Slack has for mentions and links; without mrkdwn no other sign means anything.
    text = "\n".join(_lines(event)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text, "mrkdwn": False, "unfurl_links": False}


def _write_telegram(service: Service, event: Event) -> Dict[str, Any]:
    title, *rest = (html.escape(line, quote=False) for line in _lines(event))
    return {
        "chat_id": service.chat_id,
        "text": "\n".join([f"<b>{title}</b>", *rest]),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


_WRITERS: Mapping[str, Callable[[Service, Event], Dict[str, Any]]] = {
    "webhook": _write_webhook,
    "slack": _write_slack,
    "telegram": _write_telegram,
}


def _lines(event: Event) -> List[str]:
    """Return an event in words, the title first."""
    shown = {"to": event.to_revision[:8], "from_": event.from_revision[:8], "decision": event.decision}
    where = f"{event.app} on {event.host}" if event.host else event.app
    lines = [show(f"{where}: {_TITLES[event.kind].format(**shown)}")]
    if event.release_id:
        lines.append(show(f"release {event.release_id}, from {shown['from_']} to {shown['to']}", _CELL))
    if event.decision:
        lines.append(show(f"decision: {event.decision}", _CELL))
    if event.reason:
        lines.append(show(f"reason: {event.reason}", _REASON))
    for finding in map(_shorten, _missed(event)[:_TEXT_FINDINGS]):
        lines.append(show(f"{finding['metric']}: {finding['value']}, {finding['target']} ({finding['action']})", _CELL))
    return lines


def _missed(event: Event) -> List[Mapping[str, Any]]:
    return [finding for finding in event.findings if finding.get("action") != "proceed"]


def _shorten(finding: Mapping[str, Any]) -> Dict[str, Any]:
    keys = ("metric", "value", "baseline", "target", "outcome", "action", "reason")
    return {key: _shown_value(finding.get(key)) for key in keys}


def _shown_value(value: Any) -> Any:
    """Return a value that JSON has, a text fit to be shown."""
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return show(str(value), _CELL)
