# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge measurements against a decision matrix: one finding a row, and the worst of their actions as the decision.

A measurement is a boolean, a number, or a mapping C({value, low, high, samples, note}) of which only the value is
needed. The note says what a bad value means, in words.
Nothing here passes on silence: what was not measured, or cannot be compared, is an outcome of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ansible_collections.greenlight.release.plugins.module_utils._matrix import (
    ACTIONS,
    MatrixError,
    Row,
    describe_duration,
    is_number,
    parse_matrix,
)
from ansible_collections.greenlight.release.plugins.module_utils._statistics import Interval, relative_change

Number = Union[int, float]
# Outcomes that say nothing about the new revision.
UNKNOWN = ("not_measured", "too_few_samples", "no_baseline", "zero_baseline")


@dataclass(frozen=True)
class Measured:
    """A measurement after parsing; C(low) and C(high) equal C(value) where there is no interval."""

    value: Union[bool, Number]
    low: Number
    high: Number
    samples: Optional[int]
    note: str = ""

    @property
    def interval(self) -> Interval:
        return Interval(float(self.value), float(self.low), float(self.high))


@dataclass(frozen=True)
class Verdict:
    """The outcome of one row, and why. C(change) is in percent, for relative rows only."""

    outcome: str
    reason: str
    change: Optional[Interval] = None


def decide(
    measurements: Mapping[str, Any],
    matrix: Sequence[Any],
    baseline: Optional[Mapping[str, Any]] = None,
    age: Number = 0,
    known_metrics: Optional[Sequence[str]] = None,
) -> Dict[str, Any]:
    """Return C({decision, reason, findings, age, watch_seconds}); C(age) and C(watch_seconds) are in seconds.

    Raises MatrixError for a wrong row or a measurement that is no number.
    """
    rows = parse_matrix(matrix, known_metrics)
    now = {name: _parse_measurement(name, value) for name, value in measurements.items()}
    base = {name: _parse_measurement(name, value) for name, value in (baseline or {}).items()}
    findings = [_finding(row, now.get(row.metric), base.get(row.metric), age) for row in rows]
    decision = max((str(finding["action"]) for finding in findings), key=ACTIONS.index)
    return {
        "decision": decision,
        "reason": _summary(decision, findings),
        "findings": findings,
        "age": age,
        "watch_seconds": max(row.due for row in rows),
    }


def _parse_measurement(name: str, value: Any) -> Optional[Measured]:
    fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {"value": value}
    number = fields.get("value")
    if number is None:
        return None
    if isinstance(number, bool):
        return Measured(number, number, number, None, str(fields.get("note", "")))
    low, high = fields.get("low", number), fields.get("high", number)
    if not all(is_number(each) for each in (number, low, high)) or not low <= number <= high:
        raise MatrixError(f"Measurement {name} must be a boolean or a number within its low and high, not {value!r}")
    return Measured(number, low, high, fields.get("samples"), str(fields.get("note", "")))


def _finding(row: Row, now: Optional[Measured], base: Optional[Measured], age: Number) -> Dict[str, Any]:
    verdict = _judge(row, now, base, age)
    finding: Dict[str, Any] = {
        "metric": row.metric,
        "due": describe_duration(row.due),
        "value": now.value if now else None,
        "low": now.low if now else None,
        "high": now.high if now else None,
        "samples": now.samples if now else None,
        "baseline": base.value if base else None,
        "change": None,
        "target": row.describe_target(),
        "outcome": verdict.outcome,
        "action": _action(row, verdict.outcome),
        "reason": verdict.reason + (f" ({now.note})" if now and now.note and verdict.outcome != "pass" else ""),
        "remedy": row.remedy if verdict.outcome == "miss" else "",
    }
    if verdict.change:
        finding["change"] = {
            name: round(number, 2) if math.isfinite(number) else None
            for name, number in verdict.change._asdict().items()
        }
    if row.adjust:
        finding["adjust"] = row.adjust
    return finding


def _action(row: Row, outcome: str) -> str:
    if outcome in ("pass", "not_due"):
        return "proceed"
    if outcome in UNKNOWN:
        # Nobody can adjust by a number that is not there, but somebody has to look.
        return "rollback" if row.action == "rollback" else "monitor"
    return "rollback" if outcome == "rollback" else row.action


def _judge(row: Row, now: Optional[Measured], base: Optional[Measured], age: Number) -> Verdict:
    if age < row.due:
        return Verdict("not_due", f"judged from {describe_duration(row.due)} after the switch")
    if now is None:
        return Verdict("not_measured", f"{row.metric} was not measured")
    if isinstance(now.value, bool) != isinstance(row.target.limit, bool):
        raise MatrixError(
            f"{row.metric} was measured as {now.value!r}, which its target {row.target.describe()} cannot judge"
        )
    if (now.samples or 0) < row.minimum_samples:
        return Verdict("too_few_samples", f"{now.samples or 0} samples, {row.minimum_samples} are needed")
    if row.relative:
        return _judge_change(row, now, base)
    return _judge_level(row, now)


def _judge_level(row: Row, now: Measured) -> Verdict:
    shown = _show(now.value)
    if row.rollback_if and row.rollback_if.holds(now.low, now.high):
        return Verdict("rollback", f"{shown} is {row.rollback_if.describe()}")
    if row.target.holds(now.value, now.value):
        return Verdict("pass", f"{shown} is {row.target.describe()}")
    return Verdict("miss", f"{shown} is not {row.target.describe()}")


def _judge_change(row: Row, now: Measured, base: Optional[Measured]) -> Verdict:
    if base is None:
        return Verdict("no_baseline", f"the old revision's {row.metric} was not measured")
    if (base.samples or 0) < row.minimum_samples:
        return Verdict("too_few_samples", f"the baseline has {base.samples or 0} samples, {row.minimum_samples} needed")
    if base.value == 0:
        return _judge_from_zero(row, now, base)
    change = relative_change(now.interval, base.interval)
    shown = f"{change.value:+.1f} % ({_show(base.value)} to {_show(now.value)})"
    certain, likely = _beyond_floor(row, now, base)
    if row.rollback_if and certain and row.rollback_if.holds(change.low, change.high):
        return Verdict("rollback", f"{shown} is {row.rollback_if.describe()} %", change)
    if row.target.holds(change.value, change.value):
        return Verdict("pass", f"{shown} is {row.target.describe()} %", change)
    if not likely:
        return Verdict("pass", f"{shown} differs by no more than the floor of {row.floor:g}", change)
    return Verdict("miss", f"{shown} is not {row.target.describe()} %", change)


def _judge_from_zero(row: Row, now: Measured, base: Measured) -> Verdict:
    """A change from nothing has no percentage: it is either no change, or judged by the row's floor."""
    if now.value == 0 and row.target.holds(0, 0):
        return Verdict("pass", "0 before and 0 now", Interval(0.0, 0.0, 0.0))
    if not row.floor:
        return Verdict("zero_baseline", f"the baseline is 0, so {_show(now.value)} is no percentage of it")
    certain, likely = _beyond_floor(row, now, base)
    shown = f"0 to {_show(now.value)}"
    if certain and row.rollback_if and row.rollback_if.comparison == "above":
        return Verdict("rollback", f"{shown} is certainly more than the floor of {row.floor:g}")
    if likely:
        return Verdict("miss", f"{shown} is more than the floor of {row.floor:g}")
    return Verdict("pass", f"{shown} is no more than the floor of {row.floor:g}")


def _beyond_floor(row: Row, now: Measured, base: Measured) -> Tuple[bool, bool]:
    """Say whether the absolute change exceeds the floor with both whole intervals, and by the values alone."""
    gap = max(now.low - base.high, base.low - now.high)
    return (gap > row.floor or not row.floor, abs(now.value - base.value) > row.floor or not row.floor)


def _show(value: Union[bool, Number]) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{round(value, 2):g}"


def _summary(decision: str, findings: Sequence[Mapping[str, Any]]) -> str:
    if decision == "proceed":
        return "every row that is due passes"
    worst = [finding for finding in findings if finding["action"] == decision]
    return "; ".join(f"{finding['metric']}: {finding['reason']}" for finding in worst)


def render_table(result: Mapping[str, Any]) -> List[str]:
    """Return a decision as lines of text: a head, a table with one line a finding, and the decision with its reason."""
    head = ("metric", "baseline", "value", "target", "outcome", "action", "reason")
    lines = [head] + [
        (
            _metric_with_due(finding),
            _show_or_dash(finding["baseline"]),
            _show_or_dash(finding["value"]),
            str(finding["target"]),
            str(finding["outcome"]),
            str(finding["action"]),
            str(finding["reason"]),
        )
        for finding in result["findings"]
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    table.insert(1, "  ".join("-" * width for width in widths))
    return [*table, "", f"decision: {result['decision']} ({result['reason']})"]


def _metric_with_due(finding: Mapping[str, Any]) -> str:
    return str(finding["metric"]) + ("" if finding["due"] == "0s" else f" ({finding['due']})")


def _show_or_dash(value: Any) -> str:
    return "-" if value is None else _show(value)
