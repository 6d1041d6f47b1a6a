# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send notifications with the library requests, which is an argument, to services that may be down or hostile.

A problem is a part of a sentence for an operator. No secret of a service is in it, whatever the service answers.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, List, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host.http import explain_failure
from ansible_collections.greenlight.release.plugins.module_utils._release.notify import (
    Event,
    Service,
    write_message,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import SHORTEST_SECRET

LARGEST_ANSWER = 4096

RunAll = Callable[[Sequence[Callable[[], Any]], float], List[Any]]


def send_all(
    requests: Any, services: Sequence[Service], event: Event, timeout: float, deadline: float, run_all: RunAll
) -> List[Dict[str, Any]]:
    """Notify all services at the same time, and return `{name, type, sent, problem}` for each.

    `timeout` bounds the connection and each silence of a service, `deadline` all of it, both in seconds.
    """

    def job(service: Service) -> Callable[[], str]:
        return lambda: send(requests, service, event, timeout)

    problems: List[Optional[str]] = run_all([job(service) for service in services], deadline)
    late = f"it was not done within {deadline:g} seconds"
    return [
        {
            "name": service.label,
            "type": service.kind,
            "sent": problem == "",
            "problem": late if problem is None else problem,
        }
        for service, problem in zip(services, problems)
    ]


def send(requests: Any, service: Service, event: Event, timeout: float) -> str:
    """Notify a service of an event, and return what went wrong, "" for nothing.

    Neither a proxy of the environment nor a `.netrc` is used, and no redirect is followed: the URL is the secret that
    another host must not get.
    """
    with requests.Session() as session:
        session.trust_env = False
        if service.proxy:
            session.proxies = {"http": service.proxy, "https": service.proxy}
        try:
            with session.post(
                service.url,
                data=write_message(service, event),
                headers={**service.headers, "Content-Type": "application/json", "Accept-Encoding": "identity"},
                timeout=timeout,
                allow_redirects=False,
                stream=True,
                verify=service.ca_path or True,
            ) as response:
                return _judge(response, service)
        # requests lets a few errors of the URL through as they are.
        except (requests.RequestException, OSError, ValueError) as error:
            return str(explain_failure(requests, error, timeout))


def _judge(response: Any, service: Service) -> str:
    status = response.status_code
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"it answered with status {status}, and redirects are not followed"
    said = _what_it_said(next(response.iter_content(LARGEST_ANSWER), b""), service)
    return f"it answered with status {status}" + (f" ({said})" if said else "")


def _what_it_said(body: bytes, service: Service) -> str:
    """Return the reason that Slack or Telegram give, if it is nothing but words, and none that we sent."""
    text = body.decode("utf-8", "replace").strip()
    if service.kind == "telegram":
        try:
            text = str(json.loads(text)["description"])
        except (ValueError, KeyError, TypeError):
            return ""
    if service.kind == "webhook" or not re.fullmatch(r"[A-Za-z][A-Za-z ,:'._-]{0,99}", text):
        return ""
    pieces = (piece for piece in re.split(r"[^A-Za-z]+", service.url) if len(piece) >= SHORTEST_SECRET)
    return "" if any(piece in text for piece in pieces) else text
