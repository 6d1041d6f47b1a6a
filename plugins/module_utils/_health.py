# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes as values: what is asked, what is expected of the answer, and what its numbers mean.

Nothing here opens a connection. A C(Fetch) turns a probe into an C(Answer), and is an argument.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

PROBE_KEYS = (
    "body",
    "ca_path",
    "client_cert",
    "client_key",
    "expect_json",
    "expect_text",
    "headers",
    "max_latency",
    "measurements",
    "method",
    "name",
    "response_time",
    "samples",
    "status",
    "timeout",
    "url",
    "validate_certs",
    "warmup",
)
ASSERTIONS = ("equals", "below", "above", "matches", "exists")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_MISSING = object()


class HealthError(ValueError):
    """A probe that cannot be sent, or an assertion that cannot be judged."""


@dataclass(frozen=True)
class Probe:
    """One question to the app. C(timeout) bounds one whole request, in seconds; C(max_latency) is in milliseconds."""

    name: str
    url: str
    method: str = "GET"
    headers: Dict[str, str] = field(default_factory=dict)
    body: Optional[str] = None
    status: Tuple[int, ...] = (200,)
    expect_json: Tuple[Mapping[str, Any], ...] = ()
    expect_text: Tuple[str, ...] = ()
    max_latency: Optional[float] = None
    timeout: float = 5.0
    validate_certs: bool = True
    ca_path: Optional[str] = None
    client_cert: Optional[str] = None
    client_key: Optional[str] = None
    samples: int = 0
    warmup: int = 0
    response_time: bool = False
    measurements: Dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back: C(status) 0 and C(error) when nothing did. C(elapsed) is in milliseconds."""

    status: int
    elapsed: float
    content_type: str = ""
    body: str = ""
    error: str = ""


Fetch = Callable[[Probe], Answer]


def parse_probe(index: int, given: Mapping[str, Any], timeout: float) -> Probe:
    """Return a probe, checked. Raises HealthError, which names it by name or index."""
    label = f"Probe {given.get('name') or index}"
    unknown = sorted(set(given) - set(PROBE_KEYS))
    if unknown:
        raise HealthError(f"{label} has an unknown key {unknown[0]!r}; use one of {', '.join(PROBE_KEYS)}")
    url = given.get("url")
    if not isinstance(url, str) or not _is_http(url):
        raise HealthError(f"{label} needs an http or https URL, not {mask_url(str(url))!r}")
    status = given.get("status") or [200]
    expectations = given.get("expect_json") or []
    for expectation in expectations:
        _check_expectation(label, expectation)
    measurements = given.get("measurements") or {}
    for metric, how in measurements.items():
        if (
            not isinstance(how, Mapping)
            or not how.get("path")
            or how.get("type", "number") not in ("number", "percent")
        ):
            raise HealthError(f"{label}: measurement {metric} needs a path, and as type number or percent")
    kept = {key: given[key] for key in ("ca_path", "client_cert", "client_key", "body") if given.get(key)}
    return Probe(
        name=str(given.get("name") or mask_url(url)),
        url=url,
        method=str(given.get("method") or "GET").upper(),
        headers={str(name): str(value) for name, value in (given.get("headers") or {}).items()},
        status=tuple(int(code) for code in (status if isinstance(status, list) else [status])),
        expect_json=tuple(expectations),
        expect_text=tuple(given.get("expect_text") or ()),
        max_latency=_number(label, "max_latency", given.get("max_latency")),
        timeout=_number(label, "timeout", given.get("timeout")) or timeout,
        validate_certs=bool(given.get("validate_certs", True)),
        samples=int(_number(label, "samples", given.get("samples")) or 0),
        warmup=int(_number(label, "warmup", given.get("warmup")) or 0),
        response_time=bool(given.get("response_time", False)),
        measurements=dict(measurements),
        **kept,
    )


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _number(label: str, key: str, value: Any) -> Optional[float]:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise HealthError(f"{label}: {key} must be a number, not {value!r}") from error
    if not 0 <= number < float("inf"):
        raise HealthError(f"{label}: {key} must be a number of at least 0, not {value!r}")
    return number


def _check_expectation(label: str, expectation: Any) -> None:
    if not isinstance(expectation, Mapping) or not expectation.get("path"):
        raise HealthError(f"{label}: every expect_json needs a path and one of {', '.join(ASSERTIONS)}")
    kinds = sorted(set(expectation) - {"path"})
    if len(kinds) != 1 or kinds[0] not in ASSERTIONS:
        raise HealthError(f"{label}: expect_json of {expectation['path']} needs exactly one of {', '.join(ASSERTIONS)}")
    if kinds[0] == "matches":
        try:
            re.compile(str(expectation["matches"]))
        except re.error as error:
            raise HealthError(f"{label}: {expectation['matches']!r} is no regular expression: {error}") from error


def mask_url(url: str) -> str:
    """Return a URL without its credentials and its query, either of which may hold a secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that cannot be read"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def value_at(document: Any, path: str) -> Any:
    """Return what C(a.b[0].c) leads to. Raises HealthError when the path ends before."""
    value = document
    for name, index in _STEP.findall(path):
        if name and isinstance(value, Mapping) and name in value:
            value = value[name]
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            raise HealthError(f"the JSON has no {path}")
    return value


def judge(probe: Probe, answer: Answer) -> str:
    """Return why an answer is not a good one, "" when it is."""
    if answer.error:
        return answer.error
    if answer.status not in probe.status:
        return f"status {answer.status} instead of {', '.join(map(str, probe.status))}"
    for text in probe.expect_text:
        if text not in answer.body:
            return f"the body does not contain {text!r}"
    if probe.max_latency is not None and answer.elapsed > probe.max_latency:
        return f"it took {answer.elapsed:.0f} ms, {probe.max_latency:.0f} are allowed"
    if not probe.expect_json and not probe.measurements:
        return ""
    try:
        document = parse_json(answer)
        problems = [_judge_expectation(document, expectation) for expectation in probe.expect_json]
    except HealthError as error:
        return str(error)
    return next((problem for problem in problems if problem), "")


def parse_json(answer: Answer) -> Any:
    """Return the JSON of an answer. Raises HealthError, which quotes what came instead."""
    try:
        return json.loads(answer.body)
    except ValueError:
        raise HealthError(f"{answer.content_type or 'the body'} is no JSON: {quote(answer.body)}") from None


def quote(text: str, limit: int = 120) -> str:
    """Return the beginning of a text, safe to print in a terminal."""
    safe = "".join(character if character.isprintable() else " " for character in text[:limit])
    return repr(safe + ("..." if len(text) > limit else ""))


def _judge_expectation(document: Any, expectation: Mapping[str, Any]) -> str:
    path = expectation["path"]
    try:
        value = value_at(document, path)
    except HealthError:
        value = _MISSING
    if "exists" in expectation:
        return (
            "" if (value is not _MISSING) == bool(expectation["exists"]) else f"{path} exists: {value is not _MISSING}"
        )
    if value is _MISSING:
        return f"the JSON has no {path}"
    kind = next(kind for kind in ASSERTIONS if kind in expectation)
    limit = expectation[kind]
    if kind == "equals":
        good = value == limit and isinstance(value, bool) == isinstance(limit, bool)
    elif kind == "matches":
        good = re.search(str(limit), str(value)) is not None
    else:
        number = to_number(value)
        good = number is not None and (number < float(limit) if kind == "below" else number > float(limit))
    return "" if good else f"{path} is {quote(str(value))}, expected {kind} {limit!r}"


def to_number(value: Any) -> Optional[float]:
    """Return a number, or the one in a text such as C("95.67%"); None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d+(\.\d+)?\s*%?\s*", value):
        return float(value.strip().rstrip("%"))
    return None


def read_measurements(probe: Probe, answer: Answer) -> Tuple[Dict[str, float], List[str]]:
    """Return the measurements in a good answer, and a reason for each that could not be read."""
    found: Dict[str, float] = {}
    reasons = []
    for metric, how in probe.measurements.items():
        try:
            number = to_number(value_at(parse_json(answer), str(how["path"])))
        except HealthError as error:
            reasons.append(f"{probe.name}: {metric} was not measured, {error}")
            continue
        if number is None or (how.get("type") == "percent" and not 0 <= number <= 100):
            reasons.append(f"{probe.name}: {metric} was not measured, {how['path']} is no {how.get('type', 'number')}")
        else:
            found[metric] = number
    return found, reasons


def summarise_latency(elapsed: Sequence[float], failed: int, statistics: Any) -> Dict[str, float]:
    """Return count, mean, quantiles and the median's 99 % interval in ms, and the share of failed requests."""
    ordered = sorted(elapsed)
    share = failed / (failed + len(ordered))
    if not ordered:
        return {"count": 0, "failed_share": share}
    low, high = statistics.quantile_interval(ordered, 0.5)
    quantiles = {f"p{round(q * 100)}": statistics.quantile(ordered, q) for q in (0.5, 0.9, 0.95, 0.99)}
    summary = {"mean": sum(ordered) / len(ordered), **quantiles, "max": ordered[-1], "p50_low": low, "p50_high": high}
    rounded = {name: round(value, 3) for name, value in summary.items()}
    return {"count": len(ordered), **rounded, "failed_share": share}
