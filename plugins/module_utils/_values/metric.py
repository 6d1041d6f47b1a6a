# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics that the role verify measures: all that is known of each is here, in one row, and nowhere else.

A user's own probes may measure more. Nothing is known of those but their names and their values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Literal, Optional, Tuple

# What the values are. A rate is a percentage of so many samples; a change may be negative.
Kind = Literal["boolean", "count", "rate", "percent", "duration", "change"]
# How the values of several hosts become one: true on every host, counted again over all requests, or the mean.
Pooling = Literal["every host", "requests", "mean"]
# How a measurement that says nothing is detected on the running revision, before anything is touched.
VacuousCheck = Literal["none", "probe answers", "line is known", "requests are counted", "value varies"]
# Restarts and a trend exist only for a release that is being judged.
When = Literal["always", "after the switch"]

_PERCENT = (0.0, 100.0)
_NOT_NEGATIVE = (0.0, None)
_RANGES: Dict[Kind, Tuple[Optional[float], Optional[float]]] = {
    "boolean": (None, None),
    "count": _NOT_NEGATIVE,
    "rate": _PERCENT,
    "percent": _PERCENT,
    "duration": _NOT_NEGATIVE,
    "change": (None, None),
}


@dataclass(frozen=True)
class Metric:
    """One metric. `unit` and `source` are texts for people: what a value counts, and where it is read.

    `variable` is the option that says where, and `in_log` whether that is the log of the app.
    """

    name: str
    kind: Kind
    unit: str
    pooled: Pooling
    source: str
    vacuous: VacuousCheck = "none"
    measured: When = "always"
    variable: str = ""
    in_log: bool = False

    @property
    def range(self) -> Tuple[Optional[float], Optional[float]]:
        """Return the least and the greatest possible value, None for an end that is open."""
        return _RANGES[self.kind]


METRICS: Tuple[Metric, ...] = (
    Metric(
        name="server_starts",
        kind="boolean",
        unit="true or false",
        pooled="every host",
        source="PM2's processes and their sockets, all probes, the required lines of the log",
        vacuous="probe answers",
    ),
    Metric(
        name="critical_errors",
        kind="count",
        unit="lines",
        pooled="mean",
        source="entries of the log with greenlight_critical_errors, of a kind that the old revision did not write",
        in_log=True,
    ),
    Metric(
        name="error_rate",
        kind="rate",
        unit="% of the requests",
        pooled="requests",
        source="requests in the log, by greenlight_log_style or the texts of greenlight_error_rate",
        vacuous="requests are counted",
        variable="greenlight_error_rate",
        in_log=True,
    ),
    Metric(
        name="cache_hit_rate",
        kind="percent",
        unit="%",
        pooled="mean",
        source="the JSON of greenlight_cache_stats_url",
        vacuous="value varies",
        variable="greenlight_cache_stats_url",
    ),
    Metric(
        name="pool_exhausted",
        kind="count",
        unit="lines an hour",
        pooled="mean",
        source="lines of the log that match greenlight_pool_exhausted",
        vacuous="line is known",
        in_log=True,
    ),
    Metric(
        name="response_time",
        kind="duration",
        unit="ms, the median",
        pooled="mean",
        source="requests to greenlight_response_time_url",
        vacuous="probe answers",
        variable="greenlight_response_time_url",
    ),
    Metric(
        name="new_errors",
        kind="count",
        unit="entries an hour",
        pooled="mean",
        source="entries of the log of the level error, of a kind that the old revision did not write",
        in_log=True,
    ),
    Metric(
        name="new_warnings",
        kind="count",
        unit="lines",
        pooled="mean",
        source="lines of the log that match greenlight_warnings, of a kind that the old revision did not write",
        in_log=True,
    ),
    Metric(
        name="cache_hit_rate_trend",
        kind="change",
        unit="percentage points",
        pooled="mean",
        source="cache_hit_rate now, minus the first one after the switch",
        measured="after the switch",
        variable="greenlight_cache_stats_url",
    ),
    Metric(
        name="restarts",
        kind="count",
        unit="restarts",
        pooled="mean",
        source="PM2's counters of restarts since the switch, without those that the collection asked for",
        measured="after the switch",
    ),
)


def find_metric(name: str) -> Optional[Metric]:
    """Return what is known of a metric, None for one of a user's own probes."""
    return next((metric for metric in METRICS if metric.name == name), None)


def known_metrics(probe_metrics: Iterable[str] = ()) -> List[str]:
    """Return the names of all metrics that a row of the matrix may judge, those of the user's probes last."""
    return [*(metric.name for metric in METRICS), *probe_metrics]


def varying_metrics(probe_metrics: Iterable[str] = ()) -> List[str]:
    """Return the names of the metrics that measure nothing if their value never changes."""
    return [*(metric.name for metric in METRICS if metric.vacuous == "value varies"), *probe_metrics]


def metrics_of_requests() -> List[str]:
    """Return the names of the metrics whose samples are requests of users: more of them come with time."""
    return [metric.name for metric in METRICS if metric.kind == "rate"]
