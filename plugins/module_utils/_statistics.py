# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals for rates and quantiles, and for the change between two of them.

Every interval is a 99 % one. Two of them that do not overlap differ by more than 3.6 standard errors, which chance
alone does to fewer than one release in a thousand.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence, Tuple

# Two-sided 99 % point of the standard normal distribution.
Z = 2.5758293035489004


class Interval(NamedTuple):
    """A value and the 99 % interval around it, all in the value's own unit."""

    value: float
    low: float
    high: float


def wilson_interval(events: int, total: int) -> Tuple[float, float]:
    """Return the Wilson score interval (0..1) of the share C(events) out of C(total); (0.0, 1.0) when total is 0.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if total == 0:
        return (0.0, 1.0)
    share = events / total
    scale = 1 + Z * Z / total
    centre = (share + Z * Z / (2 * total)) / scale
    margin = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total)) / scale
    # Rounding may leave 1e-19 where the formula says exactly none or all.
    low = 0.0 if events == 0 else max(0.0, centre - margin)
    high = 1.0 if events == total else min(1.0, centre + margin)
    return (low, high)


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return the C(q) quantile (0..1) of ascending, non-empty values, interpolated between neighbours."""
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def quantile_interval(ordered: Sequence[float], q: float) -> Tuple[float, float]:
    """Return the order-statistic interval of the C(q) quantile of ascending, non-empty values.

    It assumes nothing about the distribution, so a heavy tail does not matter. With fewer than about ten values it is
    all of them, which is less than 99 %: ask for more samples in the matrix row.
    """
    count = len(ordered)
    margin = Z * math.sqrt(count * q * (1 - q))
    low = max(0, math.floor(count * q - margin) - 1)
    high = min(count - 1, math.ceil(count * q + margin))
    return (ordered[low], ordered[high])


def relative_change(now: Interval, base: Interval) -> Interval:
    """Return the change from C(base) to C(now) in percent, with the interval that both intervals together allow.

    C(base.value) must be above zero. Where the baseline's interval reaches down to zero, no upper bound exists.
    """

    def change(new: float, old: float) -> float:
        return (new / old - 1) * 100

    high = change(now.high, base.low) if base.low > 0 else math.inf
    return Interval(change(now.value, base.value), change(now.low, base.high), high)
