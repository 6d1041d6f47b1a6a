# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: allowed_now
short_description: Say whether a release may begin now
version_added: 0.1.0
description:
  - Judges the time by hours of the week, and by dates on which nothing may be released.
  - Both are what a clock on the wall of the time zone shows. An hour that daylight saving time leaves out never comes, and one that it repeats comes twice.
author:
  - The greenlight.release maintainers (@greenlight)
positional: time_zone, freeze, now
options:
  _input:
    description:
      - Hours such as V(02:00-04:00), with commas between several. The end does not belong to them.
      - V(22:00-02:00) goes over midnight, V(00:00-24:00) is the whole day.
      - Days of the week may come first, as in V(Mon-Fri 02:00-04:00) or V(Sat 02:00-04:00). Hours over midnight belong to the day on which they begin.
      - Empty means every hour.
    type: str
    required: true
  time_zone:
    description: Name of the time zone in the database of IANA, as the controller has it.
    type: str
    default: UTC
  freeze:
    description:
      - Times without releases, mappings of C(from), C(to) and C(reason). A date such as V(2026-12-20) is a whole day, V(2026-12-20 18:00) a time.
      - A freeze lies over the allowed hours.
    type: list
    elements: dict
    default: []
  now:
    description: The time that counts as now, in UTC such as V(2026-02-19T02:00:00Z). The default is the clock of the controller.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Release in the night only
  ansible.builtin.assert:
    that: verdict.allowed
    fail_msg: "{{ verdict.reason }}"
  vars:
    verdict: "{{ 'Mon-Fri 02:00-04:00' | greenlight.release.allowed_now('Europe/Berlin') }}"
"""

RETURN = r"""
_value:
  description: Whether a release may begin, why not, and when it may.
  type: dict
  contains:
    allowed:
      description: Whether a release may begin.
      type: bool
    reason:
      description: Why it may not, and when it may. Empty when it may.
      type: str
    next_at:
      description: When it may, empty when it may now, and when no such time was found.
      type: str
  sample:
    allowed: false
    reason: "it is Thu 2026-02-19 14:05 in Europe/Berlin, outside of the allowed hours; a release may begin at Fri 2026-02-20 02:00 (2026-02-20T01:00Z)"
    next_at: "2026-02-20T02:00:00+01:00"
"""

from datetime import datetime, timezone
from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import schedule, watch
from zoneinfo import ZoneInfo


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone of that name. Raises ScheduleError."""
    try:
        return ZoneInfo(name)
    # A name may be that of a folder, or lead out of the database.
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise schedule.ScheduleError(
            f"The controller knows no time zone {name!r}; set greenlight_time_zone to a name such as Europe/Berlin, or install tzdata"
        ) from error


def allowed_now(hours: Any, time_zone: str = "UTC", freeze: Any = (), now: str = "") -> Dict[str, Any]:
    try:
        moment = watch.choose_moment(now, lambda: datetime.now(timezone.utc))
        windows, freezes = schedule.parse_windows(hours), schedule.parse_freezes(freeze)
        verdict = schedule.judge(windows, freezes, find_zone(time_zone), moment)
    except (schedule.ScheduleError, release_record.RecordError) as error:
        raise AnsibleFilterError(str(error)) from error
    next_at = verdict.next_at.isoformat() if verdict.next_at else ""
    return {"allowed": verdict.allowed, "reason": schedule.describe(verdict), "next_at": next_at}


class FilterModule:
    """Filter that says whether a release may begin now."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"allowed_now": allowed_now}
