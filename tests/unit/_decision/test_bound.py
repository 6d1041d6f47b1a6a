# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Bound, is_number


@pytest.mark.parametrize(
    "comparison, limit, low, high, expected",
    [
        ("below", 10, 8, 9.9, True),
        ("below", 10, 8, 10, False),
        ("at_most", 10, 8, 10, True),
        ("at_most", 10, 8, 10.1, False),
        ("equals", True, True, True, True),
        ("equals", 0, 0, 1, False),
        ("at_least", 10, 10, 11, True),
        ("at_least", 10, 9, 11, False),
        ("above", 10, 10.1, 11, True),
        ("above", 10, 10, 11, False),
    ],
)
def test_a_bound_holds_only_for_the_whole_range(comparison, limit, low, high, expected):
    assert Bound(comparison, limit).holds(low, high) is expected


@pytest.mark.parametrize(
    "one, other, meets, within",
    [
        (("below", 10), ("above", 5), True, False),
        (("below", 10), ("above", 10), False, False),
        (("below", 10), ("at_least", 10), False, False),
        (("at_most", 10), ("at_least", 10), True, False),
        (("at_most", 10), ("above", 10), False, False),
        (("equals", 10), ("at_most", 10), True, True),
        (("equals", 10), ("below", 10), False, False),
        (("below", 10), ("at_most", 10), True, True),
        (("at_most", 10), ("below", 10), True, False),
        (("above", 10), ("at_least", 10), True, True),
        (("at_least", 10), ("above", 10), True, False),
        (("above", 60), ("above", 50), True, True),
        (("equals", True), ("equals", False), False, False),
    ],
)
def test_what_two_bounds_share(one, other, meets, within):
    assert Bound(*one).meets(Bound(*other)) is Bound(*other).meets(Bound(*one)) is meets
    assert Bound(*one).is_within(Bound(*other)) is within


@pytest.mark.parametrize("bound, text", [(("equals", True), "equal to true"), (("at_least", 2.5), "at least 2.5")])
def test_a_bound_is_described_in_words(bound, text):
    assert Bound(*bound).describe() == text


@pytest.mark.parametrize("value, is_one", [(1, True), (1.5, True), (True, False), (float("inf"), False), ("1", False)])
def test_a_number_is_finite_and_no_boolean(value, is_one):
    assert is_number(value) is is_one
