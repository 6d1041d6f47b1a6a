# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations as people write them, such as `10m` or `1h30m`, and as whole seconds."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
# Every unit at most once, the largest first.
_DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class DurationError(GreenlightError):
    """A value that is no duration."""


def parse_duration(value: Any) -> int:
    """Return the seconds of `"90s"`, `"30m"`, `"1h30m"`, `"1d"` or a plain number of seconds.

    Raises DurationError for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise DurationError(f"{value!r} is no duration; write seconds, or numbers with d, h, m or s, such as 1h30m")
    return sum(int(number or 0) * seconds for number, seconds in zip(match.groups(), _SECONDS.values()))


def describe_duration(seconds: int) -> str:
    """Return a duration in the largest unit that is exact, `1h` for 3600; a single day is `24h`.

    Rows of the decision matrix are named by this text, so it must stay as it is.
    """
    if seconds == 0:
        return "0s"
    unit = next(unit for unit in _SECONDS if seconds % _SECONDS[unit] == 0 and (unit != "d" or seconds > 86400))
    return f"{seconds // _SECONDS[unit]}{unit}"


def describe_age(seconds: float) -> str:
    """Return how old something is in one rounded unit, `47h` for two days almost; what a clock sets ahead is new."""
    age = max(0, int(seconds))
    for unit, least in (("d", 2 * 86400), ("h", 2 * 3600), ("m", 120)):
        if age >= least:
            return f"{age // _SECONDS[unit]}{unit}"
    return f"{age}s"
