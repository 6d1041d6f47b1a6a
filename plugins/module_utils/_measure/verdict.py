# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what was measured by the matrix: one release, or the hosts of a batch together."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._decision.pool import pool
from ansible_collections.greenlight.release.plugins.module_utils._measure.answers import Answers, Measurements
from ansible_collections.greenlight.release.plugins.module_utils._measure.questions import rows
from ansible_collections.greenlight.release.plugins.module_utils._measure.reading import read
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import MeasureError, Settings
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import (
    METRICS,
    find_metric,
    known_metrics,
)

# For so long a baseline that was taken before the switch is of the same hour.
_FRESH_SECONDS = 3600


def judge_release(settings: Settings, answers: Answers, scope: str = "") -> Dict[str, Any]:
    """Return the decision about the newest release, with what it was made from. Raises MatrixError for a wrong row."""
    release = answers.record.get("record")
    if not release:
        raise MeasureError("no release is on record, so none can be judged; release with the playbook deploy first")
    reading, same_hour = read(settings, answers), _same_hour(settings, answers)
    earlier = same_hour.get("measurements", {})
    decision = decide(
        # What the same hour of another day is compared with is this hour, and nothing that was before it.
        {
            **{name: {"value": None, "gap": gap} for name, gap in reading.gaps.items()},
            **{name: _of_this_hour(each) if name in earlier else each for name, each in reading.measurements.items()},
        },
        rows(settings, answers),
        {**_aged(answers.facts["baseline"], answers.record["age"] or 0), **earlier},
        answers.record["age"] or 0,
        known_metrics(settings.probe_metrics()),
        int(settings.watch_seconds),
        scope,
        int(answers.watch.get("look", 1)),
        (answers.watch.get("doubted") or {}).get("rows", []),
    )
    return {
        **decision,
        "measurements": reading.measurements,
        "problems": reading.problems,
        "quotes": _quotes(answers),
        "cursor": answers.log["cursor"],
        **({"gap": answers.log["gap"]} if answers.log.get("gap") else {}),
        "counters": answers.health["counters"],
        "baseline_at": same_hour.get("at", release["opened_at"]),
    }


def _quotes(answers: Answers) -> Dict[str, Any]:
    """Return how many lines there are that a row may be about, and the first of them, as it may be shown."""
    lines = answers.log["lines"]
    names = [metric.name for metric in METRICS if metric.name in lines and lines[metric.name]["count"]]
    return {name: {"count": lines[name]["count"], "first": lines[name]["first"]} for name in names}


def _aged(baseline: Measurements, age: int) -> Measurements:
    """Return the baseline, in which a duration is stale when the release is older than an hour: load has its hours."""
    return {
        name: {**_as_mapping(value), "stale": True} if _is_duration(name) and age > _FRESH_SECONDS else value
        for name, value in baseline.items()
    }


def _is_duration(name: str) -> bool:
    metric = find_metric(name)
    return metric is not None and metric.kind == "duration"


def _as_mapping(measured: Any) -> Mapping[str, Any]:
    return measured if isinstance(measured, Mapping) else {"value": measured}


def _of_this_hour(measured: Any) -> Any:
    if not isinstance(measured, Mapping):
        return measured
    return {key: value for key, value in measured.items() if key != "since_switch"}


def _same_hour(settings: Settings, answers: Answers) -> Mapping[str, Any]:
    """Return when and what the old revision was measured as at this hour of an earlier day, {} where it was not."""
    return (answers.watch.get("same_hour") or {}) if settings.same_hour_baseline else {}


def judge_together(
    settings: Settings, decisions: Sequence[Mapping[str, Any]], old: Sequence[Measurements]
) -> Dict[str, Any]:
    """Return the decision about the hosts of a batch by the rows of the fleet, as old as the youngest of them.

    `decisions` are those about each host alone, `old` the measurements of hosts on the old revision.
    """
    new = pool([decision["measurements"] for decision in decisions])
    age = min(int(decision["age"]) for decision in decisions)
    return decide(new, settings.matrix(), pool(old), age, known_metrics(settings.probe_metrics()), 0, "fleet")
