# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import fields as logs_fields
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path

PINO = '{"level":50,"time":1,"msg":"it broke","err":{"code":"E_IO"},"ok":true}'


@pytest.mark.parametrize(
    "line, document",
    [
        ('{"a": 1}', {"a": 1}),
        ('2026-02-19T02:00:00: {"a": 1}', {"a": 1}),
        ('{"message":"{\\"a\\":1}\\n","timestamp":"t","type":"out"}', {"a": 1}),
        ('{"message":"{no json","timestamp":"t"}', {"message": "{no json", "timestamp": "t"}),
        ('{"message":"plain","timestamp":"t"}', {"message": "plain", "timestamp": "t"}),
        ("no json", None),
        ('[{tag}] {"level":60}', {"level": 60}),
        ('{"level":60} and more', {"level": 60}),
        ("{" * 9 + '"level":60}', None),
        ("{ no json }", None),
    ],
)
def test_the_json_in_a_line_is_found(line, document):
    assert logs_fields.parse_line(line) == document


@pytest.mark.parametrize(
    "field, condition, limit, line, matches",
    [
        ("level", "at_least", 50, PINO, True),
        ("level", "at_least", "50", PINO, True),
        ("level", "above", 50, PINO, False),
        ("level", "above", 49.5, PINO, True),
        ("level", "below", 50, PINO, False),
        ("level", "at_most", 50, PINO, True),
        ("level", "at_least", 50, '{"a":{"level":60},"level":30}', False),
        ("level", "at_least", 50, '{"level": "60"}', True),
        ("level", "at_least", 50, '{"level": "error"}', False),
        ("level", "at_least", 50, 'say "level":60', False),
        ("level", "at_least", 50, '{"message":"{\\"level\\":50}","timestamp":"t"}', True),
        ("codes[0]", "at_least", 50, '{"codes":[50, 1]}', True),
        ("codes[0]", "at_least", 50, '{"codes":[1, 50]}', False),
        ("err.code", "equals", "E_IO", PINO, True),
        ("err.code", "equals", "E_OTHER", PINO, False),
        ("msg", "equals", "it broke", PINO, True),
        ("ok", "equals", True, PINO, True),
        ("ok", "equals", 1, PINO, False),
        ("msg", "matches", "bro", PINO, True),
        ("level", "matches", "^5", PINO, True),
        ("err", "matches", "E_IO", PINO, True),
        ("err.code", "exists", True, PINO, True),
        ("err.name", "exists", True, PINO, False),
        ("err.name", "exists", False, PINO, True),
        ("err.code", "exists", False, PINO, False),
        ("err.name", "exists", False, "no json", False),
        ("a b.c/d", "equals", 1, '{"a b":{"c/d":1}}', True),
    ],
)
def test_lines_are_found_by_a_field(field, condition, limit, line, matches):
    matcher = logs_fields.field_matcher(field, condition, limit)
    assert matcher.matches(line) is matches
    chunk = Chunk(f"first\n{line}\n{line}\n".encode())
    assert matcher.count(chunk) == 2 * matches
    assert matcher.find(chunk) == ([6, 7 + len(line)] if matches else [])


def test_a_line_with_the_field_twice_counts_once():
    line = '{"a":{"level":60},"level":60}\n'
    assert logs_fields.field_matcher("level", "at_least", 50).count(Chunk(line.encode())) == 1


def test_many_different_numbers_do_not_pile_up():
    matcher = logs_fields.field_matcher("time", "above", 4998)
    lines = "".join(f'{{"time":{number}}}\n' for number in range(5000))
    assert matcher.count(Chunk(lines.encode())) == 1
    assert len(matcher.finders[0]._known) <= 1000


def test_a_field_that_is_not_there_is_an_error():
    with pytest.raises(json_path.JSONPathError):
        logs_fields.value_in("no json", "level")
