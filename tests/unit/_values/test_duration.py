# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import (
    DurationError,
    describe_age,
    describe_duration,
    parse_duration,
)


@pytest.mark.parametrize(
    "value, seconds",
    [
        (0, 0),
        (90, 90),
        ("0s", 0),
        ("90s", 90),
        ("30m", 1800),
        ("1h", 3600),
        ("24h", 86400),
        ("2d", 172800),
        ("1h30m", 5400),
        ("1d12h", 129600),
        ("1d2h3m4s", 93784),
        ("1h90m", 9000),
    ],
)
def test_durations_are_read_as_seconds(value, seconds):
    assert parse_duration(value) == seconds


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "1.5h", "h", "1 h", "", None, "1w", "30m1h", "1h1h", "1h30", "60"])
def test_other_durations_are_refused(wrong):
    with pytest.raises(DurationError, match="is no duration"):
        parse_duration(wrong)


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0s"), (61, "61s"), (1800, "30m"), (3600, "1h"), (5400, "90m"), (86400, "24h"), (172800, "2d")],
)
def test_durations_are_reported_in_the_largest_exact_unit(seconds, text):
    assert describe_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "seconds, age",
    [
        (-5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172799, "47h"),
        (172800, "2d"),
    ],
)
def test_an_age_is_rounded_down_to_one_unit(seconds, age):
    assert describe_age(seconds) == age
