# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import judge
from ansible_collections.greenlight.release.plugins.module_utils._health.parse import parse_probe
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer


def probe(**given):
    return parse_probe(0, {"url": "http://127.0.0.1:3000/health", **given}, timeout=5)


def answer(body="", status=200, elapsed=1.0, content_type="application/json", error=""):
    return Answer(status, elapsed, {"Content-Type": content_type} if content_type else {}, body, error)


@pytest.mark.parametrize(
    "expectation, body, reason",
    [
        ({"path": "s", "equals": "ok"}, '{"s": "ok"}', ""),
        ({"path": "s", "equals": "ok"}, '{"s": "degraded"}', "s is 'degraded', expected equals 'ok'"),
        ({"path": "s", "equals": 1}, '{"s": true}', "s is 'true', expected equals 1"),
        ({"path": "s", "equals": "ok"}, "{}", "there is no s"),
        ({"path": "s", "equals": "ok"}, "[]", "there is no s"),
        ({"path": "a.token", "matches": "^x"}, '{"a": {"token": "abc"}}', "a.token is ***, expected matches ***"),
        ({"path": "tokens[0]", "equals": "x"}, '{"tokens": ["abc"]}', "tokens[0] is ***, expected equals ***"),
        (
            {"path": "token.value", "equals": "x"},
            '{"token": {"value": "abc"}}',
            "token.value is ***, expected equals ***",
        ),
        ({"path": "s", "exists": True}, '{"s": null}', ""),
        ({"path": "s", "exists": False}, "{}", ""),
        ({"path": "s", "exists": True}, "{}", "s does not exist"),
        ({"path": "s", "exists": False}, '{"s": 1}', "s exists"),
        ({"path": "s", "below": 5}, '{"s": 4}', ""),
        ({"path": "s", "below": 5}, '{"s": 5}', "s is '5', expected below 5"),
        ({"path": "s", "at_most": 5}, '{"s": 5}', ""),
        ({"path": "s", "at_most": 5}, '{"s": 5.1}', "s is '5.1', expected at most 5"),
        ({"path": "s", "at_least": "5"}, '{"s": 5}', ""),
        ({"path": "s", "at_least": 5}, '{"s": 4}', "s is '4', expected at least 5"),
        ({"path": "s", "above": 5}, '{"s": "95.67%"}', ""),
        ({"path": "s", "above": 5}, '{"s": 5}', "s is '5', expected above 5"),
        ({"path": "s", "above": 5}, '{"s": "much"}', "s is 'much', expected above 5"),
        ({"path": "s", "above": 5}, '{"s": 1' + "0" * 400 + "}", "expected above 5"),
        ({"path": "s", "matches": "^o"}, '{"s": "ok"}', ""),
        ({"path": "s", "matches": "^x"}, '{"s": "ok"}', "s is 'ok', expected matches '^x'"),
        ({"path": "s", "matches": '"a": 1'}, '{"s": {"a": 1}}', ""),
        ({"path": "s", "equals": 1}, "<html>\x1b[2J", "application/json is no JSON: '<html>'"),
        ({"path": "s", "equals": 1}, '{"s": 1', "application/json is no JSON: '{\"s\": 1'"),
        ({"path": "s", "equals": 1}, '{"s": 1, "s": 2}', "the body is ambiguous, it has 's' twice"),
        ({"path": "s", "equals": 1}, '{"s": NaN}', "application/json is no JSON"),
        ({"path": "s", "equals": 1}, "[" * 50000, "application/json is no JSON"),
        ({"path": "s", "equals": 1}, "", "application/json is no JSON: ''"),
    ],
)
def test_the_json_of_an_answer_is_judged(expectation, body, reason):
    reported = judge.judge(probe(expect_json=[expectation]), answer(body))
    assert reported == reason or (reason and reason in reported)


@pytest.mark.parametrize(
    "given, got, reason",
    [
        ({}, {"error": "connection refused"}, "connection refused"),
        ({}, {"status": 503}, "status 503 instead of 200"),
        ({}, {"status": 204}, "status 204 instead of 200"),
        ({"status": [200, 503]}, {"status": 503}, ""),
        ({"expect_text": ["fine"]}, {"body": "not so"}, "the body does not contain 'fine'"),
        ({"expect_text": ["so"]}, {"body": "not so"}, ""),
        ({"expect_body": "OK"}, {"body": "OK\n"}, ""),
        ({"expect_body": "OK"}, {"body": "NOT OK"}, "the body is 'NOT OK', expected 'OK'"),
        ({"rule": {}}, {"body": "[]", "status": 201}, ""),
        ({"rule": {}, "max_latency": 1}, {"body": "[]", "elapsed": 9.0}, "it took 9 ms, 1 are allowed"),
        ({"rule": {}}, {"body": "[]", "status": 503}, "status 503"),
        ({"max_latency": 10}, {"elapsed": 11.0}, "it took 11 ms, 10 are allowed"),
        ({"max_latency": 10}, {"elapsed": 10.0}, ""),
        ({"expect_headers": [{"name": "content-type", "matches": "json"}]}, {}, ""),
        (
            {"expect_headers": [{"name": "content-type", "equals": "text/html"}]},
            {},
            "the header content-type is 'application/json', expected equals 'text/html'",
        ),
        ({"expect_headers": [{"name": "X-Build", "exists": True}]}, {}, "the header X-Build does not exist"),
        ({"expect_headers": [{"name": "X-Build", "equals": "1"}]}, {}, "there is no the header X-Build"),
        ({"measurements": {"m": {"path": "r"}}}, {"body": "{}"}, ""),
        ({"measurements": {"m": {"path": "r"}}}, {"body": "x", "content_type": ""}, "the body is no JSON: 'x'"),
    ],
)
def test_an_answer_is_judged_by_status_text_headers_and_latency(given, got, reason):
    assert judge.judge(probe(**given), answer(**got)) == reason


def test_only_the_first_expectation_that_is_not_met_is_reported():
    expectations = [{"path": "a", "exists": True}, {"path": "b", "exists": True}, {"path": "c", "exists": True}]
    assert judge.judge(probe(expect_json=expectations), answer('{"a": 1}')) == "b does not exist"
