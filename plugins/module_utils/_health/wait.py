# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask until the app is healthy or the time is up, then measure it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, ContextManager, Dict, List, Mapping, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.greenlight.release.plugins.module_utils._health import rule
from ansible_collections.greenlight.release.plugins.module_utils._health.judge import judge
from ansible_collections.greenlight.release.plugins.module_utils._health.measure import (
    CounterReading,
    read_measurements,
    summarise_latency,
)
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import (
    Answer,
    Fetch,
    Probe,
    mask_url,
)
from ansible_collections.greenlight.release.plugins.module_utils._host.parallel import TooSlowError, within
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import quantile_interval

# Failures are asked about ever more slowly, so that a struggling app is not pushed further down.
_SLOWER = 1.5
_LONGEST_PAUSE = 5.0
_REASONS = 5

# How long a request took, in milliseconds, and why its answer was not a good one.
Sample = Tuple[float, str]
Job = Callable[[], Any]


@dataclass(frozen=True)
class Patience:
    """How long and how often: `deadline` and `interval` in seconds, `consecutive` good answers in a row."""

    deadline: float
    consecutive: int
    interval: float
    now: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True)
class World:
    """What the app is asked with.

    `connect` gives a function that sends probes over one connection, `explain_owner` says why a connection is not
    answered by one of some processes, `run_all` runs jobs at the same time, `counters` are readings of an earlier
    call, and `at` is the time in seconds since 1970. `why_over` says why it is no use to ask again, empty where it is.
    """

    connect: Callable[[], ContextManager[Fetch]]
    explain_owner: Callable[[Connection, Sequence[int]], str]
    run_all: Callable[[Sequence[Job], float], List[Any]]
    counters: Mapping[str, CounterReading] = field(default_factory=dict)
    at: float = 0.0
    why_over: Callable[[], str] = lambda: ""


def ask(probe: Probe, fetch: Fetch, explain_owner: Callable[[Answer], str] = lambda _answer: "") -> Tuple[Answer, str]:
    """Send a probe once and judge the answer, both within its timeout; return the answer and why it is not good."""
    answers: List[Answer] = []

    def send_and_judge() -> str:
        answers.append(fetch(probe))
        return judge(probe, answers[0]) or explain_owner(answers[0])

    try:
        reason = within(probe.timeout, send_and_judge)
    except TooSlowError:
        if answers:
            return answers[0], f"the answer came, but judging it took longer than {probe.timeout:g} seconds"
        return Answer(0, probe.timeout * 1000), f"no answer within {probe.timeout:g} seconds"
    return answers[0], reason


def check_probe(probe: Probe, world: World, patience: Patience, ends: float) -> Dict[str, Any]:
    """Ask one probe until it was good `consecutive` times in a row or `ends` is reached; read its last answer."""

    def explain_owner(answer: Answer) -> str:
        return world.explain_owner(answer.connection or _unknown_connection(probe), probe.pids) if probe.pids else ""

    attempts, pause = 0, patience.interval
    reasons: List[str] = []
    good: List[Answer] = []
    while True:
        # Each time over a new connection: a kept one could keep an old process alive, or stay with one instance.
        with world.connect() as fetch:
            answer, reason = ask(probe, fetch, explain_owner)
        attempts += 1
        good = [] if reason else [*good, answer]
        over = world.why_over() if reason else ""
        reason = f"{reason}; {over}" if over else reason
        if reason and (not reasons or reasons[-1] != reason):
            reasons.append(reason)
        left = ends - patience.now()
        # A run of good answers is not cut off by the deadline, and the last question is asked at it.
        if len(good) >= patience.consecutive or over or (reason and left <= 0):
            break
        patience.sleep(min(pause, left) if reason else pause)
        pause = max(patience.interval, min(pause * _SLOWER, _LONGEST_PAUSE)) if reason else patience.interval
    result: Dict[str, Any] = {
        **empty_result(probe, reason),
        "status": answer.status,
        "peer": _show_address(*answer.connection.peer) if answer.connection else _socket_of(probe, answer),
        "attempts": attempts,
        "retries": attempts - patience.consecutive if not reason else attempts,
        "retry_reasons": reasons[-_REASONS:],
    }
    if not reason:
        measured = read_measurements(probe, answer, world.counters, world.at)
        result.update(measurements=measured.values, unmeasured=measured.reasons, counters=measured.counters)
    if not reason and probe.rule is not None:
        found = probe.rule or rule.infer(good)
        result.update(rule=found, judged_by=rule.describe(found))
    return result


def empty_result(probe: Probe, reason: str) -> Dict[str, Any]:
    """Return the result of a probe of which nothing is known but why it is not healthy."""
    return {
        "name": probe.name,
        "url": mask_url(probe.url),
        "healthy": not reason,
        "required": probe.required,
        "reason": reason,
        "status": 0,
        "peer": "",
        "attempts": 0,
        "retries": 0,
        "retry_reasons": [],
        "latency": {},
        "measurements": {},
        "unmeasured": [],
        "counters": {},
        "rule": {},
        "judged_by": "",
    }


def _socket_of(probe: Probe, answer: Answer) -> str:
    return probe.socket or "" if answer.status else ""


def _show_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unknown_connection(probe: Probe) -> Connection:
    parts = urlsplit(probe.url)
    return Connection(("", 0), (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)))


def take_samples(probe: Probe, world: World, patience: Patience, count: int, ends: float) -> List[Sample]:
    """Send `count` requests over one connection, after the probe's warm-up, as long as `ends` is not reached."""
    taken: List[Sample] = []
    with world.connect() as fetch:
        for number in range(-probe.warmup, count):
            if patience.now() >= ends:
                break
            answer, reason = ask(probe, fetch)
            if number >= 0:
                taken.append((answer.elapsed, reason))
    return taken


def add_samples(probe: Probe, world: World, patience: Patience, ends: float, result: Dict[str, Any]) -> None:
    """Take the samples of a probe, as many at a time as it asks for, and add what they say to its result."""
    counts = [len(range(first, probe.samples, probe.concurrency)) for first in range(probe.concurrency)]
    jobs = [partial(take_samples, probe, world, patience, count, ends) for count in counts if count]
    taken = world.run_all(jobs, max(0.0, ends - patience.now()) + 2 * probe.timeout)
    samples = [sample for part in taken for sample in part or ()]
    good = [elapsed for elapsed, reason in samples if not reason]
    result["latency"] = latency = summarise_latency(good, len(samples) - len(good))
    if probe.response_time and good:
        low, high = quantile_interval(sorted(good), 0.5)
        interval = {"value": latency["p50"], "low": round(low, 3), "high": round(high, 3)}
        result["measurements"]["response_time"] = {**interval, "samples": latency["count"]}
    elif probe.response_time:
        reason = next((reason for _elapsed, reason in samples), "no sample could be taken in time")
        result["unmeasured"].append(f"{probe.name}: response_time was not measured, {reason}")


def check_all(probes: Sequence[Probe], world: World, patience: Patience) -> Dict[str, Any]:
    """Ask all probes at the same time, so that one that hangs holds up no other, then take the samples of each.

    Returns the result of the module.
    """
    ends = patience.now() + patience.deadline
    longest = max((probe.timeout for probe in probes), default=0.0)
    # What ends by itself has ended by then; what does not, such as a resolver that hangs, is ended.
    bound = 2 * patience.deadline + (patience.consecutive + 4) * (longest + patience.interval) + _LONGEST_PAUSE
    # What is not required is asked when the others are good, and not again and again: nobody waits for it.
    first = [probe for probe in probes if probe.required] or probes
    found: Dict[int, Dict[str, Any]] = {}
    for asked in filter(None, (first, [probe for probe in probes if probe not in first])):
        jobs = [partial(check_probe, probe, world, patience, ends) for probe in asked]
        for probe, result in zip(asked, world.run_all(jobs, bound)):
            found[id(probe)] = result or empty_result(probe, f"the probe did not come to an end in {bound:.0f} seconds")
        ends = patience.now()
    results = [found[id(probe)] for probe in probes]
    # One after the other, and only now, so that nothing else that is asked makes the app slower.
    ends = patience.now() + patience.deadline
    for probe, result in zip(probes, results):
        if probe.samples and result["healthy"]:
            add_samples(probe, world, patience, ends, result)
    problems = [f"{each['name']}: {each['reason']}" for each in results if each["required"] and not each["healthy"]]
    counters = [result.pop("counters") for result in results]
    return {
        "healthy": not problems,
        "reason": "; ".join(problems),
        "probes": results,
        "measurements": {name: value for result in results for name, value in result["measurements"].items()},
        "unmeasured": [reason for result in results for reason in result["unmeasured"]],
        # A counter that could not be read now keeps its earlier reading.
        "counters": {**world.counters, **{name: value for each in counters for name, value in each.items()}},
    }
