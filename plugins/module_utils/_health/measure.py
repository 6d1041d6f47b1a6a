# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answers of an app measure: numbers in their JSON, counters, and how long they took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence, Tuple, Union

from ansible_collections.greenlight.release.plugins.module_utils._health.body import parse_json
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import (
    Answer,
    HealthError,
    Measurement,
    Probe,
)
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path, statistics
from ansible_collections.greenlight.release.plugins.module_utils._values.json_path import JSONPathError

_LONGEST_EPOCH = 100
_QUANTILES = (0.5, 0.9, 0.95, 0.99)
# One side of a 99 % interval.
_BEYOND = 0.005

# A counter as it stood: when, in seconds since 1970, its numbers by path, and the epoch of the app.
CounterReading = Dict[str, Any]


@dataclass
class AnswerMeasurements:
    """The measurements in an answer, a reason for each that could not be taken, and the current counters."""

    values: Dict[str, Any] = field(default_factory=dict)
    reasons: List[str] = field(default_factory=list)
    counters: Dict[str, CounterReading] = field(default_factory=dict)


def check_counters(given: Any) -> Mapping[str, CounterReading]:
    """Return the readings of an earlier call. Raises HealthError for what this module did not make."""
    known = isinstance(given, Mapping) and all(
        isinstance(reading, Mapping)
        and isinstance(reading.get("values"), Mapping)
        and all(json_path.to_number(value) is not None for value in reading["values"].values())
        for reading in given.values()
    )
    if not known:
        raise HealthError("counters are not those that health_check returned; leave them out to start again")
    return dict(given)


def read_measurements(
    probe: Probe, answer: Answer, earlier: Mapping[str, CounterReading], at: float
) -> AnswerMeasurements:
    """Read the measurements of a probe in a good answer; `at` is the time in seconds since 1970."""
    measured = AnswerMeasurements()
    document = parse_json(answer) if probe.measurements else None
    for metric, how in probe.measurements.items():
        try:
            numbers = {path: _number_at(document, path) for path in (how.path, *how.of)}
            if how.counter:
                epoch = str(json_path.value_at(document, how.epoch))[:_LONGEST_EPOCH] if how.epoch else ""
                measured.counters[metric] = {"at": at, "values": numbers, "epoch": epoch}
                numbers = _difference(measured.counters[metric], earlier.get(metric))
            measured.values[metric] = _share(how, numbers) if how.of else _value(how, numbers)
        except JSONPathError as error:
            measured.reasons.append(f"{probe.name}: {metric} was not measured, {error}")
    return measured


def _number_at(document: Any, path: str) -> float:
    number = json_path.to_number(json_path.value_at(document, path))
    if number is None:
        raise JSONPathError(f"{path} is no number")
    return number


def _difference(now: CounterReading, earlier: Union[CounterReading, None]) -> Dict[str, float]:
    """Return what was counted since an earlier reading; since its start when the app was started again in between."""
    if earlier is None or set(earlier["values"]) != set(now["values"]):
        raise JSONPathError("there is no earlier reading of its counter")
    values, before = now["values"], {path: float(value) for path, value in earlier["values"].items()}
    restarted = now["epoch"] != earlier.get("epoch") or any(values[path] < before[path] for path in before)
    return dict(values) if restarted else {path: values[path] - before[path] for path in before}


def _value(how: Measurement, numbers: Mapping[str, float]) -> float:
    number = numbers[how.path]
    if how.kind == "percent" and not 0 <= number <= 100:
        raise JSONPathError(f"{how.path} is no percent")
    return number


def _share(how: Measurement, numbers: Mapping[str, float]) -> Dict[str, float]:
    events, total = int(numbers[how.path]), int(sum(numbers[path] for path in how.of))
    if not 0 <= events <= total:
        raise JSONPathError(f"{how.path} is no part of {' and '.join(how.of)}")
    if total < max(1, how.minimum):
        raise JSONPathError(f"it rests on {total} events, at least {max(1, how.minimum):.0f} are needed")
    low, high = statistics.wilson_interval(events, total)
    value = 100 * events / total
    interval = {"value": value, "low": min(100 * low, value), "high": max(100 * high, value)}
    return {**interval, "samples": total, "events": events}


def summarise_latency(elapsed: Sequence[float], failed: int) -> Dict[str, float]:
    """Return count, mean and quantiles in ms with their 99 % intervals, the maximum, and the share that failed.

    A bound that so few values do not have is left out.
    """
    ordered = sorted(elapsed)
    count = len(ordered)
    low, high = statistics.wilson_interval(failed, failed + count)
    shares = {"failed_share": failed / max(1, failed + count), "failed_share_low": low, "failed_share_high": high}
    if not ordered:
        return {"count": 0, **shares}
    summary = {"mean": sum(ordered) / count, "max": ordered[-1]}
    summary["mean_low"], summary["mean_high"] = _mean_interval(ordered, summary["mean"])
    for q in _QUANTILES:
        name = f"p{round(q * 100)}"
        summary[name] = statistics.quantile(ordered, q)
        low, high = statistics.quantile_interval(ordered, q)
        # Where the quantile may well lie beyond all values, they do not bound it.
        if (1 - q) ** count <= _BEYOND:
            summary[f"{name}_low"] = low
        if q**count <= _BEYOND:
            summary[f"{name}_high"] = high
    return {"count": count, **{name: round(value, 3) for name, value in summary.items()}, **shares}


def _mean_interval(values: Sequence[float], mean: float) -> Tuple[float, float]:
    """Return the normal interval of a mean, which is a rough one below about thirty values."""
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    margin = statistics.Z * (variance / len(values)) ** 0.5
    return (max(0.0, mean - margin), mean + margin)
