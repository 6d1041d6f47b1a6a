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
  - Asks one or more URLs at the same time, until each has given several good answers in a row, or a deadline has passed.
  - An answer is judged by its status, its headers, its JSON, its text, and by which process gave it.
  - Redirects are not followed to another host, proxies and C(.netrc) are not used, and bodies are read only up to one megabyte.
  - Measures the response time over many requests, and reads further measurements out of the JSON.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
  - greenlight.release.heartbeat
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
    description: URL to ask with C(GET). Give this or O(probes).
    type: str
  expect_json:
    description: Assertions about the JSON of O(url), as in O(probes[].expect_json).
    type: list
    elements: dict
  probes:
    description: Several questions at once. An empty list asks nothing, for an app that does not answer.
    type: list
    elements: dict
    suboptions:
      url:
        description:
          - URL to ask. User and password in it are sent as those of O(probes[].user), and are shown as little as the values of a query with a
            name such as C(token).
          - A unix socket is asked by a URL such as V(http+unix://%2Frun%2Fshop.sock/health), or by O(probes[].socket).
          - Write C(127.0.0.1) where that is meant, since C(localhost) may be another service that listens on C(::1). RV(probes[].peer) shows which.
        type: str
        required: true
      name:
        description: Name in the results. By default the URL without its query.
        type: str
      socket:
        description: Path of the unix socket that the app listens on. The host of O(probes[].url) is then only the header C(Host).
        type: path
      user:
        description: User for basic authentication, unless O(probes[].headers) has an authorization.
        type: str
      password:
        description: Password of O(probes[].user). It is never shown.
        type: str
      method:
        description: Method of the request.
        type: str
        default: GET
      headers:
        description: Headers for this probe. Their values are never shown.
        type: dict
        default: {}
      body:
        description: Body of the request. A mapping or a list is sent as JSON. It is never shown.
        type: raw
      follow_redirects:
        description: Whether up to five redirects are followed, within the same scheme, host and port. No other is ever followed.
        type: bool
        default: false
      timeout:
        description: Seconds that one whole request may take, from the connection to the end of the body. By default O(timeout).
        type: float
      max_latency:
        description: Milliseconds that a good answer may take.
        type: float
      status:
        description: Status codes of a good answer.
        type: list
        elements: int
        default: [200]
      expect_json:
        description:
          - What the JSON of a good answer must hold. Each is a mapping of C(path), such as C(data.items[0].name), and one of C(equals), C(below),
            C(at_most), C(at_least), C(above), C(matches) (a regular expression that is found anywhere) and C(exists) (true or false).
          - A text such as C(95.67%) is compared as a number.
        type: list
        elements: dict
        default: []
      expect_headers:
        description: What the headers of a good answer must be. Each is a mapping of C(name) and one of C(equals), C(matches) and C(exists).
        type: list
        elements: dict
        default: []
      rule:
        description:
          - Judges an answer by a rule instead of by O(probes[].status), together with what else is expected. An empty mapping infers the rule from
            the good answers, and RV(probes[].rule) is it, for a later call.
          - An answer is bad by any rule that has another status than a good one, a status such as C(fail), C(DOWN) or C(error) in its JSON, a key
            C(error), a text that begins with such a word, or the page of an error.
          - By an inferred rule it must be as before. Its JSON must have the same value for the same C(status), C(ok), C(healthy) or key alike, or
            another word for being well, and its text the same words. Words with digits, such as a version, may be others.
          - A part in its JSON that was well, such as a C(db) that was C(connected), C(UP) or true, must not have become C(disconnected), C(DOWN)
            or false.
          - Where nobody knows what was answered before, a rule whose key C(strange) is true, and whose C(kind) is empty, asks that such a word be one
            that is known to be good.
        type: dict
      expect_body:
        description: The body that a good answer has, without blanks around it.
        type: str
      expect_text:
        description: Texts that the body must contain.
        type: list
        elements: str
        default: []
      pids:
        description:
          - Processes, one of which must give the answer, or a process that it has started. This distinguishes a new process from an old one that
            still serves the port. The instances of RV(greenlight.release.pm2_process_info#module:processes) have such a C(pid).
          - The app must be asked directly, on this host, by its user or by root.
        type: list
        elements: int
        default: []
      validate_certs:
        description: Whether the certificate of the server must be valid.
        type: bool
        default: true
      ca_path:
        description: File of the authorities that may have signed the certificate of the server. By default those of the library requests.
        type: path
      client_cert:
        description: File of a certificate for the client, which may hold its key too.
        type: path
      client_key:
        description: File of the key for O(probes[].client_cert).
        type: path
      samples:
        description: Number of requests to time once the app is healthy. They are sent over kept connections.
        type: int
        default: 0
      concurrency:
        description: Number of connections over which the samples are sent at the same time, 1 to 64, each from a process of its own.
        type: int
        default: 1
      warmup:
        description: Number of requests that each connection sends before its samples.
        type: int
        default: 0
      response_time:
        description: Whether the median of the samples is the measurement C(response_time), in milliseconds.
        type: bool
        default: false
      measurements:
        description:
          - Names of numbers in the JSON. Each is a mapping of C(path), and may have C(type), C(number) or C(percent), of which the latter must be
            from 0 to 100. A text such as C(95.67%) is a number too.
          - With C(of), one or more paths, the measurement is the number at C(path) in percent of the sum of those at C(of), with its interval.
            C(minimum) is the sum from which on it counts.
          - With C(counter) the numbers count since the app was started. What is measured is how they changed since O(counters), or since the start
            of the app when it was started in between. That is noticed when a number became smaller, or when the value at C(epoch), a path such as
            that of a start time, is another one.
        type: dict
        default: {}
      required:
        description:
          - Whether the app is healthy only with this probe. The default is true for a probe that has no O(probes[].measurements), and false for one that
            has some.
          - One that is not required is asked when the others are good, and a bad answer is not asked for again. Its measurements are missing then.
        type: bool
  headers:
    description: Headers for every request, such as an authorization. Their values are never shown.
    type: dict
    default: {}
  counters:
    description: Counters as an earlier call returned them.
    type: dict
    default: {}
  consecutive:
    description: Number of good answers in a row, each over a new connection.
    type: int
    default: 3
  interval:
    description: Seconds between two questions. After a bad answer it grows, up to five seconds. The last question is asked at the deadline.
    type: float
    default: 0.2
  timeout:
    description: Seconds that one whole request may take, at most a week.
    type: float
    default: 5
  deadline:
    description: Seconds that the app may take to become healthy. Taking samples may take as long again, those that are not taken by then are left out.
    type: float
    default: 60
  process:
    description:
      - Name of the PM2 process that answers. PM2 is asked whenever a probe fails, and nothing is waited for once the process is not there,
        stopped or errored, or ended again and again meanwhile.
      - A PM2 that cannot be asked changes nothing.
    type: str
  log:
    description: Lines that decide already. They are looked for whenever a probe fails, and once there is one nothing is waited for.
    type: dict
    suboptions:
      files:
        description: The logs, as for M(greenlight.release.log_assert).
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Path of the log.
            type: path
            required: true
          stream:
            description: What the app writes there.
            type: str
            choices: [out, err, both]
            required: true
      cursor:
        description: Where to begin, as M(greenlight.release.log_assert) returned it.
        type: dict
        required: true
      known_kinds:
        description: Kinds of lines that are nothing new.
        type: dict
        default: {}
      styles:
        description: How the lines are written, as for M(greenlight.release.log_assert).
        type: list
        elements: str
        default: []
      forbid:
        description: Lines that must not be there, as for M(greenlight.release.log_assert).
        type: list
        elements: dict
        default: []
      ignore:
        description: Lines that no rule counts, as for M(greenlight.release.log_assert).
        type: list
        elements: dict
        default: []
  pm2_home:
    description: Folder of the PM2 daemon of O(process). The default is E(PM2_HOME), else C(~/.pm2).
    type: path
  report_only:
    description: Do not fail because of an app that is not healthy, only report it.
    type: bool
    default: false
seealso:
  - module: greenlight.release.pm2_process_info
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
  register: shop_before

- name: Make sure that the new process answers, and measure what its cache did since
  greenlight.release.health_check:
    counters: "{{ shop_before.counters }}"
    probes:
      - name: health
        url: http://127.0.0.1:3000/health
        pids: "{{ shop.processes | map(attribute='pid') | list }}"
        expect_json:
          - path: build
            equals: "{{ shop_revision }}"
      - name: cache
        url: http://127.0.0.1:3000/api/cache/stats
        measurements:
          cache_hit_rate:
            path: data.hits
            of: [data.hits, data.misses]
            counter: true
            minimum: 100
"""

RETURN = r"""
healthy:
  description: Whether every required probe was good as often as asked.
  returned: always
  type: bool
  sample: true
reason:
  description: Which required probes were not, and why. Empty when all were.
  returned: always
  type: str
  sample: ""
probes:
  description: What each probe saw.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the probe.
      type: str
      sample: items
    url:
      description: URL without its query.
      type: str
      sample: http://127.0.0.1:3000/api/items
    healthy:
      description: Whether it was good as often as asked.
      type: bool
      sample: true
    required:
      description: Whether the app is healthy only with this probe.
      type: bool
      sample: true
    reason:
      description: Why it was not, empty when it was.
      type: str
      sample: ""
    status:
      description: Status code of the last answer, 0 when none came.
      type: int
      sample: 200
    rule:
      description: The rule that the answers were judged by, where O(probes[].rule) is given and they were good.
      type: dict
      sample: {"status": [200], "kind": "json", "values": {"status": ["ok"]}}
    judged_by:
      description: The same rule in words, empty for none.
      type: str
      sample: status 200 and JSON in which status is 'ok'
    peer:
      description: Address or unix socket that was reached, empty when none was or when it hung up at once.
      type: str
      sample: 127.0.0.1:3000
    attempts:
      description: Number of attempts until it was healthy or the deadline passed.
      type: int
      sample: 3
    retries:
      description: How many of them were more than what a healthy app needs.
      type: int
      sample: 0
    retry_reasons:
      description: The last five reasons why an answer was not a good one.
      type: list
      elements: str
      sample: []
    latency:
      description:
        - Latencies of good samples in milliseconds, and the share (0 to 1) of samples that were not good.
        - Each but C(count) and C(max) has the bounds of its 99 % interval as C(_low) and C(_high). A bound of a quantile
          for which there are too few samples is left out. C(p99_high) needs 528 of them, C(p95_high) 104, C(p90_high) 51.
        - Empty without samples, and without C(mean) and quantiles when none was good.
      type: dict
      sample: {"count": 50, "mean": 1.9, "mean_low": 1.8, "mean_high": 2.0, "p50": 1.8, "p50_low": 1.7, "p50_high": 1.9,
               "p90": 2.4, "p90_low": 2.1, "p95": 2.6, "p95_low": 2.3, "p99": 3.1, "p99_low": 2.5,
               "max": 3.3, "failed_share": 0.0, "failed_share_low": 0.0, "failed_share_high": 0.117}
    measurements:
      description: The measurements of this probe.
      type: dict
      sample: {"response_time": {"value": 1.8, "low": 1.7, "high": 1.9, "samples": 50}}
    unmeasured:
      description: Measurements that could not be read, and why.
      type: list
      elements: str
      sample: []
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
counters:
  description: The current counters, for O(counters) of a later call.
  returned: always
  type: dict
  sample: {"cache_hit_rate": {"at": 1771466400.0, "values": {"data.hits": 120, "data.misses": 4}, "epoch": ""}}
"""

import os
import time
from typing import Any, List, Mapping, Tuple

HAS_REQUESTS = True
try:
    import requests
except ImportError:
    HAS_REQUESTS = False

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.greenlight.release.plugins.module_utils._health import client, measure, options, owner, parse
from ansible_collections.greenlight.release.plugins.module_utils._health import probe as health_probe
from ansible_collections.greenlight.release.plugins.module_utils._health import wait as health_wait
from ansible_collections.greenlight.release.plugins.module_utils._host import files, parallel
from ansible_collections.greenlight.release.plugins.module_utils._logs import over
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError

SHORTEST_SECRET = 4
ARGUMENTS = {
    "url": {"type": "str"},
    "expect_json": {"type": "list", "elements": "dict"},
    "probes": {"type": "list", "elements": "dict", "options": options.PROBE},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "counters": {"type": "dict", "default": {}},
    "consecutive": {"type": "int", "default": 3},
    "interval": {"type": "float", "default": 0.2},
    "timeout": {"type": "float", "default": 5},
    "deadline": {"type": "float", "default": 60},
    "process": {"type": "str"},
    "log": {"type": "dict", "options": over.OPTIONS},
    "pm2_home": {"type": "path"},
    "report_only": {"type": "bool", "default": False},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def parse_arguments(
    params: Mapping[str, Any],
) -> Tuple[List[health_probe.Probe], health_wait.World, health_wait.Patience]:
    """Return the probes, with what to ask them and for how long. Raises HealthError."""
    parse.check_numbers(params)
    alone = {"url": params["url"], "expect_json": params["expect_json"]}
    asked = [alone] if params["probes"] is None else params["probes"]
    given = [{**probe, "headers": {**params["headers"], **(probe.get("headers") or {})}} for probe in asked]
    patience = health_wait.Patience(
        params["deadline"], params["consecutive"], params["interval"], time.monotonic, time.sleep
    )
    world = health_wait.World(
        lambda: client.connect(requests, time.monotonic),
        owner.explain_owner,
        parallel.run_all,
        measure.check_counters(params["counters"]),
        time.time(),
        over.watch(params["process"], params["pm2_home"], params["log"], os.environ),
    )
    return parse.parse_probes(given, params["timeout"]), world, patience


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("url", "probes")],
        mutually_exclusive=[("url", "probes"), ("expect_json", "probes")],
    )
    # A header such as "1" is no secret, and hiding it would take every 1 out of the results.
    given = [module.params["url"], *(probe["url"] for probe in module.params["probes"] or [])]
    secrets = module.no_log_values.union(*map(health_probe.secrets_in, given))
    module.no_log_values = {value for value in secrets if len(value) >= SHORTEST_SECRET}
    if not HAS_REQUESTS and module.params["probes"] != []:
        module.fail_json(msg=missing_required_lib("requests"))
    try:
        probes, world, patience = parse_arguments(module.params)
        with heartbeat.kept(heartbeat.read(module.params["heartbeat"], module.check_mode)):
            result = health_wait.check_all(probes, world, patience)
    except (health_probe.HealthError, LogError, RecordError, OSError) as error:
        module.fail_json(msg=files.told(error))
    if not result["healthy"] and not module.params["report_only"]:
        module.fail_json(msg=f"The app is not healthy: {result['reason']}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
