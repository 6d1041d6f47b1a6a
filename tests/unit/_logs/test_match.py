# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import match as logs_match
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk, Needle

PATTERNS = (
    r"\b(Type|Range)Error\b",
    "[Pp]ool exhausted",
    r'"level":\s*(50|60)\b',
    "(?i)fatal",
    "^at .*js$",
    "é",
    r"x|FATAL|\d{4}",
    ".*",
    "(GET|level).*T",
    r"GET /api\s*x",
    r"GET /api\s*pool",
    r"exhausted\s*GET",
)


def found(matcher, text):
    chunk = Chunk(text if isinstance(text, bytes) else text.encode())
    return [chunk.line_at(start) for start in matcher.find(chunk)]


@pytest.mark.parametrize(
    "text, lines",
    [
        ("a FATAL b\nc\nFATAL\n", ["a FATAL b", "FATAL"]),
        ("FATAL FATAL\nFATAL", ["FATAL FATAL", "FATAL"]),
        ("", []),
        (b"\x1b[31mFA\x1b[0mTAL\n", ["FATAL"]),
        (b"FA\x00TAL\r\n", ["FATAL"]),
        (b"bad \xff FATAL\n", ["bad \ufffd FATAL"]),
    ],
)
def test_lines_with_a_text_are_found_whatever_hides_it(text, lines):
    assert found(logs_match.literal("FATAL"), text) == lines


def random_lines(seed):
    """Lines that hold the patterns' texts, or nearly, in any density."""
    source = random.Random(seed)
    words = [
        '{"level":30}',
        '{"level": 50}',
        "TypeError",
        "TypeErrors",
        "pool exhausted",
        "Fatal",
        "at a.js",
        "é",
        "12",
    ]
    density = source.choice((0.001, 0.1, 0.9))
    lines = []
    for _line in range(3000):
        chosen = source.choices(words, k=2) if source.random() < density else []
        lines.append(" ".join(["GET /api", *chosen]) if source.random() < 0.9 else " ".join(chosen))
    return lines


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("parser", [None, object()], ids=["with-literals", "without"])
def test_exactly_the_lines_are_found_that_the_pattern_matches(monkeypatch, seed, pattern, parser):
    if parser is not None:
        monkeypatch.setattr(logs_match, "literals_of", lambda _pattern, _parser: None)
    matcher = logs_match.regular(pattern)
    lines = random_lines(seed)
    # Several chunks, as what was found in one decides how the next is searched.
    for begin in range(0, len(lines), 1000):
        part = lines[begin : begin + 1000]
        text = "".join(line + "\n" for line in part)
        expected = [line.rstrip() for line in part if matcher.matches(line.rstrip())]
        assert found(matcher, text) == expected
        assert matcher.count(Chunk(text.encode())) == len(expected)


@pytest.mark.parametrize("pattern", ["TypeError", '"level":', "exhausted", "GET", "e"])
@pytest.mark.parametrize("seed", range(6))
def test_exactly_the_lines_are_found_that_contain_the_text(seed, pattern):
    matcher = logs_match.literal(pattern)
    lines = random_lines(seed)
    for begin in range(0, len(lines), 1000):
        part = lines[begin : begin + 1000]
        chunk = Chunk("\n".join(part).encode())
        expected = [line.rstrip() for line in part if pattern in line]
        assert matcher.count(chunk) == len(expected)
        assert found(matcher, chunk.data) == expected
        assert matcher.count(chunk) == len(expected)


def test_the_rarest_byte_is_searched_and_dropped_where_it_is_not_rare():
    needle = Needle(b"abQ")
    rare, common = b"ab " * 5000 + b"abQ", b"Qx" * 5000 + b"abQ"
    for data, position in ((rare, 15000), (common, 10000), (common, 10000), (rare, 15000)):
        needle.prepare(data)
        assert needle.find(data, 0) == position
        assert needle.find(data, position + 1) == -1


def test_a_text_without_a_rare_byte_is_tried_again_after_some_chunks():
    needle = Needle(b"ab")
    for chunk in range(33):
        needle.prepare(b"ab" * 3000 if chunk < 16 else b"x" * 6000)
    assert needle.find(b"xxab", 0) == 2
    assert needle._rare is not None


def test_a_text_at_the_very_beginning_is_no_reason_to_search_before_it():
    needle = Needle(b"abQ")
    needle.prepare(b"ab" * 3000)
    assert (needle._rare, needle.find(b"Q abQ", 0)) == (2, 2)
