# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import random

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _statistics
from ansible_collections.greenlight.release.plugins.module_utils._statistics import Interval


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
    assert _statistics.wilson_interval(events, total) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )


@pytest.mark.parametrize(
    "values, q, expected",
    [([7.0], 0.5, 7.0), ([1.0, 3.0], 0.5, 2.0), ([1.0, 2.0, 3.0], 1.0, 3.0), ([0.0, 10.0], 0.9, 9.0)],
)
def test_quantile_interpolates_between_neighbours(values, q, expected):
    assert _statistics.quantile(values, q) == pytest.approx(expected)


@pytest.mark.parametrize(
    "count, q, ranks",
    [(1, 0.5, (0, 0)), (5, 0.5, (0, 4)), (50, 0.5, (14, 35)), (1000, 0.5, (458, 541))],
)
def test_quantile_interval_takes_ranks_around_the_quantile(count, q, ranks):
    values = [float(number) for number in range(count)]
    assert _statistics.quantile_interval(values, q) == (values[ranks[0]], values[ranks[1]])


def test_quantile_interval_holds_the_true_median_of_a_heavy_tail_in_99_of_100_draws():
    generator = random.Random(1)
    held = 0
    for _draw in range(2000):
        sample = sorted(generator.paretovariate(1.5) for _each in range(50))
        low, high = _statistics.quantile_interval(sample, 0.5)
        held += low <= 2 ** (1 / 1.5) <= high
    assert held >= 1980


@pytest.mark.parametrize(
    "now, base, expected",
    [
        ((15, 12, 18), (10, 8, 12), (50, 0, 125)),
        ((5, 4, 6), (10, 9, 11), (-50, -63.636, -33.333)),
        ((5, 4, 6), (10, 0, 11), (-50, -63.636, math.inf)),
    ],
)
def test_relative_change_carries_both_intervals(now, base, expected):
    assert _statistics.relative_change(Interval(*now), Interval(*base)) == pytest.approx(expected, abs=1e-3)
