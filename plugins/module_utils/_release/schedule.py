# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a release may begin: hours of the week, and dates on which it may not.

Both are read as a clock on a wall of the time zone shows them. So an hour that daylight saving time leaves out is no
time to release in, and one that comes twice is one twice. Nothing here reads a clock or a database of time zones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(r"(?:(?P<first>[A-Za-z]{3})(?:-(?P<last>[A-Za-z]{3}))? +)?(?P<start>[0-9:]+)-(?P<end>[0-9:]+)")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d.*")
_WHOLE_DAY = 24 * 60
# How many minutes without a freeze are searched for the next window, and how far a search may go at all.
_SEARCHED = 60 * _WHOLE_DAY
_FARTHEST = timedelta(days=800)
_MINUTE = timedelta(minutes=1)


class ScheduleError(GreenlightError):
    """The hours or a freeze are not written as they must be."""


@dataclass(frozen=True)
class Window:
    """Hours on days of the week (0 is Monday), in minutes of the day; an end before the start is on the next day."""

    days: FrozenSet[int]
    start: int
    end: int

    def covers(self, moment: datetime) -> bool:
        """Say whether a moment, as a clock on the wall shows it, lies within."""
        minute, today = moment.hour * 60 + moment.minute, moment.weekday()
        if self.end > self.start:
            return today in self.days and self.start <= minute < self.end
        return (today in self.days and minute >= self.start) or ((today - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True)
class Freeze:
    """A time without releases, from `start` on until before `end`, as a clock on the wall shows it."""

    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True)
class Permission:
    """Whether a release may begin now, why not, and when it may; `next_at` is None when no time was found."""

    allowed: bool
    reason: str = ""
    next_at: Optional[datetime] = None


def parse_windows(text: Any) -> Tuple[Window, ...]:
    """Return the windows of a text such as `Mon-Fri 02:00-04:00, 22:00-06:00`, () for none. Raises ScheduleError."""
    if not isinstance(text, str):
        raise ScheduleError(f"greenlight_allowed_hours must be a text such as '02:00-04:00', not {text!r}; quote it")
    parts = [part.strip() for part in text.split(",")]
    return tuple(map(_parse_window, parts)) if text.strip() else ()


def _parse_window(text: str) -> Window:
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ScheduleError(
            f"greenlight_allowed_hours has {text!r}; write hours such as 02:00-04:00 or Mon-Fri 02:00-04:00, "
            "with commas between several"
        )
    start, end = _parse_time(match["start"], text), _parse_time(match["end"], text)
    if start in (end, _WHOLE_DAY):
        raise ScheduleError(f"greenlight_allowed_hours has {text!r}, which is no time; a whole day is 00:00-24:00")
    first = _parse_day(match["first"], text) if match["first"] else 0
    last = _parse_day(match["last"], text) if match["last"] else first if match["first"] else 6
    return Window(frozenset((first + number) % 7 for number in range((last - first) % 7 + 1)), start, end)


def _parse_time(text: str, window: str) -> int:
    if not _TIME.fullmatch(text):
        raise ScheduleError(f"greenlight_allowed_hours has {window!r}, in which {text} is no time from 00:00 to 24:00")
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _parse_day(text: str, window: str) -> int:
    if text.capitalize() not in _DAYS:
        raise ScheduleError(f"greenlight_allowed_hours has {window!r}, in which {text} is none of {', '.join(_DAYS)}")
    return _DAYS.index(text.capitalize())


def parse_freezes(given: Any) -> Tuple[Freeze, ...]:
    """Return the freezes of a list of `{from, to, reason}`; a date `to` is the whole day. Raises ScheduleError."""
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise ScheduleError("greenlight_freeze must be a list of mappings with from, to and reason")
    return tuple(_parse_freeze(each, f"greenlight_freeze[{index}]") for index, each in enumerate(given))


def _parse_freeze(given: Any, where: str) -> Freeze:
    if not isinstance(given, Mapping) or not {"from", "to"} <= set(given) <= {"from", "to", "reason"}:
        raise ScheduleError(f"{where} must be a mapping with from, to and reason, and nothing else")
    start, end = _parse_moment(given["from"], f"{where}.from", 0), _parse_moment(given["to"], f"{where}.to", 1)
    if start >= end:
        raise ScheduleError(f"{where} ends before it begins: from {given['from']} to {given['to']}; change one of them")
    return Freeze(start, end, str(given.get("reason") or "no reason is given"))


def _parse_moment(given: Any, where: str, days: int) -> datetime:
    """Return a moment as the wall's clock shows it; a date alone is midnight, `days` later."""
    # YAML makes dates of what looks like one.
    text = given.isoformat(" ") if isinstance(given, datetime) else str(given)
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), datetime.min.time()) + timedelta(days=days)
        if not _DATE_AND_TIME.fullmatch(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ScheduleError(f"{where} must be a date such as 2026-12-20 or 2026-12-20 18:00, not {text!r}") from error
    if moment.tzinfo is not None:
        raise ScheduleError(f"{where} must have no time zone of its own, as {text!r} has; greenlight_time_zone is used")
    return moment


def judge(windows: Sequence[Window], freezes: Sequence[Freeze], zone: tzinfo, now: datetime) -> Permission:
    """Say whether a release may begin at `now`, a time of any time zone. Without windows every hour is allowed."""
    local = _on_the_wall(now, zone)
    frozen = _frozen(freezes, local)
    if frozen is None and _within(windows, local):
        return Permission(True)
    at = f"{_DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} in {zone}"
    why = f"and releases are frozen: {frozen.reason}" if frozen else "outside of the allowed hours"
    return Permission(False, f"it is {at}, {why}", _next(windows, freezes, zone, now))


def _on_the_wall(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _within(windows: Sequence[Window], local: datetime) -> bool:
    return not windows or any(window.covers(local) for window in windows)


def _frozen(freezes: Sequence[Freeze], local: datetime) -> Optional[Freeze]:
    """Return the freeze that lies over a moment, of several the one that ends last."""
    over: List[Freeze] = [freeze for freeze in freezes if freeze.start <= local < freeze.end]
    return max(over, key=lambda freeze: freeze.end, default=None)


def _next(windows: Sequence[Window], freezes: Sequence[Freeze], zone: tzinfo, now: datetime) -> Optional[datetime]:
    """Return the first minute after `now` at which a release may begin, in the zone."""
    moment = now.astimezone(timezone.utc).replace(second=0, microsecond=0)
    searched = 0
    while searched < _SEARCHED and moment - now < _FARTHEST:
        moment += _MINUTE
        local = _on_the_wall(moment, zone)
        frozen = _frozen(freezes, local)
        if frozen is None:
            searched += 1
            if _within(windows, local):
                return moment.astimezone(zone)
        else:
            # A change of the clocks may lie in between, so the last day is checked minute by minute.
            moment += max(timedelta(0), min(frozen.end - local, _FARTHEST) - timedelta(days=1))
    return None


def describe(verdict: Permission) -> str:
    """Return why a release may not begin and when it may, in one sentence, and "" where it may."""
    if verdict.allowed:
        return ""
    if verdict.next_at is None:
        return f"{verdict.reason}; no time to release in was found in the next two months without a freeze"
    return (
        f"{verdict.reason}; a release may begin at {_DAYS[verdict.next_at.weekday()]} {verdict.next_at:%Y-%m-%d %H:%M} "
        f"({verdict.next_at.astimezone(timezone.utc):%Y-%m-%dT%H:%MZ})"
    )
