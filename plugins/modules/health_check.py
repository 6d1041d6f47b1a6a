#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check
short_description: Wait until an app is healthy, and measure it
version_added: 0.1.0
description:
  - Asks one or more URLs until each has given several good answers in a row, or a deadline has passed.
  - An answer is judged by its status, its JSON and its text.
  - Redirects are not followed, proxies and C(.netrc) are not used, and bodies are read only up to one megabyte.
  - Measures the response time over many requests on one connection, and reads further measurements out of the JSON.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
attributes:
  check_mode:
    support: full
    details: It asks in check mode as well, since asking changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    platforms: linux
  action_group: {}
requirements:
  - requests >= 2.28 (Python library) on the host
options:
  url:
    description: URL to ask. Give this or O(probes).
    type: str
  probes:
    description:
      - Several questions at once. Each is a mapping with C(url).
      - It may have C(name), C(method), C(headers), C(body), C(timeout) (seconds for one whole request), C(max_latency) (milliseconds),
        C(validate_certs), C(ca_path), C(client_cert), C(client_key), and C(status), a list of good ones, by default 200.
      - C(expect_json) is a list of assertions, each with C(path) such as C(data.items[0].name) and one of C(equals), C(below), C(above), C(matches)
        and C(exists). C(expect_text) is a list of texts that the body must contain.
      - C(measurements) names numbers in the JSON, each with C(path) and C(type) C(number) or C(percent). A text such as C(95.67%) is a number too.
      - C(samples) requests are timed after C(warmup) others. With C(response_time) their median is the measurement C(response_time), in milliseconds.
    type: list
    elements: dict
  headers:
    description: Headers for every request, such as an authorization. Their values are never shown, unlike those in O(probes).
    type: dict
    default: {}
  consecutive:
    description: Number of good answers in a row.
    type: int
    default: 3
  interval:
    description: Seconds between two questions. After a bad answer it grows, up to five seconds.
    type: float
    default: 0.2
  timeout:
    description: Seconds that one whole request may take.
    type: float
    default: 5
  deadline:
    description: Seconds that all probes together may take to become healthy.
    type: float
    default: 60
  report_only:
    description: Do not fail because of an app that is not healthy, only report it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Wait until the shop says that it is well
  greenlight.release.health_check:
    probes:
      - url: http://127.0.0.1:3000/health
        expect_json:
          - path: status
            equals: ok

- name: Measure the response time and the cache
  greenlight.release.health_check:
    probes:
      - name: items
        url: http://127.0.0.1:3000/api/items
        samples: 50
        warmup: 5
        response_time: true
      - name: cache
        url: http://127.0.0.1:3000/api/cache/stats
        measurements:
          cache_hit_rate:
            path: data.hitRate
            type: percent
"""

RETURN = r"""
healthy:
  description: Whether every probe was good as often as asked.
  returned: always
  type: bool
  sample: true
reason:
  description: Which probes were not, and why. Empty when all were.
  returned: always
  type: str
  sample: ""
probes:
  description: What each probe saw. Latencies are in milliseconds.
  returned: always
  type: list
  elements: dict
  sample:
    - name: items
      url: http://127.0.0.1:3000/api/items
      healthy: true
      reason: ""
      status: 200
      attempts: 3
      retries: 0
      retry_reasons: []
      latency: {"count": 50, "mean": 1.9, "p50": 1.8, "p90": 2.4, "p95": 2.6, "p99": 3.1, "max": 3.3, "p50_low": 1.7, "p50_high": 1.9, "failed_share": 0.0}
measurements:
  description: The measurements of all probes.
  returned: always
  type: dict
  sample: {"cache_hit_rate": 95.67, "response_time": {"value": 1.8, "low": 1.7, "high": 1.9, "samples": 50}}
unmeasured:
  description: Measurements that could not be read, and why.
  returned: always
  type: list
  elements: str
  sample: []
"""

import time
import traceback

try:
    import requests
except ImportError:
    requests = None
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
else:
    REQUESTS_IMPORT_ERROR = None

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.greenlight.release.plugins.module_utils import _health, _health_wait

LARGEST_BODY = 1 << 20
ARGUMENTS = {
    "url": {"type": "str"},
    "probes": {"type": "list", "elements": "dict"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "consecutive": {"type": "int", "default": 3},
    "interval": {"type": "float", "default": 0.2},
    "timeout": {"type": "float", "default": 5},
    "deadline": {"type": "float", "default": 60},
    "report_only": {"type": "bool", "default": False},
}


def make_fetch():
    """Return a function that sends a probe over one kept connection and reads the answer within its timeout."""
    session = requests.Session()
    session.trust_env = False
    # An encoded body could be a bomb, and would be measured with its decompression.
    session.headers["Accept-Encoding"] = "identity"

    def fetch(probe):
        began = time.monotonic()
        try:
            response = session.request(
                probe.method,
                probe.url,
                headers=probe.headers,
                data=probe.body,
                timeout=probe.timeout,
                allow_redirects=False,
                stream=True,
                verify=probe.ca_path or probe.validate_certs,
                cert=(probe.client_cert, probe.client_key) if probe.client_key else probe.client_cert,
            )
            with response:
                body, problem = read_body(response, began + probe.timeout)
        except requests.RequestException as error:
            return _health.Answer(0, 0, error=explain(error, probe))
        elapsed = (time.monotonic() - began) * 1000
        return _health.Answer(response.status_code, elapsed, response.headers.get("Content-Type", ""), body, problem)

    return fetch


def read_body(response, ends):
    """Read a body as text, and say what is wrong with one that is too long, too slow or encoded."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return (
            "",
            f"the body is encoded as {_health.quote(response.headers['Content-Encoding'])}, though that was not asked for",
        )
    received = bytearray()
    while True:
        if time.monotonic() > ends:
            return "", "the body did not end within the timeout"
        piece = response.raw.read1(65536) if hasattr(response.raw, "read1") else response.raw.read(4096)
        if not piece:
            return received.decode("utf-8", "replace"), ""
        received += piece
        if len(received) > LARGEST_BODY:
            return "", f"the body is longer than {LARGEST_BODY} bytes"


def explain(error, probe):
    """Return why a request failed, without its URL, in which there may be a secret."""
    if isinstance(error, requests.Timeout):
        return f"no answer within {probe.timeout:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate or the TLS connection was not accepted"
    if isinstance(error, requests.ConnectionError):
        refused = "refused" in str(error).lower()
        return "connection refused, nothing listens there" if refused else "the connection failed or was broken off"
    return f"the request failed ({type(error).__name__})"


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("url", "probes")],
        mutually_exclusive=[("url", "probes")],
    )
    if requests is None:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    asked = module.params["probes"] or [{"url": module.params["url"]}]
    given = [{**probe, "headers": {**module.params["headers"], **(probe.get("headers") or {})}} for probe in asked]
    try:
        probes = [_health.parse_probe(index, probe, module.params["timeout"]) for index, probe in enumerate(given)]
    except _health.HealthError as error:
        module.fail_json(msg=str(error))
    patience = _health_wait.Patience(
        module.params["deadline"],
        module.params["consecutive"],
        module.params["interval"],
        time.monotonic,
        time.sleep,
    )
    result = _health_wait.check_all(probes, make_fetch(), patience)
    if not result["healthy"] and not module.params["report_only"]:
        module.fail_json(msg=f"The app is not healthy: {result['reason']}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
