# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals for rates and quantiles, and for the change between two of them.

The interval of one measurement is a 99 % one, that of a change a 99.9 % one. What decides about a release is wider: the
decision says how much, by the error that a look may still make.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence, Tuple

# Two-sided 99 % point of the standard normal distribution.
Z = 2.5758293035489004
# Two-sided 99.9 % point.
Z_CHANGE = 3.2905267314918945
# One-sided 99 % point: what is there shall be seen 99 times in 100.
Z_POWER = 2.3263478740408408
# With fewer values than these not even all of them are a 99 % interval of the median.
LEAST_SAMPLES = 8


class Interval(NamedTuple):
    """A value and an interval around it, all in the value's own unit."""

    value: float
    low: float
    high: float


def wilson_interval(events: int, total: int) -> Tuple[float, float]:
    """Return the Wilson score interval (0..1) of the share `events` out of `total`; (0.0, 1.0) when total is 0.

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
    """Return the `q` quantile (0..1) of ascending, non-empty values, interpolated between neighbours."""
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def quantile_interval(ordered: Sequence[float], q: float) -> Tuple[float, float]:
    """Return the order-statistic interval of the `q` quantile of ascending, non-empty values.

    It assumes nothing about the distribution, so a heavy tail does not matter. With fewer than about ten values it is
    all of them, which is less than 99 %: ask for more samples in the matrix row.
    """
    count = len(ordered)
    margin = Z * math.sqrt(count * q * (1 - q))
    low = max(0, math.floor(count * q - margin) - 1)
    high = min(count - 1, math.ceil(count * q + margin))
    return (ordered[low], ordered[high])


def widened(interval: Interval, point: float) -> Interval:
    """Return a 99 % interval as one that reaches to another `point` of the standard normal distribution."""
    value, wider = interval.value, point / Z
    return Interval(value, value - (value - interval.low) * wider, value + (interval.high - value) * wider)


def relative_change(now: Interval, base: Interval, point: float = Z_CHANGE) -> Interval:
    """Return the change from `base` to `now` in percent, with an interval; by default it is a 99.9 % one.

    The distances of both values to the ends of their intervals are combined on the logarithmic scale. For two shares
    with Wilson's intervals that is close to the inverse sinh interval of their ratio; for two medians with the
    intervals of their ranks it assumes nothing about the distribution. `base.value` must be above zero. Where the
    baseline's interval reaches down to zero, no upper bound exists.

    Source: G. Y. Zou and A. Donner, Construction of confidence limits about effect measures: a general approach (2008);
    R. G. Newcombe, Logit confidence intervals and the inverse sinh transformation (2001).
    """
    ratio, wider = now.value / base.value, point / Z
    low, high = now.low / base.high, math.inf
    if now.low > 0:
        low = ratio * math.exp(-wider * math.hypot(math.log(now.value / now.low), math.log(base.high / base.value)))
    if base.low > 0:
        high = now.high / base.low
        if now.value > 0:
            high = ratio * math.exp(wider * math.hypot(math.log(now.high / now.value), math.log(base.value / base.low)))
    return Interval((ratio - 1) * 100, (low - 1) * 100, (high - 1) * 100)


def difference(now: Interval, base: Interval, point: float = Z_CHANGE) -> Interval:
    """Return `now` minus `base` in their own unit, with an interval; for two shares it is Newcombe's.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions (1998), method 10.
    """
    gap, wider = now.value - base.value, point / Z
    below = wider * math.hypot(now.value - now.low, base.high - base.value)
    above = wider * math.hypot(now.high - now.value, base.value - base.low)
    return Interval(gap, gap - below, gap + above)


def samples_to_show(
    now: Interval,
    base: Interval,
    samples: Tuple[int, int],
    change: float,
    line: float,
    floor: float,
    point: float = Z_CHANGE,
) -> int:
    """Return how many samples each side needs, so that a true `change` is seen to lie beyond `line` 99 times in 100.

    Both are in percent, and above zero. `samples` are those of now and of the baseline; how far their intervals reach
    says how much the metric scatters. A baseline of 0 is taken for `floor`, the least that matters.
    """
    least = base.value or floor or base.high
    # Squared distances on the logarithmic scale shrink in proportion to the samples.
    before = samples[1] * (math.log(base.high / base.value) ** 2 if base.value > 0 else base.high / least)
    after = samples[0] * math.log(now.value / now.low) ** 2 if now.low > 0 else before
    distance = math.log((1 + change / 100) / (1 + line / 100))
    needed = (before + after) * ((point + Z_POWER) / Z / distance) ** 2
    return rounded_up(needed)


def rounded_up(number: float) -> int:
    """Return a number with two digits, which are all that an estimate is worth."""
    step = float(10 ** max(0, math.floor(math.log10(max(number, 1))) - 1))
    return int(math.ceil(number / step) * step)
