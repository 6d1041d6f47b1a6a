# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes out of what a user wrote, everything wrong with it refused before anything is asked."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.greenlight.release.plugins.module_utils._health.options import PROBE
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import (
    SOCKET_SCHEME,
    HealthError,
    Measurement,
    Probe,
    mask_url,
)
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import CONDITIONS, ORDERED
from ansible_collections.greenlight.release.plugins.module_utils._values.numbers import (
    LONGEST,
    first_problem,
    problem_with,
)

PROBE_KEYS = tuple(sorted(PROBE))
HEADER_CONDITIONS = ("equals", "matches", "exists")
MEASUREMENT_KEYS = ("counter", "epoch", "minimum", "of", "path", "type")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST_CONCURRENT = 64


LEAST_TIMEOUT = 0.001
_ENDS = {"timeout": (LEAST_TIMEOUT, LONGEST), "deadline": (0, LONGEST), "interval": (0, LONGEST)}
_ENDS["consecutive"] = (1, LONGEST)
_MOST_SAMPLES = 1_000_000


def check_numbers(params: Mapping[str, Any]) -> None:
    """Raise HealthError for a number of the module that is too small, or without end."""
    problem = first_problem(params, _ENDS)
    if problem:
        raise HealthError(problem)


def parse_probes(given: Sequence[Mapping[str, Any]], timeout: float) -> List[Probe]:
    """Return all probes, checked. Raises HealthError, also when two of them give the same measurement."""
    probes = [parse_probe(index, probe, timeout) for index, probe in enumerate(given)]
    seen: Dict[str, str] = {}
    for probe in probes:
        for metric in [*probe.measurements, *(["response_time"] if probe.response_time else [])]:
            if metric in seen:
                raise HealthError(f"Probe {seen[metric]} and probe {probe.name} both measure {metric}; leave one out")
            seen[metric] = probe.name
    return probes


def parse_probe(index: int, given: Mapping[str, Any], timeout: float) -> Probe:
    """Return a probe, checked. Raises HealthError, which names it by name or index."""
    probe = {key: value for key, value in given.items() if value is not None}
    label = f"Probe {probe.get('name') or index}"
    unknown = sorted(set(probe) - set(PROBE_KEYS))
    if unknown:
        raise HealthError(f"{label} has an unknown key {unknown[0]!r}; use one of {', '.join(PROBE_KEYS)}")
    url = _parse_url(label, probe.get("url"))
    method = str(probe.get("method", "GET")).upper()
    if not re.fullmatch("[A-Z]+", method):
        raise HealthError(f"{label}: method must be a word such as GET, not {method!r}")
    headers, body = _parse_content(label, probe.get("headers", {}), probe.get("body"))
    latency = probe.get("max_latency")
    return Probe(
        name=str(probe.get("name") or mask_url(url)),
        method=method,
        headers=headers,
        body=body,
        follow_redirects=_parse_redirects(label, method, probe.get("follow_redirects", False)),
        pids=_parse_numbers(label, "pids", probe.get("pids", [])),
        max_latency=None if latency is None else _number(label, "max_latency", latency),
        timeout=_number(label, "timeout", probe.get("timeout", timeout), LEAST_TIMEOUT, LONGEST),
        validate_certs=bool(probe.get("validate_certs", True)),
        samples=int(_number(label, "samples", probe.get("samples", 0), most=_MOST_SAMPLES)),
        concurrency=_parse_concurrency(label, probe.get("concurrency", 1)),
        warmup=int(_number(label, "warmup", probe.get("warmup", 0), most=_MOST_SAMPLES)),
        response_time=bool(probe.get("response_time", False)),
        measurements=_parse_measurements(label, probe.get("measurements", {})),
        required=bool(probe.get("required", not probe.get("measurements"))),
        **_parse_expected(label, probe),
        **_parse_access(label, url, probe),
        **_parse_certificates(label, probe),
    )


def _parse_expected(label: str, probe: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what a good answer is."""
    return {
        "status": _parse_numbers(label, "status", probe.get("status") or [200]),
        "expect_json": _parse_expectations(label, "expect_json", "path", CONDITIONS, probe.get("expect_json", [])),
        "expect_headers": _parse_expectations(
            label, "expect_headers", "name", HEADER_CONDITIONS, probe.get("expect_headers", [])
        ),
        "rule": _parse_rule(label, probe.get("rule")),
        "expect_body": None if probe.get("expect_body") is None else str(probe["expect_body"]),
        "expect_text": tuple(map(str, probe.get("expect_text", ()))),
    }


def _parse_url(label: str, url: Any) -> str:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        usable = parts.scheme in ("http", "https", SOCKET_SCHEME) and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise HealthError(f"{label} needs an http or https URL, not {mask_url(str(url))!r}")
    return str(url)


def _parse_access(label: str, url: str, probe: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the URL that is asked, the socket, the user and the password: those of the URL are not left in it."""
    parts = urlsplit(url)
    credentials, _at, place = parts.netloc.rpartition("@")
    named, colon, secret = credentials.partition(":")
    user, password = probe.get("user"), probe.get("password")
    if user is None and credentials:
        user, password = unquote(named), unquote(secret) if colon else None
    if password is not None and user is None:
        raise HealthError(f"{label}: password needs user")
    socket = probe.get("socket")
    if parts.scheme == SOCKET_SCHEME:
        socket, parts, place = unquote(place), parts._replace(scheme="http"), "localhost"
    if socket is not None and (parts.scheme != "http" or not str(socket).startswith("/")):
        raise HealthError(f"{label}: a socket is an absolute path, and asked by http, not {socket!r} by {parts.scheme}")
    if socket is not None and probe.get("pids"):
        raise HealthError(f"{label}: pids are for a port, not for a socket; leave them out")
    clean = urlunsplit(parts._replace(netloc=place))
    return {"url": clean, "socket": socket, "user": user, "password": password}


def _parse_rule(label: str, rule: Any) -> Optional[Mapping[str, Any]]:
    """Return a rule as an earlier call inferred it, an empty one to infer it, None for none."""
    if rule is None:
        return None
    if not isinstance(rule, Mapping) or (rule and not isinstance(rule.get("kind"), str)):
        raise HealthError(f"{label}: rule must be one that health_check returned, or {{}} to infer it, not {rule!r}")
    return rule


def _parse_redirects(label: str, method: str, follow: Any) -> bool:
    if follow and method not in ("GET", "HEAD"):
        raise HealthError(f"{label}: follow_redirects is for GET and HEAD, not for {method}, which would be sent again")
    return bool(follow)


def _parse_content(label: str, headers: Any, body: Any) -> Tuple[Dict[str, str], Optional[str]]:
    """Return the headers and the body. A body that is no text is sent as JSON."""
    if not isinstance(headers, Mapping):
        raise HealthError(f"{label}: headers must be a mapping")
    texts = {str(name): str(value) for name, value in headers.items()}
    for name, value in texts.items():
        if not _HEADER_NAME.fullmatch(name) or not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
            raise HealthError(f"{label}: the header {name!r} has a name or a value that HTTP does not allow")
    if body is None or isinstance(body, str):
        return texts, body
    given = {name.lower() for name in texts}
    content_type = {} if "content-type" in given else {"Content-Type": "application/json"}
    return {**content_type, **texts}, json.dumps(body)


def _parse_certificates(label: str, probe: Mapping[str, Any]) -> Dict[str, Any]:
    paths = {key: str(probe[key]) for key in ("ca_path", "client_cert", "client_key") if probe.get(key)}
    for key, path in paths.items():
        if not Path(path).exists():
            raise HealthError(f"{label}: {key} {path} does not exist")
    if "client_key" in paths and "client_cert" not in paths:
        raise HealthError(f"{label}: client_key needs client_cert")
    return paths


def _parse_numbers(label: str, key: str, values: Any) -> Tuple[int, ...]:
    return tuple(int(_number(label, key, value)) for value in (values if isinstance(values, list) else [values]))


def _parse_concurrency(label: str, value: Any) -> int:
    concurrency = int(_number(label, "concurrency", value))
    if not 1 <= concurrency <= _MOST_CONCURRENT:
        raise HealthError(f"{label}: concurrency must be from 1 to {_MOST_CONCURRENT}, not {value!r}")
    return concurrency


def _number(label: str, key: str, value: Any, least: float = 0, most: float = math.inf) -> float:
    problem = problem_with(value, least, most)
    if problem:
        raise HealthError(f"{label}: {key} {problem}")
    return float(value)


def _parse_expectations(
    label: str, option: str, subject: str, conditions: Sequence[str], given: Any
) -> Tuple[Mapping[str, Any], ...]:
    return tuple(_parse_expectation(f"{label}: {option}", subject, conditions, each) for each in given)


def _parse_expectation(label: str, subject: str, conditions: Sequence[str], given: Any) -> Mapping[str, Any]:
    """Return an expectation, which has a subject and exactly one condition."""
    if not isinstance(given, Mapping) or not given.get(subject):
        raise HealthError(f"{label} needs mappings of {subject} and one of {', '.join(conditions)}")
    if subject == "path" and not json_path.is_path(given["path"]):
        raise HealthError(f"{label}: {given['path']!r} is no path such as data.items[0].name")
    kinds = sorted(set(given) - {subject})
    if len(kinds) != 1 or kinds[0] not in conditions:
        raise HealthError(f"{label} of {given[subject]} needs exactly one of {', '.join(conditions)}")
    condition, limit = kinds[0], given[kinds[0]]
    if condition in ORDERED and json_path.to_number(limit) is None:
        raise HealthError(f"{label} of {given[subject]}: {condition} must be a number, not {limit!r}")
    if condition == "matches":
        try:
            re.compile(str(limit))
        except re.error as error:
            raise HealthError(f"{label} of {given[subject]}: {limit!r} is no regular expression: {error}") from error
    return given


def _parse_measurements(label: str, given: Any) -> Dict[str, Measurement]:
    if not isinstance(given, Mapping):
        raise HealthError(f"{label}: measurements must be a mapping of names")
    return {str(metric): _parse_measurement(f"{label}: measurement {metric}", how) for metric, how in given.items()}


def _parse_measurement(label: str, how: Any) -> Measurement:
    if not isinstance(how, Mapping) or not json_path.is_path(how.get("path")):
        raise HealthError(f"{label} needs a path such as data.hitRate")
    unknown = sorted(set(how) - set(MEASUREMENT_KEYS))
    if unknown:
        raise HealthError(f"{label} has an unknown key {unknown[0]!r}; use one of {', '.join(MEASUREMENT_KEYS)}")
    of = how.get("of") or []
    paths = [of] if isinstance(of, str) else list(of)
    counter, epoch = bool(how.get("counter", False)), how.get("epoch") or ""
    wrong = [path for path in [*paths, *([epoch] if epoch else [])] if not json_path.is_path(path)]
    if wrong:
        raise HealthError(f"{label}: {wrong[0]!r} is no path such as data.hits")
    if how.get("type", "number") not in ("number", "percent"):
        raise HealthError(f"{label}: type must be number or percent, not {how['type']!r}")
    if (epoch and not counter) or ("minimum" in how and not paths):
        raise HealthError(f"{label}: epoch needs counter, and minimum needs of")
    minimum = _number(label, "minimum", how.get("minimum", 0))
    return Measurement(str(how["path"]), how.get("type", "number"), tuple(paths), counter, str(epoch), minimum)
