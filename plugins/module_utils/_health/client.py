# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send probes with the library requests, which is an argument, and read answers that may be meant to harm."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator, Mapping, Optional
from urllib.parse import urljoin, urlsplit

from ansible_collections.greenlight.release.plugins.module_utils._health import unix
from ansible_collections.greenlight.release.plugins.module_utils._health.body import PIECE, read_body
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer, Fetch, Probe
from ansible_collections.greenlight.release.plugins.module_utils._host.http import explain_failure
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection, plain_address

MOST_REDIRECTS = 5


@contextlib.contextmanager
def connect(requests: Any, now: Callable[[], float]) -> Iterator[Fetch]:
    """Give a function that sends a probe and reads the answer, over one connection that is kept as long as it works.

    Neither a proxy of the environment nor a `.netrc` is used, and no redirect to another scheme, host or
    port is followed. How long it may take all in
    all is for the caller to bound: the timeout of requests is one for each single read. `now` is a monotonic clock.
    """
    session = requests.Session()
    session.trust_env = False
    # An encoded body could be a bomb, and would be measured with its decompression.
    session.headers["Accept-Encoding"] = "identity"

    over_socket = unix.Sockets(now)

    def fetch(probe: Probe) -> Answer:
        if probe.socket:
            return over_socket.fetch(probe)
        began = now()
        try:
            with contextlib.ExitStack() as stack:
                response = stack.enter_context(session.request(**_arguments(probe)))
                for _number in range(MOST_REDIRECTS if probe.follow_redirects else 0):
                    url = _same_origin(response)
                    if not url:
                        break
                    response.close()
                    response = stack.enter_context(session.request(**{**_arguments(probe), "url": url}))
                connection = _connection_of(response)
                pieces = response.iter_content(PIECE)
                body, problem = read_body(response.headers, response.status_code, pieces, probe.method)
        except (requests.RequestException, OSError) as error:
            return Answer(0, (now() - began) * 1000, error=explain_failure(requests, error, probe.timeout))
        elapsed = (now() - began) * 1000
        return Answer(response.status_code, elapsed, response.headers, body, problem, connection)

    try:
        yield fetch
    finally:
        session.close()
        over_socket.close()


def _same_origin(response: Any) -> str:
    """Return where a redirect leads within the same scheme, host and port, "" for anything else."""
    location = response.headers.get("Location", "")
    if response.status_code not in (301, 302, 303, 307, 308) or not location:
        return ""
    try:
        here, there = urlsplit(response.url), urlsplit(urljoin(response.url, location))
        same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    except ValueError:
        return ""
    return there.geturl() if same and there.username is None else ""


def _arguments(probe: Probe) -> Mapping[str, Any]:
    """Return the arguments for requests."""
    return {
        "method": probe.method,
        "url": probe.url,
        "headers": probe.all_headers(),
        "data": None if probe.body is None else probe.body.encode("utf-8", "replace"),
        "timeout": probe.timeout,
        "allow_redirects": False,
        "stream": True,
        "verify": (probe.ca_path or True) if probe.validate_certs else False,
        "cert": (probe.client_cert, probe.client_key) if probe.client_key else probe.client_cert,
    }


def _connection_of(response: Any) -> Optional[Connection]:
    """Return the ends of a response's connection, None when it is closed already, as for a short HTTP/1.0 answer."""
    sock = getattr(getattr(response.raw, "connection", None), "sock", None)
    if sock is None:
        return None
    try:
        own, peer = sock.getsockname(), sock.getpeername()
    except OSError:
        return None
    return Connection(
        (plain_address(own[0].partition("%")[0]), own[1]), (plain_address(peer[0].partition("%")[0]), peer[1])
    )
