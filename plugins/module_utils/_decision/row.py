# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One row of the decision matrix as data: every key is checked, and a wrong one is refused with the row's index."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Bound, is_number
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import COMPARISONS
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import (
    DurationError,
    describe_duration,
    parse_duration,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import find_metric

ACTIONS = ("proceed", "adjust", "monitor", "rollback")
ROW_KEYS = (
    "action",
    "adjust",
    "confirm",
    "due",
    "floor",
    "metric",
    "minimum_samples",
    "name",
    "relative",
    "remedy",
    "rollback_if",
    "scope",
    "target",
    "until",
)
# A row is judged on every host by itself, or once on what all hosts of a batch were measured as together.
SCOPES = ("host", "fleet")
ADJUST_KEYS = ("env", "maximum", "minimum", "multiply")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class MatrixError(GreenlightError):
    """A row of the decision matrix, or a measurement given to it, that cannot be judged."""


@dataclass(frozen=True)
class Row:
    """One row: what is measured, what it should be, and what to do otherwise.

    `due` and `until` are seconds of age between which it is judged; `until` 0 means for ever. `confirm` are the seconds
    within which a second look must say the same before it rolls back, 0 where one look is enough.
    """

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
    until: int = 0
    name: str = ""
    scope: str = "host"
    confirm: int = 0

    def describe_target(self) -> str:
        text = self.target.describe() + (" %" if self.relative else "")
        if self.rollback_if:
            text += f", rollback if {self.rollback_if.describe()}" + (" %" if self.relative else "")
        return text

    def telling(self) -> float:
        """Return the change in percent that the row must tell from its rollback line: about twice as far away."""
        line = float(self.rollback_if.limit) if self.rollback_if else 0.0
        return (2 * line or 10.0) if line >= 0 else ((1 + line / 100) ** 2 - 1) * 100


def default_name(metric: str, due: int) -> str:
    """Return the name of a row that has none of its own: the metric, with the age where it is due later."""
    return f"{metric}_{describe_duration(due)}" if due else metric


def parse_row(index: int, row: Any, known_metrics: Optional[Sequence[str]]) -> Row:
    """Return a row, checked by itself. Raises MatrixError, which names the row's index and the key."""
    if not isinstance(row, Mapping):
        raise MatrixError(f"Row {index} of the decision matrix must be a mapping, not {row!r}")
    for key in row:
        if key not in ROW_KEYS:
            raise wrong(index, key, f"is not known; use one of {', '.join(ROW_KEYS)}")
    for key in ("metric", "target", "action"):
        if key not in row:
            raise wrong(index, key, "is missing")
    metric, due = _metric(index, row["metric"], known_metrics), _duration(index, "due", row.get("due", 0))
    parsed = Row(
        metric=metric,
        target=_bound(index, "target", row["target"]),
        action=_choice(index, "action", row["action"], ACTIONS[1:]),
        due=due,
        relative=_typed(index, "relative", row.get("relative", False), bool, "true or false"),
        rollback_if=_bound(index, "rollback_if", row["rollback_if"]) if "rollback_if" in row else None,
        minimum_samples=_not_negative(index, "minimum_samples", row.get("minimum_samples", 0), whole=True),
        floor=_not_negative(index, "floor", row.get("floor", 0.0)),
        remedy=_typed(index, "remedy", row.get("remedy", ""), str, "a text"),
        adjust=_adjust(index, row["adjust"]) if "adjust" in row else {},
        until=_duration(index, "until", row["until"]) if "until" in row else 0,
        name=_typed(index, "name", row.get("name", ""), str, "a text") or default_name(metric, due),
        scope=_choice(index, "scope", row.get("scope", "host"), SCOPES),
        confirm=_confirm(index, row["confirm"]) if "confirm" in row else 0,
    )
    _refuse_contradictions(index, parsed, "until" in row)
    _refuse_impossible_bounds(index, parsed)
    return parsed


def wrong(index: int, key: Any, problem: str) -> MatrixError:
    return MatrixError(f"Row {index} of the decision matrix, key {key}: {problem}")


def _typed(index: int, key: str, value: Any, wanted: type, description: str) -> Any:
    if not isinstance(value, wanted):
        raise wrong(index, key, f"must be {description}, not {value!r}")
    return value


def _not_negative(index: int, key: str, value: Any, whole: bool = False) -> Any:
    if not is_number(value) or value < 0 or (whole and not isinstance(value, int)):
        raise wrong(index, key, f"must be a {'whole ' if whole else ''}number of at least 0, not {value!r}")
    return value


def _metric(index: int, value: Any, known_metrics: Optional[Sequence[str]]) -> str:
    if not isinstance(value, str) or not value:
        raise wrong(index, "metric", f"must be the name of a metric, not {value!r}")
    if known_metrics is not None and value not in known_metrics:
        raise wrong(index, "metric", f"nothing measures {value!r}; use one of {', '.join(sorted(known_metrics))}")
    return value


def _choice(index: int, key: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        raise wrong(index, key, f"must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def _duration(index: int, key: str, value: Any) -> int:
    try:
        return parse_duration(value)
    except DurationError as error:
        raise wrong(index, key, str(error)) from error


def _bound(index: int, key: str, value: Any) -> Bound:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise wrong(index, key, f"must be a mapping with one of {', '.join(COMPARISONS)}, not {value!r}")
    comparison, limit = next(iter(value.items()))
    if comparison not in COMPARISONS:
        raise wrong(index, key, f"cannot compare by {comparison!r}; use one of {', '.join(COMPARISONS)}")
    if not is_number(limit) and not (isinstance(limit, bool) and comparison == "equals"):
        raise wrong(index, key, f"the limit of {comparison} must be a number, not {limit!r}")
    return Bound(comparison, limit)


def _confirm(index: int, value: Any) -> int:
    """Return the seconds within which a second look is taken, 0 for one look."""
    if not isinstance(value, Mapping) or set(value) - {"looks", "within"} or value.get("looks") not in (1, 2):
        raise wrong(index, "confirm", f"must be a mapping with looks, 1 or 2, and may have within, not {value!r}")
    within = _duration(index, "confirm", value.get("within", "2m"))
    if value["looks"] == 2 and not within:
        raise wrong(index, "confirm", "within must be longer than 0 seconds for 2 looks")
    return within if value["looks"] == 2 else 0


def _adjust(index: int, value: Any) -> Dict[str, Any]:
    if not isinstance(value, Mapping) or set(value) - set(ADJUST_KEYS) or not {"env", "multiply"} <= set(value):
        raise wrong(index, "adjust", "must be a mapping with env and multiply, and may have minimum and maximum")
    if not isinstance(value["env"], str) or not _ENVIRONMENT_NAME.fullmatch(value["env"]):
        raise wrong(index, "adjust", f"env must be the name of an environment variable, not {value['env']!r}")
    for key in sorted(set(value) - {"env"}):
        if not is_number(value[key]) or value[key] <= 0:
            raise wrong(index, "adjust", f"{key} must be a number above 0, not {value[key]!r}")
    if value["multiply"] == 1:
        raise wrong(index, "adjust", "multiply 1 changes nothing; use more to raise the value, less to lower it")
    if value.get("minimum", 0) > value.get("maximum", math.inf):
        raise wrong(index, "adjust", f"minimum {value['minimum']!r} is above maximum {value['maximum']!r}")
    return dict(value)


def _refuse_contradictions(index: int, row: Row, has_until: bool) -> None:
    if row.relative and isinstance(row.target.limit, bool):
        raise wrong(index, "relative", "a boolean target has no change in percent; remove one of them")
    if row.floor and not row.relative:
        raise wrong(index, "floor", "is not allowed with a relative bound; set relative, or remove it")
    if has_until and row.until <= row.due:
        raise wrong(index, "until", f"{describe_duration(row.until)} is not after due {describe_duration(row.due)}")
    if row.adjust and row.action != "adjust":
        raise wrong(index, "adjust", f"needs action adjust, not {row.action}")
    if row.adjust and row.scope == "fleet":
        raise wrong(index, "adjust", "is made on a host, which a row of scope fleet does not judge; remove one of them")
    if row.rollback_if is None:
        return
    if row.rollback_if.comparison not in ("above", "below") or isinstance(row.target.limit, bool):
        raise wrong(index, "rollback_if", "must be above or below a number, and needs a target that is a number too")
    if row.rollback_if.meets(row.target):
        raise wrong(
            index,
            "rollback_if",
            f"{row.rollback_if.describe()} contradicts target {row.target.describe()}: one value would be both",
        )


def _refuse_impossible_bounds(index: int, row: Row) -> None:
    """Refuse a bound that no value of the metric can meet, and a target that every value meets."""
    metric = find_metric(row.metric)
    if metric and isinstance(row.target.limit, bool) != (metric.kind == "boolean"):
        kind = "true or false" if metric.kind == "boolean" else "a number"
        raise wrong(index, "target", f"{row.metric} is {kind}, which {row.target.describe()} cannot judge")
    ends = _possible_values(row)
    for key, bound in (("target", row.target), ("rollback_if", row.rollback_if)):
        if bound and not all(bound.meets(end) for end in ends):
            raise wrong(index, key, f"{_subject(row)} can never be {bound.describe()}")
    if any(end.is_within(row.target) for end in ends):
        raise wrong(index, "target", f"{_subject(row)} is always {row.target.describe()}, so the row could not fail")


def _possible_values(row: Row) -> Tuple[Bound, ...]:
    if row.relative:
        return (Bound("at_least", -100),)
    # Values of a user's own probes can be any number.
    metric = find_metric(row.metric)
    least, greatest = metric.range if metric else (None, None)
    ends = (("at_least", least), ("at_most", greatest))
    return tuple(Bound(comparison, limit) for comparison, limit in ends if limit is not None)


def _subject(row: Row) -> str:
    return f"a change of {row.metric} in percent" if row.relative else row.metric
