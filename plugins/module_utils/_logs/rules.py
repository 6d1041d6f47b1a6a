# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about log lines: what to search for, and how much of it there may be or must be."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._logs import fields as logs_fields
from ansible_collections.greenlight.release.plugins.module_utils._logs import match as logs_match
from ansible_collections.greenlight.release.plugins.module_utils._logs.entry import LogEntry
from ansible_collections.greenlight.release.plugins.module_utils._logs.levels import LevelFinder
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Matcher
from ansible_collections.greenlight.release.plugins.module_utils._logs.options import COUNT, FORBID, REQUIRE
from ansible_collections.greenlight.release.plugins.module_utils._logs.requests import (
    Styles,
    all_requests,
    failed_requests,
)
from ansible_collections.greenlight.release.plugins.module_utils._logs.styles import AUTO, CHOICES, CUSTOM, LEVELS
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import CONDITIONS, ConditionError
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.numbers import (
    LONGEST,
    first_problem,
    problem_with,
)

RULE_KEYS = tuple(sorted({*REQUIRE, *FORBID, *COUNT}))
_ENDS = {"wait": (0, LONGEST), "timeout": (1, LONGEST), "tail_bytes": (0, math.inf)}


class LogError(GreenlightError):
    """A rule that cannot be used, or a log that cannot be read."""


@dataclass(frozen=True)
class Rule:
    """One thing to search for in lines, on one stream or on both.

    `matcher` finds the lines. Of whole entries those count that have `level`, or else in which `wanted` matches, what
    the rule was given as a pattern or a field.
    """

    name: str
    matcher: Matcher
    wanted: Optional[Matcher] = None
    is_field: bool = False
    level: int = 0
    stream: str = ""
    minimum: int = 1
    maximum: float = 0
    per_hour: bool = False
    new_kinds_only: bool = False

    def applies_to(self, stream: str) -> bool:
        return not self.stream or not stream or self.stream == stream

    def holds(self, entry: LogEntry) -> bool:
        """Say whether an entry counts. What a client did wrong never does."""
        if entry.is_of_client():
            return False
        if self.level and (entry.ended_app or entry.level >= self.level):
            return True
        if self.wanted is None:
            return False
        return self.wanted.matches(entry.text) if self.is_field else entry.matches(self.wanted.matches)


@dataclass(frozen=True)
class Rate:
    """The share of the lines matching `of` that match `count` too; `minimum` lines are waited for."""

    name: str
    count: Matcher
    of: Matcher
    minimum: int = 0


@dataclass(frozen=True)
class Rules:
    require: Sequence[Rule] = ()
    forbid: Sequence[Rule] = ()
    count: Sequence[Rule] = ()
    ignore: Sequence[Matcher] = ()
    rates: Sequence[Rate] = ()
    styles: Optional[Styles] = None

    def reads_entries(self, rule: Rule) -> bool:
        """Say whether a rule judges whole entries by what they say, and not lines by what is written in them."""
        return self.styles is not None or bool(rule.level)


def compile_pattern(label: str, pattern: Any, regex: bool) -> Matcher:
    """Return what finds a literal or a regular pattern. Raises LogError, which names the rule and the place."""
    if not isinstance(pattern, str) or not pattern or "\n" in pattern:
        raise LogError(f"{label} needs a pattern that is a text of one line, not {pattern!r}")
    try:
        return logs_match.regular(pattern) if regex else logs_match.literal(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise LogError(f"{label}: bad regular expression {pattern!r}: {error}") from error


def compile_rule(label: str, rule: Mapping[str, Any]) -> Matcher:
    """Return what finds the lines of a rule, by its pattern or its field. Raises LogError."""
    conditions = [name for name in CONDITIONS if name in rule]
    if "field" not in rule:
        if conditions:
            raise LogError(f"{label}: {conditions[0]} needs field, the path of a field in lines of JSON")
        return compile_pattern(label, rule.get("pattern"), bool(rule.get("regex")))
    path = rule["field"]
    if "pattern" in rule or len(conditions) != 1 or not json_path.is_path(path):
        raise LogError(f"{label}: field needs a path, no pattern, and one of {', '.join(CONDITIONS)}")
    try:
        return logs_fields.field_matcher(path, conditions[0], rule[conditions[0]])
    except (re.error, ConditionError, RecursionError, OverflowError) as error:
        raise LogError(f"{label}: {conditions[0]} cannot be {rule[conditions[0]]!r}: {error}") from error


def read_rules(params: Mapping[str, Any]) -> Rules:
    """Return all rules in the options of log_assert. Raises LogError."""
    parsed = {kind: parse_rules(kind, params[kind]) for kind in ("require", "forbid", "count")}
    styles = parse_styles(params.get("styles") or [])
    ignored, rates = parse_ignored(params["ignore"]), parse_rates(params["rates"], styles)
    return check_names(Rules(ignore=ignored, rates=rates, styles=styles, **parsed))


def parse_styles(names: Sequence[str]) -> Optional[Styles]:
    """Return the styles of the logs, None where lines are judged as they are written. Raises LogError."""
    unknown = [name for name in names if name not in CHOICES]
    if unknown:
        raise LogError(f"styles has an unknown style {unknown[0]!r}; use some of {', '.join(CHOICES)}")
    return None if not names or CUSTOM in names else Styles(list(names))


def parse_rules(kind: str, given: Sequence[Mapping[str, Any]]) -> List[Rule]:
    """Return the rules of one option. Raises LogError, which names the rule by name or index."""
    return [_parse_rule(f"{kind} rule {rule.get('name') or index}", rule) for index, rule in enumerate(given)]


def _parse_rule(label: str, given: Mapping[str, Any]) -> Rule:
    rule = {key: value for key, value in given.items() if value is not None}
    unknown = sorted(set(rule) - set(RULE_KEYS))
    if unknown:
        raise LogError(f"{label} has an unknown key {unknown[0]!r}; use one of {', '.join(RULE_KEYS)}")
    if rule.get("stream", "") not in ("", "out", "err") or rule.get("per", "") not in ("", "hour"):
        raise LogError(f"{label}: stream must be out or err, and per must be hour")
    level = rule.get("level", "")
    if level and level not in LEVELS:
        raise LogError(f"{label}: level must be one of {', '.join(LEVELS)}, not {level!r}")
    wanted = compile_rule(label, rule) if not level or "field" in rule or "pattern" in rule else None
    matcher = _with_level(level, wanted) if level or wanted is None else wanted
    return Rule(
        name=str(rule.get("name") or matcher.shown),
        matcher=matcher,
        wanted=wanted,
        is_field="field" in rule,
        level=LEVELS.get(level, 0),
        stream=rule.get("stream", ""),
        minimum=int(_number(label, "minimum", rule.get("minimum", 1))),
        maximum=_number(label, "maximum", rule.get("maximum", 0)),
        per_hour=rule.get("per") == "hour",
        new_kinds_only=bool(rule.get("new_kinds_only")),
    )


def _with_level(level: str, wanted: Optional[Matcher]) -> Matcher:
    """Return what finds lines that may have a level, together with what a pattern or a field finds."""
    finders = [LevelFinder(LEVELS[level]), *(wanted.finders if wanted else ())]
    return Matcher(wanted.shown if wanted else f"level {level}", lambda line: True, finders)


def parse_ignored(given: Sequence[Mapping[str, Any]]) -> List[Matcher]:
    """Return what finds the lines that no rule counts. Raises LogError."""
    found = []
    for index, ignored in enumerate(given):
        rule = {key: value for key, value in ignored.items() if value is not None}
        found.append(compile_rule(f"ignore rule {rule.get('name') or index}", rule))
    return found


def parse_rates(given: Mapping[str, Mapping[str, Any]], styles: Optional[Styles] = None) -> List[Rate]:
    """Return the rates of the option `rates`. Raises LogError."""
    rates = []
    for name, rate in given.items():
        if isinstance(rate, Mapping) and rate.get("requests") == "failed" and set(rate) <= {"requests", "minimum"}:
            known = styles or Styles([AUTO])
            matchers = [failed_requests(known), all_requests(known)]
        elif not isinstance(rate, Mapping) or not {"count", "of"} <= set(rate) <= {"count", "of", "regex", "minimum"}:
            raise LogError(f"rate {name} needs count and of, or requests: failed, and may have regex and minimum")
        else:
            regex = bool(rate.get("regex"))
            matchers = [compile_pattern(f"rate {name}", rate[key], regex) for key in ("count", "of")]
        rates.append(Rate(name, matchers[0], matchers[1], int(_number(f"rate {name}", "minimum", rate.get("minimum")))))
    return rates


def check_names(rules: Rules) -> Rules:
    """Return the rules. Raises LogError when two have the same name, as one would hide what the other found."""
    seen: Set[str] = set()
    names = [rule.name for rule in [*rules.require, *rules.forbid, *rules.count]] + [rate.name for rate in rules.rates]
    for name in names:
        if name in seen:
            raise LogError(f"two rules are called {name!r}; give each a name of its own")
        seen.add(name)
    return rules


def check_numbers(params: Mapping[str, Any]) -> None:
    """Raise LogError for a number of the module that is too small, or without end."""
    problem = first_problem(params, _ENDS)
    if problem:
        raise LogError(problem)


def check_kinds(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return known kinds. Raises LogError for what this module did not return."""
    if not all(isinstance(kinds, list) for kinds in given.values()):
        raise LogError("known_kinds are not those that log_assert returned; leave them out to know none")
    return given


def _number(label: str, key: str, value: Any) -> float:
    problem = problem_with(value or 0)
    if problem:
        raise LogError(f"{label}: {key} {problem}")
    return float(value or 0)
