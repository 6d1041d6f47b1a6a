# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about log lines, and what a set of lines says of them.

A line is cleaned before it is looked at: invalid UTF-8 is replaced, terminal colours and control characters go.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Pattern, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._statistics import wilson_interval

RULE_KEYS = ("maximum", "minimum", "name", "new_kinds_only", "pattern", "per", "regex", "stream")
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What differs between two lines of one kind: quoted texts, ids, times, numbers.
_VARIABLE = re.compile(r"\"[^\"]*\"|'[^']*'|\b[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,12})*\b|\d+")
_SECRETS = (
    re.compile(
        r"(?i)((?:pass(?:word|wd)?|secret|token|api[_-]?key|authorization|cookie)[\"']?\s*[=:]\s*[\"']?)"
        r"(?:bearer\s+|basic\s+)?[^\s\"',;&]+"
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}"),
    re.compile(r"(\w://)[^\s/@]+@"),
)
_QUOTED = 300


class LogError(ValueError):
    """A rule that cannot be used, or a log that cannot be read."""


@dataclass(frozen=True)
class Rule:
    """One thing to look for in lines, on one stream or on both."""

    name: str
    pattern: Pattern[str]
    stream: str = ""
    minimum: int = 1
    maximum: int = 0
    per_hour: bool = False
    new_kinds_only: bool = False


@dataclass(frozen=True)
class Rate:
    """The share of the lines matching C(of) that match C(count) too; C(minimum) lines are waited for."""

    name: str
    count: Pattern[str]
    of: Pattern[str]
    minimum: int = 0


@dataclass(frozen=True)
class Rules:
    require: Sequence[Rule] = ()
    forbid: Sequence[Rule] = ()
    count: Sequence[Rule] = ()
    ignore: Sequence[Pattern[str]] = ()
    rates: Sequence[Rate] = ()


@dataclass
class Tally:
    """What was found so far for one rule; C(kinds) are the hashes of the kinds of its lines."""

    count: int = 0
    first: str = ""
    last: str = ""
    kinds: Set[str] = field(default_factory=set)


def compile_pattern(label: str, pattern: Any, regex: bool) -> Pattern[str]:
    """Return a literal or regular pattern. Raises LogError, which names the rule and the place."""
    if not isinstance(pattern, str) or not pattern:
        raise LogError(f"{label} needs a pattern that is a text, not {pattern!r}")
    try:
        return re.compile(pattern if regex else re.escape(pattern))
    except re.error as error:
        raise LogError(f"{label}: bad regular expression {pattern!r}: {error}") from error


def parse_rules(kind: str, given: Sequence[Mapping[str, Any]]) -> List[Rule]:
    """Return the rules of one option. Raises LogError, which names the rule by name or index."""
    rules = []
    for index, rule in enumerate(given):
        label = f"{kind} rule {rule.get('name') or index}"
        unknown = sorted(set(rule) - set(RULE_KEYS))
        if unknown:
            raise LogError(f"{label} has an unknown key {unknown[0]!r}; use one of {', '.join(RULE_KEYS)}")
        if rule.get("stream") not in (None, "", "out", "err") or rule.get("per") not in (None, "", "hour"):
            raise LogError(f"{label}: stream must be out or err, and per must be hour")
        rules.append(
            Rule(
                name=str(rule.get("name") or rule.get("pattern")),
                pattern=compile_pattern(label, rule.get("pattern"), bool(rule.get("regex"))),
                stream=rule.get("stream") or "",
                minimum=int(rule.get("minimum", 1)),
                maximum=int(rule.get("maximum", 0)),
                per_hour=rule.get("per") == "hour",
                new_kinds_only=bool(rule.get("new_kinds_only")),
            )
        )
    return rules


def parse_rates(given: Mapping[str, Mapping[str, Any]]) -> List[Rate]:
    """Return the rates of the option C(rates). Raises LogError."""
    rates = []
    for name, rate in given.items():
        if not isinstance(rate, Mapping) or not {"count", "of"} <= set(rate) <= {"count", "of", "regex", "minimum"}:
            raise LogError(f"rate {name} needs count and of, and may have regex and minimum")
        patterns = [compile_pattern(f"rate {name}", rate[key], bool(rate.get("regex"))) for key in ("count", "of")]
        rates.append(Rate(name, patterns[0], patterns[1], int(rate.get("minimum") or 0)))
    return rates


def clean(raw: bytes) -> str:
    """Return a line as text without colours and control characters."""
    text = raw.decode("utf-8", "replace")
    return _CONTROL.sub("", _ESCAPES.sub("", text)).rstrip()


def redact(line: str) -> str:
    """Return a line that may be shown: secrets replaced, and cut after 300 characters."""
    for pattern in _SECRETS:
        line = pattern.sub(lambda match: f"{match.group(1)}***" + ("@" if match.group(0).endswith("@") else ""), line)
    return line[:_QUOTED] + ("..." if len(line) > _QUOTED else "")


def kind_of(line: str) -> str:
    """Return a short hash that lines share which differ only in numbers, ids, times and quoted values."""
    return hashlib.sha256(_VARIABLE.sub("#", line).encode()).hexdigest()[:12]


class Scan:
    """Counts lines by rules, piece by piece, as a log grows."""

    def __init__(self, rules: Rules, known_kinds: Mapping[str, Sequence[str]]) -> None:
        self.rules = rules
        self.tallies: Dict[str, Tally] = {rule.name: Tally() for rule in [*rules.require, *rules.forbid, *rules.count]}
        self.rates: Dict[str, List[int]] = {rate.name: [0, 0] for rate in rules.rates}
        self._known = {name: set(kinds) for name, kinds in known_kinds.items()}
        self._seen_kinds: Dict[str, Set[str]] = {rule.name: set() for rule in rules.forbid}

    def add(self, stream: str, lines: Iterable[bytes]) -> None:
        for raw in lines:
            line = clean(raw)
            for rule in [*self.rules.require, *self.rules.count]:
                if self._applies(rule, stream, line):
                    self._note(rule, line)
            for rate in self.rules.rates:
                if rate.of.search(line):
                    self.rates[rate.name][1] += 1
                    self.rates[rate.name][0] += rate.count.search(line) is not None
            self._add_forbidden(stream, line)

    def _add_forbidden(self, stream: str, line: str) -> None:
        for rule in self.rules.forbid:
            if not self._applies(rule, stream, line) or any(ignore.search(line) for ignore in self.rules.ignore):
                continue
            kind = kind_of(line)
            self._seen_kinds[rule.name].add(kind)
            if not rule.new_kinds_only or kind not in self._known.get(rule.name, set()):
                self._note(rule, line)

    @staticmethod
    def _applies(rule: Rule, stream: str, line: str) -> bool:
        return rule.stream in ("", stream) and rule.pattern.search(line) is not None

    def _note(self, rule: Rule, line: str) -> None:
        tally = self.tallies[rule.name]
        tally.count += 1
        tally.last = redact(line)
        tally.first = tally.first or tally.last

    def is_waiting(self) -> bool:
        """Say whether a required line, or a line that a rate needs, has not come yet."""
        return any(self.tallies[rule.name].count < rule.minimum for rule in self.rules.require) or any(
            self.rates[rate.name][1] < rate.minimum for rate in self.rules.rates
        )

    def problems(self, complete: bool, span: Optional[float]) -> List[str]:
        """Return why the rules are not met, one sentence each."""
        found = [
            f"{rule.name}: {self.tallies[rule.name].count} lines, at least {rule.minimum} are required"
            for rule in self.rules.require
            if self.tallies[rule.name].count < rule.minimum
        ]
        for rule in self.rules.forbid:
            tally = self.tallies[rule.name]
            value = per_hour(tally.count, span) if rule.per_hour else tally.count
            if value > rule.maximum:
                found.append(f"{rule.name}: {tally.count} lines, the last one is {tally.last!r}")
        if self.rules.forbid and not complete:
            found.append("a part of the log is missing, so nobody can say that it holds no errors")
        return found

    def results(self, span: Optional[float]) -> Dict[str, Dict[str, Any]]:
        return {
            name: {
                "count": tally.count,
                "per_hour": round(per_hour(tally.count, span), 3),
                "first": tally.first,
                "last": tally.last,
            }
            for name, tally in self.tallies.items()
        }

    def kinds(self) -> Dict[str, List[str]]:
        return {name: sorted(kinds) for name, kinds in self._seen_kinds.items()}

    def measurements(self, complete: bool, span: Optional[float]) -> Dict[str, Any]:
        """Return counts, counts per hour, and rates in percent; no count where lines may be missing."""
        found: Dict[str, Any] = {}
        for rule in [*self.rules.forbid, *self.rules.count] if complete else []:
            count = self.tallies[rule.name].count
            found[rule.name] = round(per_hour(count, span), 3) if rule.per_hour else count
        for name, (events, total) in self.rates.items():
            if total:
                low, high = (100 * bound for bound in wilson_interval(events, total))
                value = 100 * events / total
                found[name] = {"value": value, "low": min(low, value), "high": max(high, value), "samples": total}
        return found


def per_hour(count: int, span: Optional[float]) -> float:
    """Return a count per hour over C(span) seconds. A shorter time than an hour is never extrapolated upwards."""
    return count / max(1.0, (span or 0.0) / 3600)
