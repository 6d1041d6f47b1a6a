# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs.levels import LevelFinder
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk
from ansible_collections.greenlight.release.plugins.module_utils._logs.styles import (
    BY_NAME,
    guess_style,
    read_line,
    requests_style,
)

RECORDED = Path(__file__).parent.parent / "recordings" / "logs"
# What each stack wrote: its styles, and how many requests its lines tell of; two of nine failed.
STACKS = {
    "bunyan": (["bunyan"], 9),
    "express4-morgan-combined": (["morgan"], 9),
    "express4-morgan-common": (["morgan"], 9),
    "express4-morgan-dev": (["morgan"], 9),
    "express4-morgan-short": (["morgan"], 9),
    "express4-morgan-tiny": (["morgan"], 9),
    "express4-plain": (["plain"], 0),
    "express5-morgan-combined": (["morgan"], 9),
    "express5-morgan-dev": (["morgan"], 9),
    "express5-plain": (["plain"], 0),
    "fastify": (["fastify", "pino"], 9),
    "log4js-basic": (["log4js", "morgan"], 9),
    "log4js-coloured": (["log4js", "morgan"], 9),
    "nest": (["nest"], 0),
    "pino-http": (["pino"], 9),
    "pino-pretty": (["morgan", "pino"], 9),
    "plain-console": (["plain"], 9),
    "winston-express": (["winston"], 9),
    "winston-json": (["winston", "morgan"], 9),
    "winston-simple": (["winston", "plain"], 9),
}


def lines_of(stack):
    return (RECORDED / f"{stack}.log").read_text(encoding="utf-8").splitlines()


def test_every_recorded_stack_is_judged_here():
    assert sorted(STACKS) == sorted(path.stem for path in RECORDED.glob("*.log"))


@pytest.mark.parametrize("stack", STACKS)
def test_styles_are_found_from_the_lines_of_a_real_stack(stack):
    assert guess_style(lines_of(stack)) == STACKS[stack][0]


@pytest.mark.parametrize("stack", STACKS)
def test_each_request_of_a_real_stack_is_counted_once(stack):
    count = STACKS[stack][1]
    requests = [line.request for line in map(read_line, lines_of(stack)) if line.request]
    assert len(requests) == count
    assert sum(request.failed for request in requests) == (2 if count else 0)


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_client_sent_is_no_part_of_what_a_line_says(stack):
    said = [read_line(line).said for line in lines_of(stack)]
    assert not [text for text in said if "FATAL" in text and "uncaught exception" not in text]


@pytest.mark.parametrize(
    "line, style, level, said",
    [
        ("Listening on 3000", "plain", 30, "Listening on 3000"),
        ("2026-02-19T02:00:00: Error: no disk", "plain", 50, "Error: no disk"),
        ("0 Errors: all is well", "plain", 30, "0 Errors: all is well"),
        ("error reading /srv/db", "plain", 50, "error reading /srv/db"),
        ("[02:00:00] WARNING low", "plain", 40, "WARNING low"),
        ("fatal: not a database", "plain", 60, "fatal: not a database"),
        ("error: no disk", "winston", 50, "ERROR no disk"),
        ("2026-02-19 02:00:00 [warn]: low", "winston", 40, "WARN low"),
        ("2026/02/19 02:00:00 [crit] 1#1: *2 open() failed", "nginx", 50, "CRIT *2 open() failed"),
        ("[02:00:00.123] FATAL (12): gone", "pino", 60, "FATAL gone"),
        ('{"level":"error","pid":1,"message":"gone","context":"Items"}', "nest", 50, None),
        ('{"level":"fatal","msg":"gone"}', "pino", 60, None),
        ('{"level":"info","ts":1.5,"logger":"tls","msg":"renewed"}', "caddy", 30, None),
        ('{"severity":"warning","text":"low"}', "json", 40, None),
        ("{no document", "plain", 30, "{no document"),
        ("{1}", "plain", 30, "{1}"),
        ('{"message":"error: gone\\n","app_name":"shop","process_id":0,"timestamp":"x"}', "winston", 50, "ERROR gone"),
    ],
)
def test_a_line_is_read_by_its_style(line, style, level, said):
    read = read_line(line)
    assert (read.style, read.level) == (style, level)
    assert said in (None, read.said)
    if read.document:
        assert read.said.partition(" {")[0] == {30: "", 40: "WARN", 50: "ERROR", 60: "FATAL"}[level] or level == 30


@pytest.mark.parametrize(
    "line, request_",
    [
        (
            '10.0.0.1 - ann [19/Feb/2026:02:00:00 +0000] "GET /a HTTP/1.1" 502 0 "-" "\\"x\\" 200"',
            ("GET", "/a", 502, None),
        ),
        ('10.0.0.1 - - [19/Feb/2026:02:00:00 +0000] "GET /a HTTP/1.1" 200 - "-" "x" 12.5 ms', ("GET", "/a", 200, 12.5)),
        ("GET /a 304 - - 1.500 ms", ("GET", "/a", 304, 1.5)),
        ("--> GET /a 200 12ms", ("GET", "/a", 200, 12.0)),
        (
            '{"level":"info","ts":1,"logger":"http.log.access","msg":"handled request","request":{"method":"GET",'
            '"uri":"/a"},"duration":0.25,"status":503}',
            ("GET", "/a", 503, 250.0),
        ),
        ('{"method":"GET","url":"/a","status":"500"}', ("GET", "/a", 500, None)),
        ("GET / - - ms - -", None),
        ('{"level":50,"status":400,"msg":"no request"}', None),
    ],
)
def test_a_request_is_read_with_its_status_and_duration(line, request_):
    found = read_line(line).request
    assert found == request_


def test_no_line_tells_no_style():
    assert guess_style([]) == guess_style(["", "    at x (y.js:1)", "}"]) == []


def test_a_style_that_hardly_any_line_has_is_not_one_of_the_log():
    lines = ["GET /a 200 1.5 ms - 12"] * 150 + ["error: gone"]
    assert guess_style(lines) == ["morgan"]


def test_beside_fastify_the_requests_of_pino_are_not_looked_for():
    assert [style.name for style in requests_style(["fastify", "pino"])] == ["fastify"]
    assert requests_style(["pino"]) == [BY_NAME["pino"]]


@pytest.mark.parametrize(
    "text, level",
    [
        ("connect ECONNREFUSED 127.0.0.1:5432", 50),
        ("No database: getaddrinfo EAI_AGAIN db", 50),
        ("INFO: retry after ETIMEDOUT", 30),
        ("No EXAMPLE of ENOTFOUNDED", 30),
        ('{"log.level":"error","message":"x"}', 50),
        ('{"level":{"level":40000,"levelStr":"ERROR"},"data":["x"]}', 50),
        ('{"level":{"level":20000,"levelStr":"INFO"},"data":["x"]}', 30),
    ],
)
def test_an_error_without_its_name_and_a_level_by_another_name_are_known(text, level):
    assert read_line(text).level == level
    found = LevelFinder(50).find(Chunk(f"{text}\n".encode()))
    assert level < 50 or found == {0}
