# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses of an app say how it is, and what they say."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.parse
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Mapping, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess

_HEALTH = ("/health", "/healthz", "/api/health", "/health/ready", "/api/v1/health", "/status", "/ping", "/")
_STATS = ("/cache/stats", "/api/cache/stats", "/api/admin/cache/stats", "/stats")
_RATES = ("data.hitRate", "hitRate", "data.hit_rate", "hit_rate", "cache.hitRate")
_GOOD = ("ok", "up", "pass", "healthy", "alive")
_FLAGS = ("ok", "healthy", "success")
_PATIENCE = 3
_MOST = 1 << 16

_LOOPBACK = "127.0.0.1"

# From a URL to the status and the body of its answer, 0 for none.
Ask = Callable[[str], Tuple[int, str]]


@dataclass(frozen=True)
class Health:
    """The address that tells how an app is, empty for none. `is_locked` says that it tells only who may know."""

    url: str = ""
    is_locked: bool = False


class _OverSocket(http.client.HTTPConnection):
    """HTTP over the unix socket at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)


def ask(url: str, headers: Mapping[str, str]) -> Tuple[int, str]:
    """Return the status and the body of an answer, 0 for none. No proxy is asked for what is local."""
    asked = urllib.parse.urlsplit(url)
    try:
        with contextlib.closing(_connection(asked)) as connection:
            connection.request("GET", asked.path or "/", headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException):
        return 0, ""


def _connection(asked: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    if asked.scheme != "http+unix":
        return http.client.HTTPConnection(asked.hostname or "", asked.port, timeout=_PATIENCE)
    return _OverSocket(urllib.parse.unquote(asked.netloc))


def bases(ports: Sequence[int]) -> List[str]:
    """Return the beginnings of the URLs of an app, which may listen on one address alone, such as that of IPv6."""
    known = proc.listeners()
    return [f"http://{_address({each.address for each in known if each.port == port})}:{port}" for port in ports]


def _address(known: Set[str]) -> str:
    """Return one of the addresses as it is written in a URL; where none is known, the loopback address does."""
    address = sorted(known - {_LOOPBACK})[0] if known and _LOOPBACK not in known else _LOOPBACK
    return f"[{address}]" if ":" in address else address


def find(app: AppProcess, known: str, ask_url: Ask) -> Health:
    """Return the address that says how the app is, else one that asks who wants to know, else one that answers.

    A known URL is asked alone.
    """
    begins = [f"http+unix://{urllib.parse.quote(app.socket, safe='')}"] if app.socket else bases(app.ports)
    urls = [known] if known else [base + path for base in begins for path in _HEALTH]
    found = list(_candidates(urls, ask_url))
    best = [each for each, tells in found if tells] or [each for each, _tells in found if each.is_locked]
    return next(iter(best or [each for each, _tells in found]), Health())


def _candidates(urls: Sequence[str], ask_url: Ask) -> Iterator[Tuple[Health, bool]]:
    """Yield the addresses that answer, and whether the answer tells how the app is."""
    for url in urls:
        status, body = ask_url(url)
        if status == 200:
            yield Health(url), tells_health(body)
        elif status in (401, 403):
            yield Health(url, is_locked=True), False


def tells_health(body: str) -> bool:
    """Say whether an answer is one about health, and not a page like any other."""
    found = _parse(body)
    if not isinstance(found, Mapping):
        return body.strip().lower() in _GOOD
    return str(found.get("status", "")).lower() in _GOOD or any(found.get(key) is True for key in _FLAGS)


def cache_stats_of(health_url: str, ask_url: Ask) -> Tuple[str, str]:
    """Return the URL of the cache statistics and where the hit rate is, empty for none that answers."""
    asked = urllib.parse.urlsplit(health_url)
    base = f"{asked.scheme}://{asked.netloc}"
    for path in _STATS if health_url else ():
        found = _parse(ask_url(f"{base}{path}")[1])
        for rate in _RATES:
            with contextlib.suppress(json_path.JSONPathError):
                json_path.value_at(found, rate)
                return f"{base}{path}", rate
    return "", ""


def _parse(body: str) -> Any:
    try:
        return json_path.parse(body)
    except json_path.JSONPathError:
        return None
