# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import literals as logs_literals

PARSER = logs_literals.load_parser()


@pytest.mark.parametrize(
    "pattern, literals",
    [
        ("FATAL", {"FATAL"}),
        (r"\bFATAL\b", {"FATAL"}),
        (r"\b(FATAL|CRITICAL|PANIC)\b", {"FATAL", "CRITICAL", "PANIC"}),
        (r"\b(Type|Reference|Syntax|Range)Error\b", {"Error"}),
        ("[Pp]ool exhausted", {"ool exhausted"}),
        (r'"level":\s*(50|60)\b', {'"level":'}),
        (r"(?:no such (?:column|table))|has no", {"no such ", "has no"}),
        ("(abc)+x", {"abc"}),
        ("(a|b)*long", {"long"}),
        ("(?:abc)*?d", {"d"}),
        ("(?:abc){2}?d", {"abc"}),
        ("ab|c.d|.*", None),
        (".*", None),
        ("a(?i:bc)def", {"def"}),
        ("(?i)abc", None),
        ("abc(?!d)e", {"abc"}),
        ("é+", {"é"}),
    ],
)
def test_texts_that_every_match_contains_are_reported(pattern, literals):
    assert logs_literals.literals_of(pattern, PARSER) == literals


@pytest.mark.parametrize(
    "pattern, can_span",
    [
        (r'"level":\s*(50|60)\b', True),
        (r"\bab*c+?\Bd[^x]", True),
        (r"ab[a-z\d_]*.*e", True),
        ("a[^b]", True),
        (r"\s*ab", False),
        ("(a|b)c", False),
        ("^ab", False),
        ("ab$", False),
        ("ab(?=c)", False),
        ("ab[^c]*", False),
        (r"ab\S*", False),
        (r"ab[\x00-\x7f]*", False),
        ("ab(?:x*y)*", False),
        ("abx(?:[^y]|z)", True),
        ("ab(?:^|z)", False),
        ("(?s)ab.*", False),
        ("(?i)ab", False),
        ("", False),
    ],
)
def test_an_expression_that_can_be_searched_in_many_lines_at_once_is_reported(pattern, can_span):
    assert logs_literals.can_span_lines(pattern, PARSER) is can_span
    assert logs_literals.can_span_lines(pattern, None) is False


def test_without_the_parser_of_the_standard_library_nothing_is_reported():
    assert logs_literals.load_parser(["no.such.module"]) is None
    assert logs_literals.literals_of("FATAL", None) is None


@pytest.mark.parametrize(
    "pattern, parts",
    [
        ("a|b", ["a", "b"]),
        ("(?:a|b)|c", ["(?:a|b)", "c"]),
        (r"a\|b|c", [r"a\|b", "c"]),
        ("[|]|x", ["[|]", "x"]),
        ("[]|]|x", ["[]|]", "x"]),
        ("[^]|]|x", ["[^]|]", "x"]),
        ("[a[]|x", ["[a[]", "x"]),
        (r"[\]|]|x", [r"[\]|]", "x"]),
        (r"(a)\1|b", [r"(a)\1|b"]),
        ("(?i)a|b", ["(?i)a|b"]),
        ("(?P<n>a)|b", ["(?P<n>a)|b"]),
        ("", [""]),
    ],
)
def test_alternatives_at_the_top_are_distinguished(pattern, parts):
    assert logs_literals.split_alternatives(pattern) == parts
    for part in parts:
        re.compile(part)
