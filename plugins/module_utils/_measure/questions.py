# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to ask of an app and its log: from the settings and the release record to the arguments of modules."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence
from urllib.parse import urlsplit

from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import parse_matrix
from ansible_collections.greenlight.release.plugins.module_utils._measure.answers import Answers, Since
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import CUSTOM, Number, Settings
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import read_counts
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import (
    known_metrics,
    metrics_of_requests,
)

CACHE_PROBE = "cache statistics"
# A first measurement is of an app that runs: whether it serves shows at once.
_ACCESS = ("socket", "user", "password", "headers", "validate_certs", "ca_path", "client_cert", "client_key", "timeout")
_HOW = ("method", "body", "follow_redirects", "status")
_FIRST_DEADLINE = 10
_WARM_UP_REQUESTS = 5
# The rule for the health where the old revision gave no good answer, see `_health/rule.py`.
_OF_NOBODY = {"kind": "", "strange": True}
# What is measured by the lines of logs alone.
OF_LOGS = ("critical_errors", "error_rate", "pool_exhausted", "new_errors", "new_warnings")
_NEW_ERRORS = {"name": "new_errors", "level": "error", "per": "hour", "new_kinds_only": True}


def ask(settings: Settings, answers: Answers) -> Dict[str, Any]:
    """Return `{matrix, known_metrics, stable_for, app, over, log}`: what is judged by, and what is asked for it.

    `stable_for` is in seconds, `app` has arguments of health_check and `log` of log_assert. `over` is the log that ends
    the questions of health_check as soon as it decides, {} where it does not. Those of the log depend
    on what health_check answered. Raises MatrixError for a wrong row.
    """
    since, known, matrix = answers.since, known_metrics(settings.probe_metrics()), rows(settings, answers)
    parse_matrix(matrix, known)
    # No line of the log changes what an app comes to that does not serve.
    over = bool(failed_probes(answers.health)) and _rolls_back("server_starts", False, matrix, known, answers)
    log = _ask_log(settings, answers, matrix, own_requests(settings, answers.health), over)
    return {
        "matrix": matrix,
        "known_metrics": known,
        "stable_for": max(settings.stable_seconds, cold_seconds(settings, answers)),
        "app": {
            "probes": probes(settings, health_rule(settings, answers)),
            "counters": since.counters,
            "deadline": _deadline(settings, since),
        },
        "over": _deciding_log(settings, answers, log)
        if _rolls_back("critical_errors", 1, matrix, known, answers)
        else {},
        "log": log,
    }


def rows(settings: Settings, answers: Answers) -> List[Dict[str, Any]]:
    """Return the rows of the matrix that can be measured: what an app that writes no log has in it never could."""
    matrix = settings.matrix()
    return [row for row in matrix if row.get("metric") not in OF_LOGS] if has_no_log(settings, answers) else matrix


def has_no_log(settings: Settings, answers: Answers) -> bool:
    """Say whether it is known that there is no log to read, and that a release has not ended the one there was."""
    before = answers.facts.get("log_files") if answers.since.judges_release else None
    return "log_files" in answers.process and not log_files(settings, answers) and not before


def _deadline(settings: Settings, since: Since) -> Number:
    return settings.health_deadline if since.looks_back else min(settings.health_deadline, _FIRST_DEADLINE)


def cold_seconds(settings: Settings, answers: Answers) -> Number:
    """Return the seconds that a new revision has still to warm up, 0 or less for one that is warm or not new."""
    age: Optional[Number] = answers.record.get("age")
    if not answers.since.judges_release or age is None:
        return 0
    return settings.warm_up_seconds - age


def health_rule(settings: Settings, answers: Answers) -> Optional[Mapping[str, Any]]:
    """Return the rule for the health: the one that the old revision's answers gave, {} to infer one, None for none.

    A revision that follows one which gave no good answer must say in a word that everybody knows that it is well.
    """
    if not settings.infers_health():
        return None
    if not answers.since.judges_release:
        return {}
    rule: Mapping[str, Any] = answers.facts.get("health_rule") or _OF_NOBODY
    return rule


def probes(settings: Settings, rule: Optional[Mapping[str, Any]] = None) -> List[Dict[str, Any]]:
    """Return the probes of the app: its health, its response time, its cache where it has one, and the user's.

    Without a URL nothing is asked.
    """
    expected = {"expect_json": settings.health_expect} if rule is None else {"rule": rule}
    health = {**expected, **settings.health_probe, "name": "health", "url": settings.health_url}
    response_time = {
        **_access(settings, settings.response_time_url),
        **(_alike(settings, rule) if settings.response_time_url == settings.health_url else {}),
        "name": "response time",
        "url": settings.response_time_url,
        "samples": settings.response_time_samples,
        "warmup": _WARM_UP_REQUESTS,
        "response_time": True,
    }
    hit_rate = {"path": settings.cache_hit_rate_path, "type": "percent"}
    cache = {
        **_access(settings, settings.cache_stats_url),
        "name": CACHE_PROBE,
        "url": settings.cache_stats_url,
        "measurements": {"cache_hit_rate": hit_rate},
    }
    return [
        *([health] if settings.health_url else []),
        *([response_time] if settings.response_time_url else []),
        *([cache] if settings.cache_stats_url else []),
        *settings.probes,
    ]


def _alike(settings: Settings, rule: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return what makes the same answer as that of the health a good one: it may have another status than 200."""
    asked = {key: value for key, value in settings.health_probe.items() if key in _HOW}
    return asked if rule is None else {**asked, "rule": rule}


def _access(settings: Settings, url: str) -> Dict[str, Any]:
    """Return how the app is reached, for a URL of the host and port of its health alone: others get no password."""
    same = urlsplit(url)[:2] == urlsplit(settings.health_url)[:2]
    return {key: value for key, value in settings.health_probe.items() if same and key in _ACCESS}


def own_requests(settings: Settings, health: Mapping[str, Any]) -> Dict[str, int]:
    """Return how many requests health_check sent itself, by their path: they are no traffic of users."""
    sent: Dict[str, int] = {}
    asked = {probe["name"]: probe for probe in probes(settings)}
    for answered in health.get("probes", []):
        _add(sent, answered.get("url") or asked.get(answered["name"], {}).get("url"), int(answered["attempts"]))
    for probe in asked.values():
        if "samples" in probe:
            _add(sent, probe.get("url"), int(probe["samples"]) + int(probe.get("warmup", 0)))
    return sent


def _add(sent: Dict[str, int], url: Any, requests: int) -> None:
    path = urlsplit(str(url or "")).path or "/"
    sent[path] = sent.get(path, 0) + requests


def own_rule(path: str) -> str:
    """Return the name of the rule that counts the lines of a path: an app may not write a line for every request."""
    return f"own requests to {path}"


def log_files(settings: Settings, answers: Answers) -> List[Mapping[str, Any]]:
    """Return the logs of the process and those that the app writes itself. What goes to /dev/null cannot be read."""
    known = [file for file in answers.process.get("log_files", []) if file["path"] != "/dev/null"]
    return [*known, *settings.log_files]


def _ask_log(
    settings: Settings, answers: Answers, matrix: Sequence[Mapping[str, Any]], own: Mapping[str, int], is_over: bool
) -> Dict[str, Any]:
    since = answers.since
    lines = _line_rules(settings.required_log_lines if since.required is None else since.required)
    # Lines that nobody requires yet are counted, to see what the log has of them.
    required, counted = (lines, []) if since.judges_release else ([], lines)
    return {
        "files": log_files(settings, answers),
        "cursor": since.cursor,
        "known_kinds": since.known_kinds,
        "styles": settings.log_styles(),
        "forbid": [_critical(settings), _NEW_ERRORS, _forbid("new_warnings", settings.warnings)],
        "ignore": [{"pattern": any_of(settings.ignored_errors), "regex": True}] if settings.ignored_errors else [],
        "require": required,
        "count": [
            {"name": "pool_exhausted", "pattern": settings.pool_exhausted, "regex": True, "per": "hour"},
            *counted,
            *({"name": own_rule(path), "pattern": path} for path in own),
        ],
        "rates": {"error_rate": {**settings.rate_of_errors(), "minimum": _least_requests(matrix) + sum(own.values())}},
        "confirm": {} if is_over else second_looks(matrix, answers),
        "wait": settings.measure_seconds if since.looks_back and not is_over else 0,
    }


def second_looks(matrix: Sequence[Mapping[str, Any]], answers: Answers) -> Dict[str, Any]:
    """Return with what the log compares the rates that a row rolls back for, but at a second look only."""
    before = answers.facts.get("baseline", {}) if answers.since.judges_release else {}
    looks: Dict[str, Any] = {}
    for row in parse_matrix(matrix):
        measured = before.get(row.metric)
        line = row.rollback_if if row.metric in metrics_of_requests() and row.relative and row.confirm else None
        if line and line.comparison == "above" and isinstance(measured, Mapping):
            base = read_counts(measured)
            looks[row.metric] = {
                "events": base.events,
                "samples": base.total,
                "line": line.limit,
                "floor": row.floor,
                "within": row.confirm,
            }
    return looks


def _rolls_back(
    metric: str, value: Any, matrix: Sequence[Mapping[str, Any]], known: Sequence[str], answers: Answers
) -> bool:
    """Say whether a release is judged, and a row of the matrix rolls it back for that value alone."""
    rows = [row for row in matrix if row.get("metric") == metric]
    if not answers.since.judges_release or not rows:
        return False
    decision: str = decide({metric: value}, rows, {}, answers.record.get("age") or 0, known, 0, "host")["decision"]
    return decision == "rollback"


def _deciding_log(settings: Settings, answers: Answers, log: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what shows new critical errors in the log, {} where there is none to read."""
    if not log["cursor"]:
        return {}
    known = {name: log[name] for name in ("files", "cursor", "known_kinds", "styles", "ignore")}
    return {**known, "forbid": [_critical(settings)]}


def failed_probes(health: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    """Return the probes that failed and are required; the others are measurements, and no sign of life."""
    return [
        probe
        for probe in health.get("probes", [])
        if not probe["healthy"] and probe.get("required", probe["name"] != CACHE_PROBE)
    ]


def _line_rules(lines: Sequence[str]) -> List[Dict[str, str]]:
    return [{"name": line, "pattern": line} for line in dict.fromkeys(lines)]


def _forbid(name: str, patterns: Sequence[str]) -> Dict[str, Any]:
    return {"name": name, "pattern": any_of(patterns), "regex": True, "new_kinds_only": True}


def _critical(settings: Settings) -> Dict[str, Any]:
    """Return the rule of critical errors: by their texts, and by their level where the style of the log is known."""
    rule = _forbid("critical_errors", settings.critical_errors)
    return rule if CUSTOM in settings.log_styles() else {**rule, "level": "fatal"}


def any_of(patterns: Sequence[str]) -> str:
    """Return one regular expression for several; that for none matches no line, where an empty one matches all."""
    if not patterns:
        return "(?!)"
    return f"(?:{')|(?:'.join(patterns)})"


def _least_requests(matrix: Sequence[Mapping[str, Any]]) -> int:
    """Return for how many requests the matrix asks: the log is read until it has as many of the users."""
    asked = [int(row.get("minimum_samples") or 0) for row in matrix if row.get("metric") == "error_rate"]
    return max(asked, default=0)
