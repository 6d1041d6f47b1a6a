# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import random

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values import statistics
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import Interval


@pytest.mark.parametrize(
    "events, total, low, high",
    [
        # Worked out from the closed form with alpha = 0.01.
        (0, 0, 0.0, 1.0),
        (0, 100, 0.0, 0.06222064),
        (100, 100, 0.93777936, 1.0),
        (50, 100, 0.37528, 0.62472),
        (5, 1000, 0.0016755, 0.0148200),
    ],
)
def test_wilson_interval_agrees_with_published_values(events, total, low, high):
    assert statistics.wilson_interval(events, total) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )


@pytest.mark.parametrize(
    "values, q, expected",
    [([7.0], 0.5, 7.0), ([1.0, 3.0], 0.5, 2.0), ([1.0, 2.0, 3.0], 1.0, 3.0), ([0.0, 10.0], 0.9, 9.0)],
)
def test_quantile_interpolates_between_neighbours(values, q, expected):
    assert statistics.quantile(values, q) == pytest.approx(expected)


@pytest.mark.parametrize(
    "count, q, ranks",
    [(1, 0.5, (0, 0)), (5, 0.5, (0, 4)), (50, 0.5, (14, 35)), (1000, 0.5, (458, 541))],
)
def test_quantile_interval_takes_ranks_around_the_quantile(count, q, ranks):
    values = [float(number) for number in range(count)]
    assert statistics.quantile_interval(values, q) == (values[ranks[0]], values[ranks[1]])


def test_quantile_interval_holds_the_true_median_of_a_heavy_tail_in_99_of_100_draws():
    generator = random.Random(1)
    held = 0
    for _draw in range(2000):
        sample = sorted(generator.paretovariate(1.5) for _each in range(50))
        low, high = statistics.quantile_interval(sample, 0.5)
        held += low <= 2 ** (1 / 1.5) <= high
    assert held >= 1980


@pytest.mark.parametrize(
    "now, base, expected",
    [
        # sqrt(ln(15/12)^2 + ln(12/10)^2) = 0.2882 and sqrt(ln(18/15)^2 + ln(10/8)^2), widened by 3.2905 / 2.5758.
        ((15, 12, 18), (10, 8, 12), (50, 3.806, 116.750)),
        ((5, 4, 6), (10, 9, 11), (-50, -63.327, -34.567)),
        ((5, 4, 6), (10, 0, 11), (-50, -63.327, math.inf)),
        ((5, 0, 6), (10, 9, 11), (-50, -100, -34.567)),
        ((0, 0, 2), (10, 8, 12), (-100, -100, -75)),
    ],
)
def test_relative_change_carries_both_intervals(now, base, expected):
    assert statistics.relative_change(Interval(*now), Interval(*base)) == pytest.approx(expected, abs=1e-3)


def test_difference_carries_both_intervals():
    found = statistics.difference(Interval(5, 2, 9), Interval(1, 0, 5))
    assert found == pytest.approx((4, 4 - 5 * 1.27745, 4 + math.hypot(4, 1) * 1.27745), abs=1e-3)


def share(events, total):
    low, high = statistics.wilson_interval(events, total)
    return Interval(events / total * 100, low * 100, high * 100)


@pytest.mark.parametrize(
    "now, base, samples, needed",
    [
        # (3.2905 + 2.3263)^2 * (0.95/0.05 + 0.9/0.1) / ln(2/1.5)^2 = 10,672, by the normal approximation.
        (share(1000, 10000), share(500, 10000), (10000, 10000), 10672),
        # Twice as many in the baseline alone make no difference to what each side needs.
        (share(1000, 10000), share(1000, 20000), (10000, 20000), 10672),
        # Where the new revision had no error, it is taken to scatter as the baseline does: 0.99/0.01 twice.
        (share(0, 10000), share(100, 10000), (10000, 10000), 75472),
        # A baseline without errors is taken for the least that matters, 0.05 %.
        (share(0, 10000), share(0, 10000), (10000, 10000), 1524771),
    ],
)
def test_samples_to_show_agrees_with_the_normal_approximation(now, base, samples, needed):
    found = statistics.samples_to_show(now, base, samples, 100, 50, 0.05)
    assert found == pytest.approx(needed, rel=0.07)
