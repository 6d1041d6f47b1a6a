# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row says of a share of counted events, such as failed requests: by their counts, never by an interval.

Everything since the switch is judged, so that evidence adds up, and the last hour by itself, so that a release which
begins to fail late is seen. Both have half of what the row may use of the error budget. Where the failures of both come
in bunches, too large to tell one from a broken release, the latest requests are looked at by themselves: a release that
fails now is shown to people, and rolled back as soon as a later look sees no more than that.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import List, NamedTuple, Optional

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Bound
from ansible_collections.greenlight.release.plugins.module_utils._decision.budget import AGAIN, MISS, normal_point
from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import (
    Measured,
    Verdict,
    measured_share,
    show,
)
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import Row
from ansible_collections.greenlight.release.plugins.module_utils._values import counts as values_counts
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import Counts
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import Interval, relative_change

_WHOLE, _HOUR, _LATE = "since the switch", "in the last hour", "lately"
# So many of the blocks are the latest ones.
_LATE_BLOCKS = values_counts.MOST_BLOCKS // 5


class _Window(NamedTuple):
    """Counts of some time, those of the baseline where the row is relative, and how much both scatter."""

    counts: Counts
    base: Optional[Counts]
    scatter: float
    words: str

    @property
    def share(self) -> float:
        return 100 * self.counts.events / self.counts.total if self.counts.total else 0.0

    @property
    def base_share(self) -> float:
        return 100 * self.base.events / self.base.total if self.base and self.base.total else 0.0


def judge_share(row: Row, now: Measured, base: Optional[Measured], budget: float) -> Verdict:
    """Return what a row says of counted events; of the old revision's where it is relative.

    `budget` is the probability with which it may wrongly roll back.
    """
    before = base.counts if base and row.relative else None
    windows = _windows(now, before)
    for counts, whose in ((before, "the baseline has "), (windows[0].counts, "")):
        if counts and counts.total < max(row.minimum_samples, 1):
            reason = f"{whose}{counts.total:g} samples, {max(row.minimum_samples, 1)} are needed"
            return _verdict(row, windows[0], "inconclusive", reason, budget)
    for window in windows:
        line = row.rollback_if
        if line and _surprise(row, window, line) <= budget / len(windows):
            verdict = _verdict(row, window, "rollback", f"{_shown(row, window)} is {_described(row, line)}", budget)
            return replace(verdict, confirmed=_confirms(row, now.fresh, window, line))
    verdict = _judge_target(row, windows[0], now.fresh, budget)
    return _fails_now(row, windows[-1]) or verdict if verdict.outcome in ("pass", "inconclusive") else verdict


def _fails_now(row: Row, window: _Window) -> Optional[Verdict]:
    """Return the verdict that the latest requests of a window have crossed the rollback line, None where they have not.

    A bunch that is over tells nothing, and one that goes on tells it to people only: it may end before the next look.
    """
    blocks, line = window.counts.blocks[-_LATE_BLOCKS:], row.rollback_if
    if not line or len(window.counts.blocks) <= _LATE_BLOCKS:
        return None
    counts = Counts(sum(block[0] for block in blocks), sum(block[1] for block in blocks), blocks)
    # A baseline without bunches says nothing of those that there are now.
    scatter = max(values_counts.dispersion([each]) for each in (window.base.blocks if window.base else (), blocks))
    late = _Window(counts, window.base, scatter, _LATE)
    if _surprise(row, late, line) > MISS:
        return None
    reason = f"{_shown(row, late)} is {_described(row, line)}, which a later look must confirm"
    return _verdict(row, late, "unconfirmed", reason, MISS)


def _confirms(row: Row, fresh: Optional[Counts], window: _Window, line: Bound) -> bool:
    """Say whether what came after an earlier look has crossed the line by itself."""
    if fresh is None or not fresh.total:
        return False
    return _surprise(row, window._replace(counts=fresh), line) <= AGAIN


def _windows(now: Measured, base: Optional[Counts]) -> List[_Window]:
    parts = [(now.whole, _WHOLE), (now.counts, _HOUR)]
    if now.whole is None or (now.counts and now.counts.total >= now.whole.total):
        parts = [(now.counts, _WHOLE if now.whole else "")]
    return [
        _Window(counts, base, values_counts.dispersion([base.blocks if base else (), counts.blocks]), words)
        for counts, words in parts
        if counts
    ]


def _judge_target(row: Row, window: _Window, fresh: Optional[Counts], budget: float) -> Verdict:
    shown, target = _shown(row, window), _described(row, row.target)
    gap = abs(window.share - window.base_share)
    value = _change(window) if row.relative else window.share
    if row.target.holds(value, value):
        return _verdict(row, window, "pass", f"{shown} is {target}", budget)
    if row.relative and row.floor and gap <= row.floor:
        reason = f"{shown} differs by no more than the floor of {row.floor:g}"
        return _verdict(row, window, "pass", reason, budget)
    if _surprise(row, window, row.target) <= (budget / 2 if row.action == "rollback" else MISS):
        verdict = _verdict(row, window, "miss", f"{shown} is not {target}", budget)
        return replace(verdict, confirmed=_confirms(row, fresh, window, row.target))
    return _verdict(row, window, "inconclusive", f"{shown} is not {target}, which may be chance", budget)


def _surprise(row: Row, window: _Window, bound: Bound) -> float:
    """Return how probable such counts are where a target is met, or where a rollback line is not crossed."""
    if bound.comparison == "equals":
        return 0.0
    is_target = bound is row.target
    too_many = (bound.comparison in ("below", "at_most")) == is_target
    counts, limit = window.counts, float(bound.limit)
    if window.base is None:
        share = limit / 100
        seen, share = (counts, share) if too_many else (Counts(counts.total - counts.events, counts.total), 1 - share)
        return values_counts.surprise_of_level(seen, share, window.scatter)
    test = values_counts.surprise if too_many else values_counts.surprise_of_fewer
    return test(counts, window.base, limit, row.floor / 100, window.scatter)


def _verdict(row: Row, window: _Window, outcome: str, reason: str, budget: float) -> Verdict:
    verdict = Verdict(outcome, reason, judged=measured_share(window.counts), window=window.words)
    if window.base is None:
        return verdict
    change = None
    if window.base.events:
        change = relative_change(measured_share(window.counts).interval, measured_share(window.base).interval)
    elif not window.counts.events:
        change = Interval(0.0, 0.0, 0.0)
    needed = None if outcome in ("rollback", "unconfirmed") else _samples_needed(row, window, change, budget)
    if needed:
        reason = f"{reason}; about {needed:,} samples on each side would show a change of {row.telling():+g} %"
    return replace(verdict, change=change, reason=reason, samples_needed=needed)


def _samples_needed(row: Row, window: _Window, change: Optional[Interval], budget: float) -> Optional[int]:
    """Return how many samples each side would need, None where there are enough or the line is surely not crossed."""
    base, line = window.base, row.rollback_if
    if not line or not base or not base.events or not change:
        return None
    limit = float(line.limit)
    if change.high <= limit if line.comparison == "above" else change.low >= limit:
        return None
    # A change that leaves the rate within the floor would not matter.
    least, point = max(base.events / base.total, row.floor / 100), normal_point(budget / 2)
    needed = values_counts.samples_to_show(least, row.telling(), limit, point, window.scatter)
    return needed if needed > min(window.counts.total, base.total) else None


def _shown(row: Row, window: _Window) -> str:
    counted = f"{window.counts.events:,} of {window.counts.total:,}" + (f" {window.words}" if window.words else "")
    if not row.relative:
        return f"{show(window.share)} ({counted})"
    change = f"{show(window.base_share)} to {show(window.share)}, {counted}"
    if not window.base_share:
        return change
    return f"{_change(window):+.1f} % ({change})"


def _change(window: _Window) -> float:
    """Return the change in percent; from nothing to something it has no end."""
    if window.base_share:
        return (window.share / window.base_share - 1) * 100
    return math.inf if window.share else 0.0


def _described(row: Row, bound: Bound) -> str:
    return bound.describe() + (" %" if row.relative else "")
