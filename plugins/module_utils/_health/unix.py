# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send probes over unix sockets, which the library requests does not know."""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
from dataclasses import replace
from typing import Callable, Dict, Tuple
from urllib.parse import urljoin, urlsplit, urlunsplit

from ansible_collections.greenlight.release.plugins.module_utils._health.body import PIECE, read_body
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer, Probe
from ansible_collections.greenlight.release.plugins.module_utils._host.files import explain

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class _Connection(http.client.HTTPConnection):
    """HTTP over the unix socket at `path`."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Sockets:
    """Connections that are kept as long as they work, one for each socket. `now` is a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: Dict[str, _Connection] = {}

    def fetch(self, probe: Probe) -> Answer:
        """Send a probe that has a socket, and read the answer."""
        began, path = self._now(), str(probe.socket)
        connection = self._kept.setdefault(path, _Connection(path, probe.timeout))
        try:
            status, headers, body, problem = _ask(connection, probe)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Answer(0, (self._now() - began) * 1000, error=_explain(path, error, probe.timeout))
        return Answer(status, (self._now() - began) * 1000, headers, body, problem)

    def close(self) -> None:
        for connection in self._kept.values():
            connection.close()


def _ask(
    connection: _Connection, probe: Probe, redirects: int = _MOST_REDIRECTS
) -> Tuple[int, Dict[str, str], str, str]:
    parts = urlsplit(probe.url)
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    body = None if probe.body is None else probe.body.encode("utf-8", "replace")
    # An encoded body could be a bomb, and would be measured with its decompression.
    headers = {"Accept-Encoding": "identity", "Accept": "*/*", **probe.all_headers()}
    connection.request(probe.method, target, body, headers)
    with contextlib.closing(connection.getresponse()) as response:
        pieces = iter(functools.partial(response.read, PIECE), b"")
        text, problem = read_body(response.headers, response.status, pieces, probe.method)
    leads_to = response.headers.get("Location", "") if response.status in _REDIRECTS else ""
    there = urlsplit(urljoin(probe.url, leads_to))
    if probe.follow_redirects and leads_to and there[:2] == parts[:2] and redirects:
        return _ask(connection, replace(probe, url=there.geturl()), redirects - 1)
    return response.status, dict(response.headers), text, problem


def _explain(path: str, error: Exception, timeout: float) -> str:
    if isinstance(error, socket.timeout):
        return f"no answer from the socket {path} within {timeout:g} seconds"
    if isinstance(error, OSError):
        return f"the socket {path} cannot be asked: {explain(error)}"
    return f"the socket {path} does not answer in HTTP: {type(error).__name__}"
