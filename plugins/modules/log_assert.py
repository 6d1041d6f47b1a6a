#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_assert
short_description: Judge what an app wrote to its logs since a mark
version_added: 0.1.0
description:
  - Marks the end of log files, and later reads only what was written since, also when the files were rotated, truncated or compressed in between.
  - When lines may be missing it says so, and never claims that there were no errors.
  - Secrets in the lines that it quotes are replaced.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
attributes:
  check_mode:
    support: full
    details: It reads in check mode as well, since reading changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    platforms: linux
  action_group: {}
options:
  state:
    description: V(mark) returns a cursor at the end of the files. V(checked) judges the lines since O(cursor).
    type: str
    choices: [mark, checked]
    default: checked
  files:
    description: The logs, each a mapping of C(path) and C(stream), which is C(out) or C(err).
    type: list
    elements: dict
    required: true
  cursor:
    description: Where to begin, as an earlier call returned it. Without it the last O(tail_bytes) of every file are read.
    type: dict
  tail_bytes:
    description: Bytes to read from the end of every file when there is no O(cursor).
    type: int
    default: 16777216
  require:
    description:
      - Lines that must be there. Each is a mapping with C(pattern), and may have C(name), C(regex), C(stream) and C(minimum), by default 1.
      - A pattern is a literal text unless C(regex) is true.
    type: list
    elements: dict
    default: []
  forbid:
    description:
      - Lines that must not be there. Each has C(pattern), and may have C(name), C(regex), C(stream), C(per), which can be C(hour),
        and C(maximum), by default 0.
      - With C(new_kinds_only) a line counts only when O(known_kinds) has none of its kind.
      - Lines are of one kind when they differ only in numbers, ids, times and quoted values.
    type: list
    elements: dict
    default: []
  count:
    description: Lines that are only counted, as in O(forbid).
    type: list
    elements: dict
    default: []
  ignore:
    description: Lines that no rule of O(forbid) counts. Each has C(pattern), and may have C(regex).
    type: list
    elements: dict
    default: []
  rates:
    description:
      - Name of each rate and how it is counted, the share of the lines with C(of) that have C(count) too.
      - C(minimum) is the number of lines with C(of) that are waited for. The patterns are literal unless C(regex) is true.
    type: dict
    default: {}
  known_kinds:
    description: Kinds of lines that are not new, as an earlier call returned them.
    type: dict
    default: {}
  wait:
    description: Seconds to wait at most for required lines, and for the minimum of every rate.
    type: float
    default: 0
  timeout:
    description: Seconds that reading and matching may take beside O(wait). A regular expression that takes for ever ends here.
    type: int
    default: 120
  report_only:
    description: Do not fail because of what the lines say, only report it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Mark the end of the log
  greenlight.release.log_assert:
    state: mark
    files:
      - path: /home/shop/.pm2/logs/shop-out.log
        stream: out
      - path: /home/shop/.pm2/logs/shop-error.log
        stream: err
  register: shop_mark

- name: Judge what was written since
  greenlight.release.log_assert:
    files: "{{ shop_mark.cursor.files }}"
    cursor: "{{ shop_mark.cursor }}"
    wait: 30
    require:
      - pattern: "[ConnectionPool] Initialized with max 5 read connections"
    forbid:
      - name: critical_errors
        pattern: '\b(FATAL|TypeError)\b'
        regex: true
    rates:
      error_rate:
        count: '"statusCode":5'
        of: '"statusCode":'
"""

RETURN = r"""
cursor:
  description: The end of the files now, with the time in seconds since 1970.
  returned: success
  type: dict
  sample: {"version": 1, "at": 1771466400.0, "files": [{"path": "/home/shop/.pm2/logs/shop-out.log", "stream": "out", "offset": 4096}]}
passed:
  description: Whether every rule is met.
  returned: when the state is checked
  type: bool
  sample: true
reason:
  description: Which rules are not met, and why.
  returned: when the state is checked
  type: str
  sample: ""
complete:
  description: Whether no line can be missing between O(cursor) and now.
  returned: when the state is checked
  type: bool
  sample: true
span_seconds:
  description: Seconds since O(cursor) was taken, null without one.
  returned: when the state is checked
  type: float
  sample: 3600.4
lines:
  description: Per rule the number of lines, the same per hour, and the first and the last line. A time below an hour is not extrapolated.
  returned: when the state is checked
  type: dict
  sample: {"critical_errors": {"count": 0, "per_hour": 0.0, "first": "", "last": ""}}
kinds:
  description: Per rule of O(forbid) the kinds of the lines that matched, for O(known_kinds) of a later call.
  returned: when the state is checked
  type: dict
  sample: {"critical_errors": []}
measurements:
  description: Counts, and rates in percent with their interval. Counts are left out when lines may be missing.
  returned: when the state is checked
  type: dict
  sample: {"critical_errors": 0, "error_rate": {"value": 0.5, "low": 0.1, "high": 2.4, "samples": 200}}
"""

import signal
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils import _logs, _logs_files

ARGUMENTS = {
    "state": {"type": "str", "choices": ["mark", "checked"], "default": "checked"},
    "files": {"type": "list", "elements": "dict", "required": True},
    "cursor": {"type": "dict"},
    "tail_bytes": {"type": "int", "default": 16777216},
    "require": {"type": "list", "elements": "dict", "default": []},
    "forbid": {"type": "list", "elements": "dict", "default": []},
    "count": {"type": "list", "elements": "dict", "default": []},
    "ignore": {"type": "list", "elements": "dict", "default": []},
    "rates": {"type": "dict", "default": {}},
    "known_kinds": {"type": "dict", "default": {}},
    "wait": {"type": "float", "default": 0},
    "timeout": {"type": "int", "default": 120},
    "report_only": {"type": "bool", "default": False},
}


def parse_rules(params):
    ignored = [
        _logs.compile_pattern(f"ignore rule {index}", rule.get("pattern"), bool(rule.get("regex")))
        for index, rule in enumerate(params["ignore"])
    ]
    parsed = {kind: _logs.parse_rules(kind, params[kind]) for kind in ("require", "forbid", "count")}
    return _logs.Rules(ignore=ignored, rates=_logs.parse_rates(params["rates"]), **parsed)


def mark_all(files):
    for file in files:
        if not file.get("path") or file.get("stream") not in ("out", "err"):
            raise _logs.LogError(f"files needs mappings of path and stream, which is out or err, not {file!r}")
    return [_logs_files.mark_file(Path(file["path"]), file["stream"]) for file in files]


def scan_between(rules, known_kinds, begins, ends):
    """Read every file between two marks; return the scan and whether nothing is missing."""
    scan, complete = _logs.Scan(rules, known_kinds), True
    for begin, end in zip(begins, ends):
        pieces, whole = _logs_files.pieces_since(begin, end)
        complete = complete and whole
        for piece in pieces:
            scan.add(begin["stream"], _logs_files.read_lines(piece))
    return scan, complete


def check(params):
    """Read until nothing is waited for any more or the time is up, and return the module's result."""
    rules = parse_rules(params)
    begins = _logs_files.check_cursor(params["cursor"]) if params["cursor"] else None
    deadline = time.monotonic() + params["wait"]
    while True:
        ends = mark_all(params["files"] if begins is None else begins)
        if begins is None:
            begins = [_logs_files.tail_mark(end, params["tail_bytes"]) for end in ends]
        scan, complete = scan_between(rules, params["known_kinds"], begins, ends)
        if not scan.is_waiting() or time.monotonic() >= deadline:
            return describe(params["cursor"], scan, complete, ends, time.time())
        time.sleep(0.5)


def describe(cursor, scan, complete, marks, at):
    span = max(0.0, at - cursor["at"]) if cursor else None
    problems = scan.problems(complete, span)
    return {
        "cursor": _logs_files.make_cursor(marks, at),
        "passed": not problems,
        "reason": "; ".join(problems),
        "complete": complete,
        "span_seconds": span,
        "lines": scan.results(span),
        "kinds": scan.kinds(),
        "measurements": scan.measurements(complete, span),
    }


def refuse_slow(_number, _frame):
    raise _logs.LogError("Reading the logs took longer than timeout; look for a pattern such as (a+)+ that never ends")


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    signal.signal(signal.SIGALRM, refuse_slow)
    signal.setitimer(signal.ITIMER_REAL, module.params["wait"] + module.params["timeout"])
    try:
        if module.params["state"] == "mark":
            module.exit_json(cursor=_logs_files.make_cursor(mark_all(module.params["files"]), time.time()))
        result = check(module.params)
    except _logs.LogError as error:
        module.fail_json(msg=str(error))
    if not result["passed"] and not module.params["report_only"]:
        module.fail_json(msg=f"The log is not as it should be: {result['reason']}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
