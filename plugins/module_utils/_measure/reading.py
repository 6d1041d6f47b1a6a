# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was answered: measurements, whether the app serves, and what is wrong with it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import measured_share
from ansible_collections.greenlight.release.plugins.module_utils._measure.answers import Answers, Measurements
from ansible_collections.greenlight.release.plugins.module_utils._measure.questions import (
    failed_probes,
    own_requests,
    own_rule,
)
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import Settings
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import (
    Counts,
    describe_counts,
    parse_counts,
    read_counts,
    without_own,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import METRICS, metrics_of_requests


@dataclass(frozen=True)
class Reading:
    """What one measurement saw of an app. `problems` is empty exactly when it serves.

    `gaps` says by metric why a log that was read before cannot tell it now.
    """

    measurements: Measurements
    serves: bool
    problems: str
    gaps: Mapping[str, str]


def read(settings: Settings, answers: Answers) -> Reading:
    """Return what was measured; restarts and the trend only of a release, for which they are counted."""
    failed, missing = failed_probes(answers.health), _missing_lines(answers)
    serves = bool(answers.process["ready"]) and not failed and not missing
    problems = _describe(answers.process["reason"], failed, missing) + _hint(settings, failed)
    measurements = {
        **answers.health["measurements"],
        **_measured_in_log(settings, answers),
        **_trend(answers),
        **_restarts(answers),
        "server_starts": {"value": serves, "note": problems},
    }
    return Reading(measurements, serves, problems, _gaps(answers, measurements))


def _gaps(answers: Answers, measurements: Measurements) -> Dict[str, str]:
    """Return why metrics of the log are not measured, after the first look at a release, {} for a log that is whole.

    At the first look a log without its lines is as bad as one with errors: nobody has seen the new revision write.
    """
    gap = answers.log.get("gap", "")
    if not gap or not (answers.record.get("record") or {}).get("observations"):
        return {}
    return {metric.name: gap for metric in METRICS if metric.in_log and metric.name not in measurements}


def written_lines(answers: Answers) -> List[str]:
    """Return the names of the rules of which the log has a line."""
    return [name for name, found in answers.log["lines"].items() if found["count"]]


def _missing_lines(answers: Answers) -> List[str]:
    written = written_lines(answers)
    return [line for line in dict.fromkeys(answers.since.required or []) if line not in written]


def _describe(reason: str, failed: List[Mapping[str, Any]], missing: List[str]) -> str:
    probes = [f"{probe['name']}: {probe['reason']}" for probe in failed]
    lines = [f"missing in the log: {', '.join(missing)}"] if missing else []
    return "; ".join([*([reason] if reason else []), *probes, *lines])


def _hint(settings: Settings, failed: List[Mapping[str, Any]]) -> str:
    """Say which variables say what a good answer is, where it was inferred."""
    inferred = settings.infers_health() and any(probe["name"] == "health" and probe.get("status") for probe in failed)
    said = "what a good answer is was inferred; say it in greenlight_health_expect or greenlight_health_probe"
    return f" ({said})" if inferred else ""


def _measured_in_log(settings: Settings, answers: Answers) -> Measurements:
    """Return what the log measures, its rates without our own requests: they say nothing of users."""
    own = own_requests(settings, answers.health)
    rules = [own_rule(path) for path in own]
    found = {name: value for name, value in answers.log["measurements"].items() if name not in rules}
    for metric in metrics_of_requests():
        if metric in found:
            found[metric] = _rate_of_users(metric, found[metric], _written(answers, own), answers)
    return found


def _written(answers: Answers, own: Mapping[str, int]) -> Tuple[int, int]:
    """Return how many of our own requests failed, and how many there are in the log.

    An app may write no line for some paths. What failed is known of probes that were asked again.
    """
    lines = answers.log["lines"]
    logged = sum(min(sent, int(lines.get(own_rule(path), {}).get("count", sent))) for path, sent in own.items())
    failed = sum(
        int(probe.get("retries", 0))
        for probe in answers.health.get("probes", [])
        if any("status 5" in reason for reason in [probe["reason"], *probe.get("retry_reasons", [])])
    )
    return min(failed, logged), logged


def _rate_of_users(metric: str, rate: Mapping[str, Any], own: Tuple[int, int], answers: Answers) -> Dict[str, Any]:
    """Return a rate with its counts, also since the switch, and the requests of our own that were taken out."""
    earlier = answers.since.own.get(metric, (0, 0))
    users = without_own(read_counts(rate), own[0] + earlier[0], own[1] + earlier[1])
    share = measured_share(users)
    measured = {"value": share.value, "low": share.low, "high": share.high, **describe_counts(users), "own": list(own)}
    if answers.since.judges_release:
        before = answers.since.counted.get(metric)
        whole = parse_counts(before).plus(users) if before else users
        measured["since_switch"] = describe_counts(whole)
        fresh = _fresh(metric, rate, whole, answers)
        measured.update({"fresh": fresh} if fresh else {})
    return measured


def _fresh(metric: str, rate: Mapping[str, Any], whole: Counts, answers: Answers) -> Optional[Dict[str, int]]:
    """Return what came after a look that was worth a second one: the last one on record, or the first of this run."""
    doubted = (answers.watch.get("doubted") or {}).get("counted", {}).get(metric)
    if doubted:
        events, samples = whole.events - doubted["events"], whole.total - doubted["samples"]
        return {"events": max(0, events), "samples": max(0, events, samples)}
    found: Optional[Dict[str, int]] = rate.get("fresh")
    return found


def _trend(answers: Answers) -> Measurements:
    """Return by how many percentage points the hit rate grew since the first observation after the switch."""
    now = _value_of(answers.health["measurements"].get("cache_hit_rate"))
    first = _value_of((answers.watch.get("first_measurements") or {}).get("cache_hit_rate"))
    if not answers.since.judges_release or now is None or first is None:
        return {}
    return {"cache_hit_rate_trend": now - first}


def _value_of(measured: Any) -> Optional[float]:
    """Return the number of a measurement, which may be a mapping with its interval."""
    value = measured.get("value") if isinstance(measured, Mapping) else measured
    return None if value is None else float(value)


def _restarts(answers: Answers) -> Dict[str, int]:
    """Return the restarts since the switch that nobody asked for, and PM2's counter without those that we caused.

    A counter that is lower than at the last observation was reset, and began again at 0.
    """
    if not answers.since.judges_release:
        return {}
    count = sum(process["restarts"] for process in answers.process["processes"]) - own_restarts(answers)
    before = answers.watch.get("restarts") or {"total": 0, "last": None}
    last = count if before["last"] is None else before["last"]
    since_then = count - last if count >= last else count
    return {"restart_count": count, "restarts": before["total"] + since_then}


def own_restarts(answers: Answers) -> int:
    """Return how many restarts the adjustments of the release caused, those of this run included.

    An adjustment of this run is noted in the record, but not in the copy of it that was read before.
    """
    noted, newest = answers.noted.get("record") or {}, answers.record.get("record") or {}
    counts = [answers.facts.get("own_restarts", 0)]
    if noted and noted.get("id") == newest.get("id"):
        counts.append(noted["facts"]["own_restarts"])
    return max(int(count) for count in counts)
