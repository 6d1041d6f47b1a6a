# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one row of the decision matrix says of one measurement: an outcome, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Number
from ansible_collections.greenlight.release.plugins.module_utils._decision.budget import BUDGET, normal_point
from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import Measured, Verdict, show
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import MatrixError, Row
from ansible_collections.greenlight.release.plugins.module_utils._decision.shares import judge_share
from ansible_collections.greenlight.release.plugins.module_utils._values import statistics
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import describe_duration
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import Interval


def judge(row: Row, now: Optional[Measured], base: Optional[Measured], age: Number, budget: float = BUDGET) -> Verdict:
    """Return what the row says `age` seconds after the switch. Raises MatrixError when the kinds do not fit.

    `budget` is the probability with which it may wrongly roll back.
    """
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
    if row.relative and base is None:
        return Verdict("no_baseline", f"the old revision's {row.metric} was not measured")
    if now.counts and (base is None or not row.relative or base.counts):
        return judge_share(row, now, base, budget)
    if row.relative and base is not None:
        return _judge_change(row, now, base, normal_point(budget))
    if (now.samples or 0) < row.minimum_samples:
        return Verdict("inconclusive", f"{now.samples or 0} samples, {row.minimum_samples} are needed")
    return _judge_level(row, now, normal_point(budget))


def _judge_level(row: Row, now: Measured, point: float) -> Verdict:
    shown, sure = show(now.value), statistics.widened(now.interval, point)
    if row.rollback_if and _has_interval(now) and row.rollback_if.holds(sure.low, sure.high):
        return Verdict("rollback", f"{shown} is {row.rollback_if.describe()}")
    if row.target.holds(now.value, now.value):
        return Verdict("pass", f"{shown} is {row.target.describe()}")
    # The value misses it; so does all of its interval when no end of it is within.
    wide = sure if row.action == "rollback" else now.interval
    if row.target.holds(wide.low, wide.low) or row.target.holds(wide.high, wide.high):
        return Verdict("inconclusive", f"{shown} is not {row.target.describe()}, which may be chance")
    return Verdict("miss", f"{shown} is not {row.target.describe()}")


def _has_interval(measured: Measured) -> bool:
    """Say whether there are enough samples for an interval to mean something; a plain number is taken as exact."""
    return measured.samples is None or measured.samples >= statistics.LEAST_SAMPLES


def _judge_change(row: Row, now: Measured, base: Measured, point: float) -> Verdict:
    verdict = _compare(row, now, base, point)
    acts = verdict.outcome == "rollback" or (verdict.outcome == "miss" and row.action == "rollback")
    if acts and base.stale:
        # At noon an app is slower than at three in the morning, whichever revision it has.
        reason = f"{verdict.reason}, against a baseline of another hour, which alone rolls nothing back"
        return replace(verdict, outcome="unconfirmed", reason=reason)
    needed = None if verdict.outcome == "rollback" else _samples_needed(row, now, base, verdict.change, point)
    if needed is None:
        return verdict
    reason = f"{verdict.reason}; about {needed:,} samples on each side would show a change of {row.telling():+g} %"
    return replace(verdict, reason=reason, samples_needed=needed)


def _compare(row: Row, now: Measured, base: Measured, point: float) -> Verdict:
    for measured, whose in ((base, "the baseline has "), (now, "")):
        # A plain number without samples is taken as exact, unless the row asks for samples.
        least = max(row.minimum_samples, 0 if measured.samples is None else statistics.LEAST_SAMPLES)
        if (measured.samples or 0) < least:
            return Verdict("inconclusive", f"{whose}{measured.samples or 0} samples, {least} are needed")
    if base.value <= 0:
        return _judge_from_zero(row, now, base, point)
    change = statistics.relative_change(now.interval, base.interval)
    sure = statistics.relative_change(now.interval, base.interval, point)
    shown = f"{change.value:+.1f} % ({show(base.value)} to {show(now.value)})"
    matters = not row.floor or abs(now.value - base.value) > row.floor
    if row.rollback_if and matters and row.rollback_if.holds(sure.low, sure.high):
        return Verdict("rollback", f"{shown} is {row.rollback_if.describe()} %", change)
    if row.target.holds(change.value, change.value):
        return Verdict("pass", f"{shown} is {row.target.describe()} %", change)
    if not matters:
        return Verdict("pass", f"{shown} differs by no more than the floor of {row.floor:g}", change)
    wide = sure if row.action == "rollback" else change
    if row.target.holds(wide.low, wide.low) or row.target.holds(wide.high, wide.high):
        return Verdict("inconclusive", f"{shown} is not {row.target.describe()} %, which may be chance", change)
    return Verdict("miss", f"{shown} is not {row.target.describe()} %", change)


def _judge_from_zero(row: Row, now: Measured, base: Measured, point: float) -> Verdict:
    """A change from nothing has no percentage: it is either no change, or judged by the row's floor."""
    if now.value == base.value == 0 and row.target.holds(0, 0):
        return Verdict("pass", "0 before and 0 now", Interval(0.0, 0.0, 0.0))
    if not row.floor or base.value < 0:
        return Verdict(
            "zero_baseline", f"the baseline is {show(base.value)}, so {show(now.value)} is no percentage of it"
        )
    gap = statistics.difference(now.interval, base.interval)
    sure = statistics.difference(now.interval, base.interval, point)
    shown = f"0 to {show(now.value)}"
    if row.rollback_if and row.rollback_if.comparison == "above" and sure.low > row.floor:
        return Verdict("rollback", f"{shown} is certainly more than the floor of {row.floor:g}")
    if gap.value <= row.floor:
        return Verdict("pass", f"{shown} is no more than the floor of {row.floor:g}")
    least = sure.low if row.action == "rollback" else gap.low
    outcome = "miss" if least > row.floor else "inconclusive"
    return Verdict(outcome, f"{shown} is more than the floor of {row.floor:g}")


def _samples_needed(row: Row, now: Measured, base: Measured, change: Optional[Interval], point: float) -> Optional[int]:
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
    needed = statistics.samples_to_show(now.interval, base.interval, samples, row.telling(), line, row.floor, point)
    return needed if needed > min(samples) else None
