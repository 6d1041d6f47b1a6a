# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask until the app is healthy or the time is up, then measure it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Sequence

from ansible_collections.greenlight.release.plugins.module_utils import _statistics
from ansible_collections.greenlight.release.plugins.module_utils._health import (
    Answer,
    Fetch,
    Probe,
    judge,
    mask_url,
    read_measurements,
    summarise_latency,
)


@dataclass(frozen=True)
class Patience:
    """How long and how often: C(deadline) and C(interval) in seconds, C(consecutive) good answers in a row."""

    deadline: float
    consecutive: int
    interval: float
    now: Callable[[], float]
    sleep: Callable[[float], None]


def check_probe(probe: Probe, fetch: Fetch, patience: Patience, ends: float) -> Dict[str, Any]:
    """Ask one probe until it was good C(consecutive) times in a row or C(ends) is reached, then take its samples."""
    attempts, good, pause = 0, 0, patience.interval
    reasons: List[str] = []
    while True:
        answer = fetch(probe)
        attempts += 1
        reason = judge(probe, answer)
        good = 0 if reason else good + 1
        if reason and (not reasons or reasons[-1] != reason):
            reasons.append(reason)
        # A run of good answers is not cut off: another probe may have used up the time.
        if good >= patience.consecutive or (reason and patience.now() + pause >= ends):
            break
        patience.sleep(pause)
        # Failures are asked about ever more slowly, so that a struggling app is not pushed further down.
        pause = min(pause * 1.5, 5.0) if reason else patience.interval
    healthy = not reason
    result: Dict[str, Any] = {
        "name": probe.name,
        "url": mask_url(probe.url),
        "healthy": healthy,
        "reason": reason,
        "status": answer.status,
        "attempts": attempts,
        "retries": attempts - patience.consecutive if healthy else attempts,
        "retry_reasons": reasons[-5:],
        "latency": {},
        "measurements": {},
        "unmeasured": [],
    }
    if healthy:
        _measure(probe, fetch, answer, result)
    return result


def _measure(probe: Probe, fetch: Fetch, answer: Answer, result: Dict[str, Any]) -> None:
    result["measurements"], result["unmeasured"] = read_measurements(probe, answer)
    if not probe.samples:
        return
    for _number in range(probe.warmup):
        fetch(probe)
    answers = [fetch(probe) for _number in range(probe.samples)]
    elapsed = [each.elapsed for each in answers if not judge(probe, each)]
    latency = summarise_latency(elapsed, len(answers) - len(elapsed), _statistics)
    result["latency"] = latency
    if probe.response_time and elapsed:
        result["measurements"]["response_time"] = {
            "value": latency["p50"],
            "low": latency["p50_low"],
            "high": latency["p50_high"],
            "samples": latency["count"],
        }


def check_all(probes: Sequence[Probe], fetch: Fetch, patience: Patience) -> Dict[str, Any]:
    """Ask all probes, one after another under one deadline, and return the module's result."""
    ends = patience.now() + patience.deadline
    results: List[Dict[str, Any]] = [check_probe(probe, fetch, patience, ends) for probe in probes]
    problems = [f"{result['name']}: {result['reason']}" for result in results if not result["healthy"]]
    return {
        "healthy": not problems,
        "reason": "; ".join(problems),
        "probes": results,
        "measurements": {name: value for result in results for name, value in result["measurements"].items()},
        "unmeasured": [reason for result in results for reason in result["unmeasured"]],
    }
