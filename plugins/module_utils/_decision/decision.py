# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge measurements against a decision matrix: one finding a row, and the worst of their actions as the decision.

A measurement is a boolean, a number, or a mapping `{value, low, high, samples, events, blocks, since_switch, note}` of
which only the value is needed. `events` are those of a share, among its samples and in blocks `[events, samples]` of
them; `since_switch` has the same three for all that was counted since the switch. The note says what a bad value means.
Nothing here passes on silence: what was not measured, or cannot be compared, is an outcome of its own.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Number
from ansible_collections.greenlight.release.plugins.module_utils._decision.budget import budget_of
from ansible_collections.greenlight.release.plugins.module_utils._decision.judgement import judge
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import parse_matrix
from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import (
    UNKNOWN,
    Measured,
    Verdict,
    parse_measurement,
)
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import ACTIONS, Row
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import describe_duration
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import LEAST_SAMPLES


def decide(
    measurements: Mapping[str, Any],
    matrix: Sequence[Any],
    baseline: Optional[Mapping[str, Any]] = None,
    age: Number = 0,
    known_metrics: Optional[Sequence[str]] = None,
    watch_seconds: int = 0,
    scope: str = "",
    look: int = 1,
    doubted: Sequence[str] = (),
) -> Dict[str, Any]:
    """Return `{decision, reason, findings, age, watch_seconds, look}`; `age` and `watch_seconds` are in seconds.

    A watch lasts for `watch_seconds` at least, and until the last row was judged. With a `scope` only the rows that
    have it are judged: those of the fleet, or those of a host whose fleet is judged by somebody else. The `look` is the
    number of this judgement of the release, from 1: each has its part of the error budget. `doubted` are the names of
    rows that the look before would have rolled back for, had they been confirmed. A measurement without a value may
    have a `gap`, which says why it could be measured before and cannot be now: nothing is rolled back for that.

    Raises MatrixError for a wrong row or a measurement that is no number.
    """
    rows = parse_matrix(matrix, known_metrics)
    now = {name: parse_measurement(name, value) for name, value in measurements.items()}
    gaps = {
        name: str(each["gap"]) for name, each in measurements.items() if isinstance(each, Mapping) and "gap" in each
    }
    base = {name: parse_measurement(name, value) for name, value in (baseline or {}).items()}
    judged = [row for row in rows if scope in ("", row.scope)]
    budget = budget_of(rows, look)
    moments = {row.name: _Moment(age, budget, row.name in doubted, gaps.get(row.metric, "")) for row in judged}
    findings = [_finding(row, now.get(row.metric), base.get(row.metric), moments[row.name]) for row in judged]
    decision = max((str(finding["action"]) for finding in findings), key=ACTIONS.index, default="proceed")
    return {
        "decision": decision,
        "reason": _summary(decision, findings),
        "findings": findings,
        "age": age,
        "watch_seconds": max([watch_seconds, *(max(row.due, row.until) for row in rows)]),
        "look": look,
    }


class _Moment(NamedTuple):
    """When a row is judged: seconds after the switch, its part of the error budget, whether it was doubted before.

    `gap` says why its metric cannot be measured at this moment.
    """

    age: Number
    budget: float
    doubted: bool
    gap: str


def _finding(row: Row, now: Optional[Measured], base: Optional[Measured], moment: _Moment) -> Dict[str, Any]:
    verdict = _confirmed(row, judge(row, now, base, moment.age, moment.budget), moment)
    now = verdict.judged or now
    finding: Dict[str, Any] = {
        "name": row.name,
        "metric": row.metric,
        "due": describe_duration(row.due),
        "value": now.value if now else None,
        "low": now.low if now else None,
        "high": now.high if now else None,
        "samples": now.samples if now else None,
        "counted": _counted(now),
        "baseline": base.value if base else None,
        "baseline_counted": _counted(base),
        "change": None,
        "minimum_samples": max(row.minimum_samples, LEAST_SAMPLES if row.relative else 0),
        "samples_needed": verdict.samples_needed,
        "target": row.describe_target(),
        "outcome": verdict.outcome,
        "action": _action(row, verdict.outcome, moment.gap),
        "reason": verdict.reason + _note(now, verdict.outcome, moment.gap),
        "window": verdict.window,
        "remedy": row.remedy if verdict.outcome in ("miss", "rollback", "unconfirmed") else "",
    }
    if verdict.change:
        finding["change"] = {
            name: round(number, 2) if math.isfinite(number) else None
            for name, number in verdict.change._asdict().items()
        }
    if row.adjust:
        finding["adjust"] = row.adjust
    return finding


def _counted(measured: Optional[Measured]) -> Optional[List[int]]:
    """Return the events of a share, and among how many they were counted."""
    return [measured.counts.events, measured.counts.total] if measured and measured.counts else None


def _note(now: Optional[Measured], outcome: str, gap: str) -> str:
    """Return what the measurement itself says of a bad value, or of none, for the end of a reason."""
    if gap and outcome == "not_measured":
        return f": {gap}"
    return f" ({now.note})" if now and now.note and outcome != "pass" else ""


def _confirmed(row: Row, verdict: Verdict, moment: _Moment) -> Verdict:
    """Return the verdict, which needs a second look where the row asks for one before it rolls back."""
    acts = _action(row, verdict.outcome, moment.gap) == "rollback"
    said_again = moment.doubted if verdict.confirmed is None else verdict.confirmed
    if not acts or not row.confirm or said_again:
        return verdict
    return replace(verdict, outcome="unconfirmed", reason=f"{verdict.reason}, which a second look must confirm")


def _action(row: Row, outcome: str, gap: str) -> str:
    if outcome in ("pass", "not_due", "inconclusive"):
        return "proceed"
    if outcome in UNKNOWN:
        # Without a number nothing can be adjusted, so a person has to decide.
        return "rollback" if row.action == "rollback" and not gap else "monitor"
    if outcome == "unconfirmed":
        return "monitor"
    return "rollback" if outcome == "rollback" else row.action


def _summary(decision: str, findings: Sequence[Mapping[str, Any]]) -> str:
    if decision == "proceed":
        unclear = [finding["name"] for finding in findings if finding["outcome"] == "inconclusive"]
        return f"no row fails, {', '.join(unclear)} cannot be told yet" if unclear else "every row that is due passes"
    worst = [finding for finding in findings if finding["action"] == decision]
    return "; ".join(f"{finding['metric']}: {finding['reason']}" for finding in worst)
