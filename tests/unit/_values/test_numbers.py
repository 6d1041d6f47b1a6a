# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values.numbers import first_problem, problem_with


@pytest.mark.parametrize(
    "value, ends, problem",
    [
        (0, (), ""),
        (5, (1, 5), ""),
        ("2.5", (1, 5), ""),
        (0.5, (1, 5), "must be a number of at least 1, not 0.5"),
        (6, (1, 5), "must be 5 at most, not 6"),
        (math.inf, (), "must be a number of at least 0, not inf"),
        (math.nan, (), "must be a number of at least 0, not nan"),
        ("much", (), "must be a number, not 'much'"),
        (None, (), "must be a number, not None"),
        (10**400, (), f"must be a number, not {10**400}"),
    ],
)
def test_a_number_is_a_finite_one_between_two_ends(value, ends, problem):
    assert problem_with(value, *ends) == problem


@pytest.mark.parametrize(
    "values, problem",
    [
        ({"wait": 0, "timeout": 5}, ""),
        ({"wait": -1, "timeout": 0}, "wait must be a number of at least 0, not -1"),
        ({"wait": 0, "timeout": 11}, "timeout must be 10 at most, not 11"),
    ],
)
def test_the_first_wrong_number_is_named(values, problem):
    assert first_problem(values, {"wait": (0, 10), "timeout": (1, 10)}) == problem
