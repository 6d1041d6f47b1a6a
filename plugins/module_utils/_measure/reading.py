# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was answered: measurements, whether the app serves, and what is wrong with it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._measure.answers import Answers, Measurements
from ansible_collections.greenlight.release.plugins.module_utils._measure.questions import failed_probes, own_requests
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import Settings


@dataclass(frozen=True)
class Reading:
    """What one measurement saw of an app. `problems` is empty exactly when it serves."""

    measurements: Measurements
    serves: bool
    problems: str


def read(settings: Settings, answers: Answers) -> Reading:
    """Return what was measured; restarts and the trend only of a release, for which they are counted."""
    failed, missing = failed_probes(answers.health), _missing_lines(answers)
    serves = bool(answers.process["ready"]) and not failed and not missing
    problems = _describe(answers.process["reason"], failed, missing) + _hint(settings, failed)
    measurements = {
        **answers.health["measurements"],
        **answers.log["measurements"],
        **_error_rate(settings, answers),
        **_trend(answers),
        **_restarts(answers),
        "server_starts": {"value": serves, "note": problems},
    }
    return Reading(measurements, serves, problems)


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


def _error_rate(settings: Settings, answers: Answers) -> Measurements:
    """Return the error rate with the requests of users as its samples: our own ones say nothing of them."""
    rate = answers.log["measurements"].get("error_rate")
    if rate is None:
        return {}
    users = max(0, rate["samples"] - own_requests(settings, answers.health))
    return {"error_rate": {**rate, "samples": users}}


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
