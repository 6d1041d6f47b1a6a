# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes as values: what is asked, what is expected of the answer, and what its numbers mean."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional, Set, Tuple
from urllib.parse import unquote, urlsplit

from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import names_secret

# As the libraries requests-unixsocket and httpx know it: http+unix://%2Frun%2Fshop.sock/health
SOCKET_SCHEME = "http+unix"


class HealthError(GreenlightError):
    """A probe that cannot be sent, or an assertion that cannot be judged."""


@dataclass(frozen=True)
class Measurement:
    """A number in the JSON of an answer: the one at `path`, or its share, in percent, of the sum of those at `of`.

    A counter counts since the app was started, so that only the difference to an earlier reading means something.
    `epoch` leads to a value that another start of the app changes.
    """

    path: str
    kind: str = "number"
    of: Tuple[str, ...] = ()
    counter: bool = False
    epoch: str = ""
    minimum: float = 0


@dataclass(frozen=True)
class Probe:
    """One question to the app. `timeout` bounds one whole request, in seconds; `max_latency` is in milliseconds.

    With a `rule` an answer is judged by that instead of its status, see rule.py. An app is healthy when those of its
    probes are that are `required`.
    """

    name: str
    url: str
    socket: Optional[str] = None
    user: Optional[str] = None
    password: Optional[str] = None
    method: str = "GET"
    headers: Dict[str, str] = field(default_factory=dict)
    body: Optional[str] = None
    follow_redirects: bool = False
    status: Tuple[int, ...] = (200,)
    rule: Optional[Mapping[str, Any]] = None
    expect_json: Tuple[Mapping[str, Any], ...] = ()
    expect_headers: Tuple[Mapping[str, Any], ...] = ()
    expect_body: Optional[str] = None
    expect_text: Tuple[str, ...] = ()
    pids: Tuple[int, ...] = ()
    max_latency: Optional[float] = None
    timeout: float = 5.0
    validate_certs: bool = True
    ca_path: Optional[str] = None
    client_cert: Optional[str] = None
    client_key: Optional[str] = None
    samples: int = 0
    concurrency: int = 1
    warmup: int = 0
    response_time: bool = False
    measurements: Dict[str, Measurement] = field(default_factory=dict)
    required: bool = True

    def all_headers(self) -> Dict[str, str]:
        """Return the headers with that of the user, see RFC 7617, unless one is given."""
        if self.user is None or "authorization" in map(str.lower, self.headers):
            return self.headers
        token = base64.b64encode(f"{self.user}:{self.password or ''}".encode()).decode("ascii")
        return {**self.headers, "Authorization": f"Basic {token}"}


@dataclass(frozen=True)
class Answer:
    """The response: `status` 0 and `error` when there was none. `elapsed` is in milliseconds."""

    status: int
    elapsed: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""
    connection: Optional[Connection] = None


Fetch = Callable[[Probe], Answer]


def secrets_in(url: Any) -> Set[str]:
    """Return the credentials of a URL and the values of its query that are likely to be secrets, as they are written.

    Text before an at sign counts as credentials wherever it is, also in a URL that cannot be read.
    """
    text = str(url)
    found = set()
    before, at, _behind = text.partition("?")[0].rpartition("@")
    if at:
        credentials = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:/+|^/+", "", before)
        # The name of a user alone is one too, as it may be a key of an API.
        found |= {credentials, *credentials.split(":", 1)}
    for pair in text.partition("?")[2].partition("#")[0].split("&"):
        name, _equals, value = pair.partition("=")
        if names_secret(unquote(name)):
            found.add(value)
    return {form for secret in found for form in (secret, unquote(secret)) if form}


def mask_url(url: str) -> str:
    """Return a URL without its credentials and its query, either of which may hold a secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    except ValueError:
        return "a URL that cannot be read"
    # Where the URL cannot be split, credentials may be in any part.
    if not host or "@" in parts.path:
        return "a URL that cannot be read"
    if parts.scheme == SOCKET_SCHEME:
        # The path of a socket, of which upper case must be kept.
        host, port = parts.netloc.rpartition("@")[2], ""
    return f"{parts.scheme}://{host}{port}{parts.path}"
