# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one row of the decision matrix says of one measurement: an outcome, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Union

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Number, is_number
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import (
    MatrixError,
    Row,
)
from ansible_collections.greenlight.release.plugins.module_utils._values import statistics
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import describe_duration
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import Interval

# Outcomes that say nothing about the new revision.
UNKNOWN = ("not_measured", "too_few_samples", "no_baseline", "zero_baseline")


@dataclass(frozen=True)
class Measured:
    """A measurement after parsing; `low` and `high` equal `value` where there is no interval."""

    value: Union[bool, Number]
    low: Number
    high: Number
    samples: Optional[int] = None
    note: str = ""

    @property
    def interval(self) -> Interval:
        return Interval(float(self.value), float(self.low), float(self.high))


@dataclass(frozen=True)
class Verdict:
    """The outcome of one row, and why.

    `change` is in percent, for relative rows only. `samples_needed` is how many samples each side would need to decide
    whether the rollback line was crossed; None where that is decided, or cannot be said.
    """

    outcome: str
    reason: str
    change: Optional[Interval] = None
    samples_needed: Optional[int] = None


def parse_measurement(name: str, value: Any) -> Optional[Measured]:
    """Return a measurement, None for one without a value. Raises MatrixError for what is no number."""
    fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {"value": value}
    number, note = fields.get("value"), str(fields.get("note", ""))
    if number is None:
        return None
    if isinstance(number, bool):
        return Measured(number, number, number, note=note)
    low, high, samples = fields.get("low", number), fields.get("high", number), fields.get("samples")
    if not all(is_number(each) for each in (number, low, high)) or not low <= number <= high:
        raise MatrixError(f"Measurement {name} must be a boolean or a number within its low and high, not {value!r}")
    if samples is not None and (not isinstance(samples, int) or isinstance(samples, bool) or samples < 0):
        raise MatrixError(f"Measurement {name} must have a whole number of samples, not {samples!r}")
    return Measured(number, low, high, samples, note)


def judge(row: Row, now: Optional[Measured], base: Optional[Measured], age: Number) -> Verdict:
    """Return what the row says `age` seconds after the switch. Raises MatrixError when the kinds do not fit."""
    if age < row.due:
        return Verdict("not_due", f"judged from {describe_duration(row.due)} after the switch")
    if row.until and age > row.until:
        return Verdict("not_due", f"judged only until {describe_duration(row.until)} after the switch")
    if now is None:
        return Verdict("not_measured", f"{row.metric} was not measured")
    if isinstance(now.value, bool) != isinstance(row.target.limit, bool):
        raise MatrixError(
            f"{row.metric} was measured as {now.value!r}, which its target {row.target.describe()} cannot judge"
        )
    if row.relative:
        return _judge_change(row, now, base)
    if (now.samples or 0) < row.minimum_samples:
        return Verdict("too_few_samples", f"{now.samples or 0} samples, {row.minimum_samples} are needed")
    return _judge_level(row, now)


def _judge_level(row: Row, now: Measured) -> Verdict:
    shown = show(now.value)
    if row.rollback_if and _has_interval(now) and row.rollback_if.holds(now.low, now.high):
        return Verdict("rollback", f"{shown} is {row.rollback_if.describe()}")
    if row.target.holds(now.value, now.value):
        return Verdict("pass", f"{shown} is {row.target.describe()}")
    return Verdict("miss", f"{shown} is not {row.target.describe()}")


def _has_interval(measured: Measured) -> bool:
    """Say whether there are enough samples for an interval to mean something; a plain number is taken as exact."""
    return measured.samples is None or measured.samples >= statistics.LEAST_SAMPLES


def _judge_change(row: Row, now: Measured, base: Optional[Measured]) -> Verdict:
    if base is None:
        return Verdict("no_baseline", f"the old revision's {row.metric} was not measured")
    verdict = _compare(row, now, base)
    needed = None if verdict.outcome == "rollback" else _samples_needed(row, now, base, verdict.change)
    if needed is None:
        return verdict
    reason = f"{verdict.reason}; about {needed:,} samples on each side would show a change of {_telling(row):+g} %"
    return replace(verdict, reason=reason, samples_needed=needed)


def _compare(row: Row, now: Measured, base: Measured) -> Verdict:
    for measured, whose in ((base, "the baseline has "), (now, "")):
        # A plain number without samples is taken as exact, unless the row asks for samples.
        least = max(row.minimum_samples, 0 if measured.samples is None else statistics.LEAST_SAMPLES)
        if (measured.samples or 0) < least:
            return Verdict("too_few_samples", f"{whose}{measured.samples or 0} samples, {least} are needed")
    if base.value <= 0:
        return _judge_from_zero(row, now, base)
    change = statistics.relative_change(now.interval, base.interval)
    shown = f"{change.value:+.1f} % ({show(base.value)} to {show(now.value)})"
    matters = not row.floor or abs(now.value - base.value) > row.floor
    if row.rollback_if and matters and row.rollback_if.holds(change.low, change.high):
        return Verdict("rollback", f"{shown} is {row.rollback_if.describe()} %", change)
    if row.target.holds(change.value, change.value):
        return Verdict("pass", f"{shown} is {row.target.describe()} %", change)
    if not matters:
        return Verdict("pass", f"{shown} differs by no more than the floor of {row.floor:g}", change)
    return Verdict("miss", f"{shown} is not {row.target.describe()} %", change)


def _judge_from_zero(row: Row, now: Measured, base: Measured) -> Verdict:
    """A change from nothing has no percentage: it is either no change, or judged by the row's floor."""
    if now.value == base.value == 0 and row.target.holds(0, 0):
        return Verdict("pass", "0 before and 0 now", Interval(0.0, 0.0, 0.0))
    if not row.floor or base.value < 0:
        return Verdict(
            "zero_baseline", f"the baseline is {show(base.value)}, so {show(now.value)} is no percentage of it"
        )
    gap = statistics.difference(now.interval, base.interval)
    shown = f"0 to {show(now.value)}"
    if row.rollback_if and row.rollback_if.comparison == "above" and gap.low > row.floor:
        return Verdict("rollback", f"{shown} is certainly more than the floor of {row.floor:g}")
    if gap.value > row.floor:
        return Verdict("miss", f"{shown} is more than the floor of {row.floor:g}")
    return Verdict("pass", f"{shown} is no more than the floor of {row.floor:g}")


def _telling(row: Row) -> float:
    """Return the change in percent that the row must distinguish from its rollback line: about twice as far away."""
    line = float(row.rollback_if.limit) if row.rollback_if else 0.0
    return (2 * line or 10.0) if line >= 0 else ((1 + line / 100) ** 2 - 1) * 100


def _samples_needed(row: Row, now: Measured, base: Measured, change: Optional[Interval]) -> Optional[int]:
    """Return how many samples each side would need, None where there are enough or the line is surely not crossed."""
    if not row.rollback_if or not now.samples or not base.samples or not 0 <= base.value < base.high:
        return None
    line = float(row.rollback_if.limit)
    if (
        change
        and base.value > 0
        and (change.high <= line if row.rollback_if.comparison == "above" else change.low >= line)
    ):
        return None
    samples = (int(now.samples), int(base.samples))
    needed = statistics.samples_to_show(now.interval, base.interval, samples, _telling(row), line, row.floor)
    return needed if needed > min(samples) else None


def show(value: Union[bool, Number]) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{round(value, 2):g}"
