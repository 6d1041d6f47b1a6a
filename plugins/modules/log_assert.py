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
  - When lines may be missing it says so, and never claims that there were no errors. Rotated files may be plain or compressed by gzip or xz, or by
    zstd where the Python of the host reads it; one in another format, or that cannot be read, and was changed since, is such a gap.
  - Secrets in the lines that it quotes are replaced.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
  - greenlight.release.heartbeat
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
    description: V(mark) returns a cursor behind the last whole line of the files. V(checked) judges the lines since O(cursor).
    type: str
    choices: [mark, checked]
    default: checked
  files:
    description: The logs to read. With O(cursor) the logs that it knows are read in any case, and these when it does not know them yet.
    type: list
    elements: dict
    suboptions:
      path:
        description: Path of the log. A star in its name stands for any text, such as for the date where there is a log for each day.
        type: path
        required: true
      stream:
        description: What the app writes there. V(both) is a log of standard output and standard error together.
        type: str
        choices: [out, err, both]
        required: true
  process:
    description:
      - Name of a PM2 process, all logs of which are read, those of every instance, out and err apart.
      - PM2 is asked for them. When it cannot be, O(cursor) is enough, and C(notes) says so.
    type: str
  pm2_home:
    description: Folder of the PM2 daemon of O(process). The default is E(PM2_HOME), else C(~/.pm2).
    type: path
  cursor:
    description: Where to begin, as an earlier call returned it. Without it the last O(tail_bytes) of every file are read.
    type: dict
  tail_bytes:
    description: Bytes to read from the end of every file when there is no O(cursor). A line that would be cut is left out.
    type: int
    default: 16777216
  allow_missing:
    description: Whether a log may be missing. Otherwise it is a rule that is not met, and waited for as long as O(wait).
    type: bool
    default: false
  require:
    description: Lines that must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      <<: &rule
        name:
          description: Name in the results. By default the pattern, or the field and its condition.
          type: str
        pattern:
          description: Text that a line contains, or a regular expression that matches in it. Give this or C(field).
          type: str
        regex:
          description: Whether C(pattern) is a regular expression.
          type: bool
          default: false
        field:
          description:
            - Path of a field of lines of JSON, such as C(level) or C(err.code). It needs one of C(below), C(at_most), C(equals), C(at_least),
              C(above), C(matches) and C(exists).
            - Text before the JSON does not matter, and the JSON lines of PM2 itself are seen through.
          type: str
        below:
          description: The field is a number below this one.
          type: float
        at_most:
          description: The field is a number of at most this one.
          type: float
        equals:
          description: The field is this value.
          type: raw
        at_least:
          description: The field is a number of at least this one.
          type: float
        above:
          description: The field is a number above this one.
          type: float
        matches:
          description: A regular expression that matches in the field.
          type: str
        exists:
          description: Whether the line has the field.
          type: bool
      stream: &stream
        description: The stream that is meant. By default both.
        type: str
        choices: [out, err]
      minimum:
        description: Number of lines that must be there.
        type: int
        default: 1
  forbid:
    description: Lines that must not be there.
    type: list
    elements: dict
    default: []
    suboptions:
      <<: *rule
      stream: *stream
      maximum:
        description: Number of lines that may be there.
        type: float
        default: 0
      per:
        description: Whether C(maximum) and the measurement are per hour. A time below an hour is not extrapolated.
        type: str
        choices: [hour]
      new_kinds_only:
        description:
          - Whether a line counts only when O(known_kinds) has none of its kind.
          - Lines are of one kind when they differ only in numbers, ids, times and quoted values that are more than a word. Of JSON only the
            fields count that say what happened, such as C(level), C(msg) and C(err), and all fields where there is none of these.
          - Of a stack only its topmost frame in the app's own code counts, by its function and file.
        type: bool
        default: false
      level:
        description:
          - Entries of this level or a higher one, as their style says it, and errors that ended the app. With C(pattern) or C(field) an entry
            counts that has either. What a client did wrong does not count.
        type: str
        choices: [warning, error, fatal]
  count:
    description: Lines that are only counted.
    type: list
    elements: dict
    default: []
    suboptions:
      <<: *rule
      stream: *stream
      per:
        description: Whether the measurement is per hour.
        type: str
        choices: [hour]
  ignore:
    description: Lines that no rule of O(forbid) counts.
    type: list
    elements: dict
    default: []
    suboptions:
      <<: *rule
  styles:
    description:
      - How the lines are written, one style or several of V(pino), V(bunyan), V(fastify), V(morgan), V(winston), V(nest), V(log4js), V(nginx),
        V(caddy), V(json) and V(plain). With V(auto) they are found out from the lines.
      - An error with its stack and its properties is then one entry, and rules of O(forbid) with a pattern are about its level and its message,
        never about an address, a header or a body, nor about what a client did wrong. With none, or V(custom), they are about whole lines.
    type: list
    elements: str
    default: []
  rates:
    description:
      - Name of each rate and how it is counted, the share of the lines with C(of) that have C(count) too, or with C(requests) of V(failed) the
        share of the requests that were answered with a status of 500 or more, as O(styles) write them.
      - C(minimum) is the number of lines with C(of) that are waited for. The patterns are literal unless C(regex) is true.
    type: dict
    default: {}
  confirm:
    description:
      - Rates that get a second look, by their name. When one is certainly worse than C(line) percent more than C(events) of C(samples), and by more than
        C(floor) percentage points, the log is read on for C(within) seconds at most, until it has some more events, and
        RV(measurements) tells what came meanwhile as C(fresh).
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
    description: Seconds that reading and matching may take in addition to O(wait). A regular expression that takes for ever ends here.
    type: int
    default: 120
  report_only:
    description: Do not fail because of what the lines say, only report it.
    type: bool
    default: false
notes:
  - Invalid UTF-8 is replaced, and terminal colours and NULs are removed, before a line is matched.
  - A line that is longer than 256 KiB is judged in parts; what lies across two of them is not found.
  - An app that goes on writing to a file which was renamed has to open its logs again, as C(pm2 reloadLogs) makes it do.
  - A rotation that copies a log and then truncates it, as pm2-logrotate does, can itself lose the lines of that moment.
  - C(pm2 flush) is noticed when it empties a log that held something when it was marked, and when the log is still empty.
seealso:
  - module: greenlight.release.pm2_process_info
"""

EXAMPLES = r"""
- name: Mark the end of the logs
  greenlight.release.log_assert:
    state: mark
    process: shop
  register: shop_mark

- name: Judge what was written since
  greenlight.release.log_assert:
    process: shop
    cursor: "{{ shop_mark.cursor }}"
    wait: 30
    require:
      - pattern: "[ConnectionPool] Initialized with max 5 read connections"
    forbid:
      - name: critical_errors
        pattern: '\b(FATAL|TypeError)\b'
        regex: true
      - name: errors
        field: level
        at_least: 50
        maximum: 5
        per: hour
    rates:
      error_rate:
        count: '"statusCode":5'
        of: '"statusCode":'

- name: Judge the end of a log by its path
  greenlight.release.log_assert:
    files:
      - path: /var/log/shop/error.log
        stream: err
    forbid:
      - pattern: SQLITE_CORRUPT
"""

RETURN = r"""
cursor:
  description: The end of the files now, with the time in seconds since 1970. A last line without an end lies behind it, and is judged again.
  returned: success
  type: dict
  sample:
    version: 2
    at: 1771466400.0
    files:
      - path: /home/shop/.pm2/logs/shop-out.log
        stream: out
        at: 1771466400.0
        device: 65025
        inode: 131204
        offset: 4096
        fingerprint: 0f343b0931126a20f133d67c2b018a3b
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
  description: Whether no line can be missing between O(cursor) and now. Otherwise nothing is said to be free of forbidden lines.
  returned: when the state is checked
  type: bool
  sample: true
gap:
  description: Of which logs lines are missing between O(cursor) and now, and why that may be; empty when C(complete) is true.
  returned: when the state is checked
  type: str
  sample: ""
notes:
  description: What the reader should know of how it was read.
  returned: when the state is checked
  type: list
  elements: str
  sample: []
span_seconds:
  description: Seconds since O(cursor) was taken, null without one.
  returned: when the state is checked
  type: float
  sample: 3600.4
lines:
  description:
    - Per rule the number of lines, the same per hour, and the first and the last line, at most 300 characters of each.
    - C(known) is the number of lines of a kind in O(known_kinds). They count too, unless C(new_kinds_only) is true.
  returned: when the state is checked
  type: dict
  sample: {"critical_errors": {"count": 0, "known": 2, "per_hour": 0.0, "first": "", "last": ""}}
kinds:
  description: Per rule of O(forbid) the kinds of the lines that matched, the 500 of most lines, for O(known_kinds) of a later call. Without
    O(cursor) those in rotated files are among them, as far as O(tail_bytes) goes.
  returned: when the state is checked
  type: dict
  sample: {"critical_errors": []}
styles:
  description: The styles of the lines, that of most lines first. Empty without O(styles).
  returned: when the state is checked
  type: list
  elements: str
  sample: [winston, morgan]
measurements:
  description: Counts, and rates in percent with their interval. When lines may be missing, only forbidden lines that were found are counted.
  returned: when the state is checked
  type: dict
  sample: {"critical_errors": 0, "error_rate": {"value": 0.5, "low": 0.1, "high": 2.4, "samples": 200, "events": 1, "blocks": [[1, 200]]}}
"""

import os
import time
from typing import Any, Dict, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._host import parallel
from ansible_collections.greenlight.release.plugins.module_utils._logs import check as logs_check
from ansible_collections.greenlight.release.plugins.module_utils._logs import confirm, options, rules
from ansible_collections.greenlight.release.plugins.module_utils._logs import files as logs_files
from ansible_collections.greenlight.release.plugins.module_utils._logs import process as logs_process
from ansible_collections.greenlight.release.plugins.module_utils._logs import scan as logs_scan
from ansible_collections.greenlight.release.plugins.module_utils._logs.confirm import SecondLook
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError

# Seconds that the PM2 daemon may take to answer.
PM2_TIMEOUT = 10
ARGUMENTS = {
    "state": {"type": "str", "choices": ["mark", "checked"], "default": "checked"},
    "files": {"type": "list", "elements": "dict", "options": options.FILE},
    "process": {"type": "str"},
    "pm2_home": {"type": "path"},
    "cursor": {"type": "dict"},
    "tail_bytes": {"type": "int", "default": 16777216},
    "allow_missing": {"type": "bool", "default": False},
    **options.RULES,
    "styles": {"type": "list", "elements": "str", "default": []},
    "rates": {"type": "dict", "default": {}},
    "confirm": {"type": "dict", "default": {}},
    "known_kinds": {"type": "dict", "default": {}},
    "wait": {"type": "float", "default": 0},
    "timeout": {"type": "int", "default": 120},
    "report_only": {"type": "bool", "default": False},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def read_instances(params: Mapping[str, Any]) -> Sequence[pm2.Instance]:
    return pm2.read_instances(pm2.home_of(params["pm2_home"], os.environ), params["process"], PM2_TIMEOUT)


def run(params: Mapping[str, Any], scan: logs_scan.Scan, looks: Mapping[str, SecondLook]) -> Dict[str, Any]:
    """Take a mark, or read until nothing is waited for any more or the time is up; return the module's result."""
    files, notes = logs_process.find_logs(params, lambda: read_instances(params))
    at, cursor = time.time(), params["cursor"]
    if params["state"] == "mark":
        return {"cursor": logs_files.take_cursor(files, at)}
    begin = logs_check.begin(files, cursor, params["tail_bytes"], at)
    if cursor is None:
        logs_check.learn(scan, files, params["tail_bytes"])
    clock = logs_check.Time(time.time, time.monotonic, time.sleep)
    reading = logs_check.read(scan, begin, params["wait"], params["allow_missing"], clock, looks)
    reading.notes = [*reading.notes, *notes]
    return logs_check.describe(scan, reading, cursor and cursor["at"], params["allow_missing"], time.time(), looks)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("files", "process", "cursor")],
        required_if=[("state", "mark", ("files", "process"), True)],
    )
    params = module.params
    try:
        rules.check_numbers(params)
        scan = logs_scan.Scan(rules.read_rules(params), rules.check_kinds(params["known_kinds"]))
        looks = confirm.parse_second_looks(params["confirm"])
        with heartbeat.kept(heartbeat.read(params["heartbeat"], module.check_mode)):
            longest = params["wait"] + params["timeout"] + max((look.within for look in looks.values()), default=0.0)
            result = parallel.within(longest, lambda: run(params, scan, looks))
    except (rules.LogError, RecordError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The logs cannot be read: {error}; check their folder, and the disk")
    except parallel.TooSlowError:
        module.fail_json(
            msg=f"Reading the logs took longer than timeout while searching for {scan.looking_for!r}; "
            "check for a pattern such as (a+)+ that never ends"
        )
    if not result.get("passed", True) and not params["report_only"]:
        module.fail_json(msg=f"The log is not as it should be: {result['reason']}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
