# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a number that somebody gave can be used."""

from __future__ import annotations

import math
from typing import Any, Mapping, Tuple

# A timer of the kernel does not take every number, and nobody waits for longer than a week; in seconds.
LONGEST = 7 * 86400

Ends = Tuple[float, float]


def problem_with(value: Any, least: float = 0, most: float = math.inf) -> str:
    """Return what is wrong with a value that must be a number from `least` to `most`, "" for nothing."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return f"must be a number, not {value!r}"
    if not least <= number < math.inf:
        return f"must be a number of at least {least}, not {value!r}"
    return f"must be {most} at most, not {value!r}" if number > most else ""


def first_problem(values: Mapping[str, Any], ends: Mapping[str, Ends]) -> str:
    """Return what is wrong with the first of the named values that is not between its two ends, "" for nothing."""
    problems = ((name, problem_with(values[name], *each)) for name, each in ends.items())
    return next((f"{name} {problem}" for name, problem in problems if problem), "")
