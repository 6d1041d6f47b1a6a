# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import rules
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError


@pytest.mark.parametrize(
    "rule, message",
    [
        ({"pattern": "x", "colour": 1}, "forbid rule 0 has an unknown key 'colour'"),
        ({"name": "n"}, "forbid rule n needs a pattern that is a text of one line, not None"),
        ({"pattern": "a\nb"}, "forbid rule 0 needs a pattern that is a text of one line"),
        ({"pattern": "(", "regex": True}, "forbid rule 0: bad regular expression '\\('.* at position 0"),
        ({"pattern": "x{99999999999}", "regex": True}, "forbid rule 0: bad regular expression"),
        ({"pattern": "x", "stream": "both"}, "stream must be out or err"),
        ({"pattern": "x", "per": "day"}, "per must be hour"),
        ({"pattern": "x", "level": "high"}, "level must be one of warning, error, fatal, not 'high'"),
        ({"pattern": "x", "maximum": "few"}, "forbid rule 0: maximum must be a number, not 'few'"),
        ({"pattern": "x", "minimum": -1}, "forbid rule 0: minimum must be a number of at least 0, not -1"),
        ({"pattern": "x", "at_least": 50}, "forbid rule 0: at_least needs field"),
        ({"field": "level"}, "forbid rule 0: field needs a path, no pattern, and one of below"),
        ({"field": "level", "above": 1, "below": 2}, "field needs a path, no pattern, and one of"),
        ({"field": "level", "above": 1, "pattern": "x"}, "field needs a path, no pattern, and one of"),
        ({"field": "a[", "above": 1}, "field needs a path, no pattern, and one of"),
        ({"field": "level", "above": "high"}, "forbid rule 0: above cannot be 'high'"),
        ({"field": "level", "matches": "("}, "forbid rule 0: matches cannot be '\\('"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(rule, message):
    with pytest.raises(LogError, match=message):
        rules.parse_rules("forbid", [rule])


@pytest.mark.parametrize(
    "given, name",
    [
        ({"pattern": "x"}, "x"),
        ({"pattern": "x", "name": "n"}, "n"),
        ({"field": "a", "at_least": 5.0}, "a at least 5"),
        ({"field": "a", "equals": "x"}, "a equals x"),
    ],
)
def test_a_rule_is_called_by_its_name_or_by_its_pattern(given, name):
    nothing = dict.fromkeys(("stream", "per", "matches", "exists"))
    assert rules.parse_rules("forbid", [{**nothing, **given}])[0].name == name


@pytest.mark.parametrize(
    "rule, stream, applies",
    [("", "out", True), ("err", "out", False), ("err", "err", True), ("err", "", True)],
)
def test_a_rule_applies_to_its_stream_and_to_a_log_of_both(rule, stream, applies):
    assert rules.parse_rules("count", [{"pattern": "x", "stream": rule}])[0].applies_to(stream) is applies


@pytest.mark.parametrize("rate", ["x", {"count": "a"}, {"count": "a", "of": "b", "per": "hour"}])
def test_a_wrong_rate_is_refused_by_name(rate):
    with pytest.raises(LogError, match="rate error_rate needs count and of"):
        rules.parse_rates({"error_rate": rate})


def test_ignored_lines_are_reported_by_pattern_or_field():
    text, level = rules.parse_ignored([{"pattern": "a.c"}, {"field": "level", "below": 50, "name": None}])
    assert (text.matches("a.c"), text.matches("abc"), level.matches('{"level":30}')) == (True, False, True)
    with pytest.raises(LogError, match="ignore rule 0 needs a pattern"):
        rules.parse_ignored([{}])


@pytest.mark.parametrize("kind", ["require", "rates"])
def test_two_rules_of_one_name_are_refused(kind):
    rule = rules.parse_rules("forbid", [{"name": "n", "pattern": "x"}])
    other = rules.parse_rates({"n": {"count": "a", "of": "b"}}) if kind == "rates" else rule
    with pytest.raises(LogError, match="two rules are called 'n'"):
        rules.check_names(rules.Rules(forbid=rule, **{kind: other}))
    assert rules.check_names(rules.Rules(forbid=rule)).forbid == rule


@pytest.mark.parametrize("name, value", [("wait", -1.0), ("timeout", 0), ("tail_bytes", -1), ("wait", float("inf"))])
def test_a_number_that_is_too_small_or_without_end_is_refused(name, value):
    numbers = {"wait": 0.0, "timeout": 1, "tail_bytes": 0}
    with pytest.raises(LogError, match=f"{name} must be a number of at least"):
        rules.check_numbers({**numbers, name: value})
    assert rules.check_numbers(numbers) is None


@pytest.mark.parametrize("name", ["wait", "timeout"])
def test_nobody_waits_for_longer_than_a_week(name):
    numbers = {"wait": 0.0, "timeout": 1, "tail_bytes": 10**9}
    with pytest.raises(LogError, match=f"{name} must be 604800 at most, not 1e.300"):
        rules.check_numbers({**numbers, name: 1e300})


@pytest.mark.parametrize("kinds", [{"n": None}, {"n": "abc"}])
def test_known_kinds_of_somebody_else_are_refused(kinds):
    with pytest.raises(LogError, match="known_kinds are not those that log_assert returned"):
        rules.check_kinds(kinds)
    assert rules.check_kinds({"n": ["abc"]}) == {"n": ["abc"]}


def test_all_rules_are_read_each_from_its_option():
    pattern = {"require": "r", "forbid": "f", "count": "c", "ignore": "i"}
    read = rules.read_rules(
        {
            **{kind: [{"name": kind, "pattern": each}] for kind, each in pattern.items()},
            "rates": {"share": {"count": "a", "of": "b"}},
        }
    )
    assert [each.name for each in (*read.require, *read.forbid, *read.count, *read.rates)] == [
        "require",
        "forbid",
        "count",
        "share",
    ]
    assert [matcher.shown for matcher in read.ignore] == ["i"]


def test_all_rules_have_names_of_their_own():
    given = {"require": [{"pattern": "x"}], "forbid": [], "count": [{"pattern": "x"}], "ignore": [], "rates": {}}
    with pytest.raises(LogError, match="two rules are called 'x'"):
        rules.read_rules(given)


def test_a_style_that_nobody_knows_is_refused_with_those_that_are_known():
    with pytest.raises(LogError, match="unknown style 'apache'; use some of auto, pino, .*, custom"):
        rules.parse_styles(["auto", "apache"])
    assert rules.parse_styles([]) is rules.parse_styles(["custom"]) is None
    assert rules.parse_styles(["nest"]).given == ["nest"]


def test_failed_requests_can_be_counted_without_texts():
    (rate,) = rules.parse_rates({"r": {"requests": "failed", "minimum": 7}})
    assert (rate.minimum, rate.count.matches("GET / 500 1 ms - 2"), rate.of.matches("GET / 200 1 ms - 2")) == (
        7,
        True,
        True,
    )
    with pytest.raises(LogError, match="needs count and of, or requests: failed"):
        rules.parse_rates({"r": {"requests": "all"}})
