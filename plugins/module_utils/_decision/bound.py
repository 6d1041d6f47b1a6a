# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds of a decision matrix: one comparison with a constant, and which values two of them share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Tuple, Union

from ansible_collections.greenlight.release.plugins.module_utils._values.condition import COMPARISONS, describe

Number = Union[int, float]


@dataclass(frozen=True)
class Bound:
    """One comparison with a constant: `below`, `at_most`, `equals`, `at_least` or `above`."""

    comparison: str
    limit: Union[bool, Number]

    def holds(self, low: Number, high: Number) -> bool:
        """Say whether the whole range from `low` to `high` satisfies the comparison."""
        compare = COMPARISONS[self.comparison]
        return compare(low, self.limit) and compare(high, self.limit)

    def meets(self, other: Bound) -> bool:
        """Say whether one value satisfies both bounds."""
        # At the same limit the end that leaves the limit out is the narrower one.
        low, low_open = max(self._low_end(), other._low_end())
        high, high_closed = min(self._high_end(), other._high_end())
        return low < high or (low == high and high_closed and not low_open)

    def is_within(self, other: Bound) -> bool:
        """Say whether every value that satisfies this bound satisfies the other one too."""
        return self._low_end() >= other._low_end() and self._high_end() <= other._high_end()

    def _low_end(self) -> Tuple[float, bool]:
        """Return the least value, and whether it is left out."""
        if self.comparison in ("below", "at_most"):
            return (-math.inf, True)
        return (float(self.limit), self.comparison == "above")

    def _high_end(self) -> Tuple[float, bool]:
        """Return the greatest value, and whether it belongs to the bound."""
        if self.comparison in ("above", "at_least"):
            return (math.inf, False)
        return (float(self.limit), self.comparison != "below")

    def describe(self) -> str:
        limit = str(self.limit).lower() if isinstance(self.limit, bool) else f"{self.limit:g}"
        words = "equal to" if self.comparison == "equals" else describe(self.comparison)
        return f"{words} {limit}"


def is_number(value: Any) -> bool:
    """Say whether the value is a finite number; a boolean is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
