# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import (
    COMPARISONS,
    CONDITIONS,
    ConditionError,
    describe,
    make_test,
    to_text,
)


@pytest.mark.parametrize(
    "comparison, holds",
    [
        ("below", (True, False, False)),
        ("at_most", (True, True, False)),
        ("equals", (False, True, False)),
        ("at_least", (False, True, True)),
        ("above", (False, False, True)),
    ],
)
def test_a_comparison_holds_below_at_and_above_its_limit(comparison, holds):
    assert tuple(COMPARISONS[comparison](value, 5) for value in (4.9, 5, 5.1)) == holds
    assert tuple(make_test(comparison, 5)(value) for value in (4.9, 5, 5.1)) == holds


@pytest.mark.parametrize(
    "condition, limit, value, met",
    [
        ("below", "50%", "49.9%", True),
        ("below", 50, "much", False),
        ("above", 1, True, False),
        ("above", 1, None, False),
        ("equals", "ok", "ok", True),
        ("equals", 1, True, False),
        ("equals", [1], [1], True),
        ("matches", "^o", "ok", True),
        ("matches", "^x", "ok", False),
        ("matches", '"a": 1', {"a": 1}, True),
        ("matches", 5, 1500, True),
        ("exists", True, None, True),
        ("exists", False, None, False),
    ],
)
def test_a_value_meets_a_condition(condition, limit, value, met):
    assert make_test(condition, limit)(value) is met


@pytest.mark.parametrize("limit", [None, True, "much", float("inf"), [1]])
def test_a_limit_that_is_no_number_is_refused(limit):
    with pytest.raises(ConditionError, match=re.escape(f"at_least needs a number, not {limit!r}")):
        make_test("at_least", limit)


def test_a_pattern_that_is_no_regular_expression_is_refused():
    with pytest.raises(re.error):
        make_test("matches", "(")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_has_words(condition):
    assert re.fullmatch("[a-z]+( [a-z]+)?", describe(condition))


@pytest.mark.parametrize(
    "value, text", [("a b", "a b"), (True, "true"), (None, "null"), ({"a": [1.5]}, '{"a": [1.5]}')]
)
def test_a_value_is_shown_as_in_json(value, text):
    assert to_text(value) == text
