# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions that a value may have to meet: the words for them, and what each of them means.

The decision matrix, the probes and the rules about logs share these words, so that `at_most` means the same everywhere.
"""

from __future__ import annotations

import json
import operator
import re
from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

COMPARISONS: Dict[str, Callable[[float, float], bool]] = {
    "below": operator.lt,
    "at_most": operator.le,
    "equals": operator.eq,
    "at_least": operator.ge,
    "above": operator.gt,
}
# These compare numbers alone; equals compares any two values of JSON.
ORDERED = ("below", "at_most", "at_least", "above")
CONDITIONS = (*COMPARISONS, "matches", "exists")


class ConditionError(GreenlightError):
    """A condition that no value can be held against."""


def describe(condition: str) -> str:
    """Return a condition in words, `at most` for `at_most`."""
    return condition.replace("_", " ")


def to_text(value: Any) -> str:
    """Return a value as JSON writes it, a text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def make_test(condition: str, limit: Any) -> Callable[[Any], bool]:
    """Return what says whether a value of JSON that is there meets a condition of CONDITIONS.

    A text such as `"95.67%"` counts as a number, on both sides. Raises ConditionError for a limit that is no number,
    re.error for a pattern that is no regular expression.
    """
    if condition in ORDERED:
        return _make_comparison(condition, limit)
    if condition == "matches":
        search = re.compile(str(limit)).search
        return lambda value: search(to_text(value)) is not None
    if condition == "exists":
        return lambda _value: bool(limit)
    return lambda value: json_path.is_equal(value, limit)


def _make_comparison(condition: str, limit: Any) -> Callable[[Any], bool]:
    compare, bound = COMPARISONS[condition], json_path.to_number(limit)
    if bound is None:
        raise ConditionError(f"{condition} needs a number, not {limit!r}")
    number: float = bound

    def holds(value: Any) -> bool:
        found = json_path.to_number(value)
        return found is not None and compare(found, number)

    return holds
