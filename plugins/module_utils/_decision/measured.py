# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A measurement as it is judged, and what a row of the decision matrix says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Union

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import Number, is_number
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import (
    Counts,
    CountsError,
    parse_counts,
    read_counts,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import find_metric
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import Interval, wilson_interval

# Outcomes that say nothing about the new revision, and never will as things are.
UNKNOWN = ("not_measured", "no_baseline", "zero_baseline")


@dataclass(frozen=True)
class Measured:
    """A measurement after parsing; `low` and `high` equal `value` where there is no interval.

    `counts` are the events of a share, in the last hour of a watch, and `whole` are those since the switch where that
    is longer ago; `fresh` are those since an earlier look that was worth a second one.
    `stale` is that of a baseline of another hour of the day.
    """

    value: Union[bool, Number]
    low: Number
    high: Number
    samples: Optional[int] = None
    note: str = ""
    counts: Optional[Counts] = None
    whole: Optional[Counts] = None
    fresh: Optional[Counts] = None
    stale: bool = False

    @property
    def interval(self) -> Interval:
        return Interval(float(self.value), float(self.low), float(self.high))


@dataclass(frozen=True)
class Verdict:
    """The outcome of one row, and why.

    `change` is in percent, for relative rows only. `samples_needed` is how many samples each side would need to decide
    whether the rollback line was crossed; None where that is decided, or cannot be said. `judged` is the part of the
    measurement that decided, and `window` says in words when that was. `confirmed` is whether what came after an
    earlier look says the same, None where only that look can tell.
    """

    outcome: str
    reason: str
    change: Optional[Interval] = None
    samples_needed: Optional[int] = None
    judged: Optional[Measured] = None
    window: str = ""
    confirmed: Optional[bool] = None


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
    whole, fresh = fields.get("since_switch"), fields.get("fresh")
    return Measured(
        number,
        low,
        high,
        samples,
        note,
        counts=_counts(name, fields),
        whole=None if whole is None else _counts(name, {"events": None, **whole}),
        fresh=None if fresh is None else _counts(name, {"events": None, **fresh}),
        stale=bool(fields.get("stale", False)),
    )


def _counts(name: str, fields: Mapping[str, Any]) -> Optional[Counts]:
    """Return the events of a share. A record of an earlier version has their percentage only."""
    metric = find_metric(name)
    if "events" not in fields:
        if metric is None or metric.kind != "rate" or not fields.get("samples"):
            return None
        return read_counts(fields)
    try:
        return parse_counts(fields)
    except CountsError as error:
        raise MatrixError(f"Measurement {name} {error}") from error


def measured_share(counts: Counts, note: str = "") -> Measured:
    """Return counted events as a percentage with its interval."""
    events, total = int(counts.events), int(counts.total)
    value = 100 * events / total if total else 0.0
    low, high = (100 * bound for bound in wilson_interval(events, total))
    return Measured(value, min(low, value), max(high, value), total, note, counts)


def show(value: Union[bool, Number]) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{round(value, 2):g}"
