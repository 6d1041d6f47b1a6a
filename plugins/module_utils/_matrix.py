# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision matrix as data: its rows are parsed, and every wrong one is refused with its index and key."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

ACTIONS = ("proceed", "adjust", "monitor", "rollback")
COMPARISONS = ("below", "at_most", "equals", "at_least", "above")
ROW_KEYS = (
    "action",
    "adjust",
    "due",
    "floor",
    "metric",
    "minimum_samples",
    "relative",
    "remedy",
    "rollback_if",
    "target",
)
ADJUST_KEYS = ("env", "maximum", "minimum", "multiply")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+)([smhd])")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Number = Union[int, float]


class MatrixError(ValueError):
    """A row of the decision matrix, or a measurement given to it, that cannot be judged."""


@dataclass(frozen=True)
class Bound:
    """One comparison with a constant: C(below), C(at_most), C(equals), C(at_least) or C(above)."""

    comparison: str
    limit: Union[bool, Number]

    def holds(self, low: Number, high: Number) -> bool:
        """Say whether the whole range from C(low) to C(high) satisfies the comparison."""
        return {
            "below": high < self.limit,
            "at_most": high <= self.limit,
            "equals": low == high == self.limit,
            "at_least": low >= self.limit,
            "above": low > self.limit,
        }[self.comparison]

    def describe(self) -> str:
        limit = str(self.limit).lower() if isinstance(self.limit, bool) else f"{self.limit:g}"
        words = "equal to" if self.comparison == "equals" else self.comparison.replace("_", " ")
        return f"{words} {limit}"


@dataclass(frozen=True)
class Row:
    """One row: what is measured, what it should be, and what to do otherwise. C(due) is in seconds of age."""

    metric: str
    target: Bound
    action: str
    due: int = 0
    relative: bool = False
    rollback_if: Optional[Bound] = None
    minimum_samples: int = 0
    floor: float = 0.0
    remedy: str = ""
    adjust: Dict[str, Any] = field(default_factory=dict)

    def describe_target(self) -> str:
        text = self.target.describe() + (" %" if self.relative else "")
        if self.rollback_if:
            text += f", rollback if {self.rollback_if.describe()}" + (" %" if self.relative else "")
        return text


def parse_duration(value: Any) -> int:
    """Return the seconds of C("90s"), C("30m"), C("1h"), C("1d") or a plain number of seconds.

    Raises ValueError for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"{value!r} is no duration; write seconds, or a number with s, m, h or d")
    return int(match.group(1)) * _SECONDS[match.group(2)]


def describe_duration(seconds: int) -> str:
    """Return the shortest exact text of a duration, C(1h) for 3600."""
    if seconds == 0:
        return "0s"
    unit = next(unit for unit in "dhms" if seconds % _SECONDS[unit] == 0 and (unit != "d" or seconds > 86400))
    return f"{seconds // _SECONDS[unit]}{unit}"


def is_number(value: Any) -> bool:
    """Say whether the value is a finite number; a boolean is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def parse_matrix(rows: Any, known_metrics: Optional[Sequence[str]] = None) -> List[Row]:
    """Return the rows, all of them checked before any is used.

    C(known_metrics) are the metrics that something measures; leave it out to allow any name.
    Raises MatrixError, which names the row's index and key.
    """
    if not isinstance(rows, (list, tuple)) or not rows:
        raise MatrixError("The decision matrix must be a list with at least one row")
    parsed = [_parse_row(index, row, known_metrics) for index, row in enumerate(rows)]
    seen: Dict[Tuple[str, int, bool], int] = {}
    for index, row in enumerate(parsed):
        first = seen.setdefault((row.metric, row.due, row.relative), index)
        if first != index:
            raise MatrixError(
                f"Row {index} of the decision matrix, key metric: {row.metric} is judged at the same age by row {first}"
            )
    return parsed


def _parse_row(index: int, row: Any, known_metrics: Optional[Sequence[str]]) -> Row:
    if not isinstance(row, Mapping):
        raise MatrixError(f"Row {index} of the decision matrix must be a mapping, not {row!r}")
    for key in row:
        if key not in ROW_KEYS:
            raise _wrong(index, key, f"is not known; use one of {', '.join(ROW_KEYS)}")
    for key in ("metric", "target", "action"):
        if key not in row:
            raise _wrong(index, key, "is missing")
    parsed = Row(
        metric=_metric(index, row["metric"], known_metrics),
        target=_bound(index, "target", row["target"]),
        action=_action(index, row["action"]),
        due=_due(index, row.get("due", 0)),
        relative=_typed(index, "relative", row.get("relative", False), bool, "true or false"),
        rollback_if=_bound(index, "rollback_if", row["rollback_if"]) if "rollback_if" in row else None,
        minimum_samples=_not_negative(index, "minimum_samples", row.get("minimum_samples", 0), whole=True),
        floor=_not_negative(index, "floor", row.get("floor", 0.0)),
        remedy=_typed(index, "remedy", row.get("remedy", ""), str, "a text"),
        adjust=_adjust(index, row["adjust"]) if "adjust" in row else {},
    )
    _refuse_contradictions(index, parsed)
    return parsed


def _wrong(index: int, key: Any, problem: str) -> MatrixError:
    return MatrixError(f"Row {index} of the decision matrix, key {key}: {problem}")


def _typed(index: int, key: str, value: Any, wanted: type, description: str) -> Any:
    if not isinstance(value, wanted):
        raise _wrong(index, key, f"must be {description}, not {value!r}")
    return value


def _not_negative(index: int, key: str, value: Any, whole: bool = False) -> Any:
    if not is_number(value) or value < 0 or (whole and not isinstance(value, int)):
        raise _wrong(index, key, f"must be a {'whole ' if whole else ''}number of at least 0, not {value!r}")
    return value


def _metric(index: int, value: Any, known_metrics: Optional[Sequence[str]]) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(index, "metric", f"must be the name of a metric, not {value!r}")
    if known_metrics is not None and value not in known_metrics:
        raise _wrong(index, "metric", f"nothing measures {value!r}; use one of {', '.join(sorted(known_metrics))}")
    return value


def _action(index: int, value: Any) -> str:
    if value not in ACTIONS[1:]:
        raise _wrong(index, "action", f"must be one of {', '.join(ACTIONS[1:])}, not {value!r}")
    return str(value)


def _due(index: int, value: Any) -> int:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise _wrong(index, "due", str(error)) from error


def _bound(index: int, key: str, value: Any) -> Bound:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise _wrong(index, key, f"must be a mapping with one of {', '.join(COMPARISONS)}, not {value!r}")
    comparison, limit = next(iter(value.items()))
    if comparison not in COMPARISONS:
        raise _wrong(index, key, f"cannot compare by {comparison!r}; use one of {', '.join(COMPARISONS)}")
    if not is_number(limit) and not (isinstance(limit, bool) and comparison == "equals"):
        raise _wrong(index, key, f"the limit of {comparison} must be a number, not {limit!r}")
    return Bound(comparison, limit)


def _adjust(index: int, value: Any) -> Dict[str, Any]:
    if not isinstance(value, Mapping) or set(value) - set(ADJUST_KEYS) or not {"env", "multiply"} <= set(value):
        raise _wrong(index, "adjust", "must be a mapping with env and multiply, and may have minimum and maximum")
    if not isinstance(value["env"], str) or not _ENVIRONMENT_NAME.fullmatch(value["env"]):
        raise _wrong(index, "adjust", f"env must be the name of an environment variable, not {value['env']!r}")
    for key in sorted(set(value) - {"env"}):
        if not is_number(value[key]) or value[key] <= 0:
            raise _wrong(index, "adjust", f"{key} must be a number above 0, not {value[key]!r}")
    if value.get("minimum", 0) > value.get("maximum", math.inf):
        raise _wrong(index, "adjust", f"minimum {value['minimum']!r} is above maximum {value['maximum']!r}")
    return dict(value)


def _refuse_contradictions(index: int, row: Row) -> None:
    if row.relative and isinstance(row.target.limit, bool):
        raise _wrong(index, "relative", "a boolean target has no change in percent; remove one of them")
    if row.adjust and row.action != "adjust":
        raise _wrong(index, "adjust", f"needs action adjust, not {row.action}")
    if row.rollback_if is None:
        return
    if row.rollback_if.comparison not in ("above", "below") or isinstance(row.target.limit, bool):
        raise _wrong(index, "rollback_if", "must be above or below a number, and needs a target that is a number too")
    if _overlap(row.target, row.rollback_if):
        raise _wrong(
            index,
            "rollback_if",
            f"{row.rollback_if.describe()} contradicts target {row.target.describe()}: one value would be both",
        )


def _overlap(target: Bound, line: Bound) -> bool:
    """Say whether a value exists that meets the target and crosses the rollback line."""
    if target.comparison in ("below", "at_most"):
        return line.comparison == "below" or line.limit < target.limit
    if target.comparison in ("above", "at_least"):
        return line.comparison == "above" or line.limit > target.limit
    return line.holds(target.limit, target.limit)
