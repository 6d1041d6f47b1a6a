# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _health, _statistics
from ansible_collections.greenlight.release.plugins.module_utils._health import Answer, HealthError

URL = "http://127.0.0.1:3000/health"


def probe(**given):
    return _health.parse_probe(0, {"url": URL, **given}, timeout=5)


def answer(body="", status=200, elapsed=1.0, content_type="application/json", error=""):
    return Answer(status, elapsed, content_type, body, error)


def test_a_probe_has_sensible_defaults():
    parsed = probe()
    assert (parsed.name, parsed.method, parsed.status, parsed.timeout) == (URL, "GET", (200,), 5)


def test_a_full_probe_is_read():
    parsed = probe(
        name="x",
        method="post",
        body="{}",
        headers={"A": 1},
        status=204,
        timeout="2",
        samples="50",
        warmup=5,
        max_latency=10,
        ca_path="/ca.pem",
        validate_certs=False,
        response_time=True,
        expect_text=["ok"],
        measurements={"m": {"path": "a"}},
    )
    assert (parsed.name, parsed.method, parsed.body, parsed.headers) == ("x", "POST", "{}", {"A": "1"})
    assert (parsed.status, parsed.timeout, parsed.samples, parsed.max_latency) == ((204,), 2.0, 50, 10.0)
    assert (parsed.ca_path, parsed.validate_certs, parsed.response_time) == ("/ca.pem", False, True)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"url": None}, "Probe 0 needs an http or https URL"),
        ({"url": "file:///etc/passwd"}, "needs an http or https URL"),
        ({"url": "http://"}, "needs an http or https URL"),
        ({"url": "http://["}, "needs an http or https URL"),
        ({"name": "n", "uri": 1}, "Probe n has an unknown key 'uri'"),
        ({"timeout": "soon"}, "timeout must be a number, not 'soon'"),
        ({"samples": -1}, "samples must be a number of at least 0, not -1"),
        ({"expect_json": ["x"]}, "every expect_json needs a path"),
        ({"expect_json": [{"path": "a"}]}, "expect_json of a needs exactly one of equals"),
        ({"expect_json": [{"path": "a", "equals": 1, "below": 2}]}, "needs exactly one of"),
        ({"expect_json": [{"path": "a", "like": 1}]}, "needs exactly one of"),
        ({"expect_json": [{"path": "a", "matches": "("}]}, "is no regular expression"),
        ({"measurements": {"m": {}}}, "measurement m needs a path"),
        ({"measurements": {"m": {"path": "a", "type": "text"}}}, "measurement m needs a path, and as type"),
    ],
)
def test_a_wrong_probe_is_refused_by_name(given, message):
    with pytest.raises(HealthError, match=message):
        probe(**given)


@pytest.mark.parametrize(
    "url, shown",
    [
        ("http://user:secret@h:81/p?token=x", "http://h:81/p"),
        ("https://h/p", "https://h/p"),
        ("http://[", "a URL that cannot be read"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert _health.mask_url(url) == shown


@pytest.mark.parametrize("path, value", [("a.b[1].c", 3), ("a", {"b": [0, {"c": 3}]})])
def test_a_path_leads_to_a_value(path, value):
    assert _health.value_at({"a": {"b": [0, {"c": 3}]}}, path) == value


@pytest.mark.parametrize("path", ["x", "a.b[5]", "a.b.c", "a[0]"])
def test_a_path_that_ends_early_is_an_error(path):
    with pytest.raises(HealthError, match="the JSON has no"):
        _health.value_at({"a": {"b": [1]}}, path)


@pytest.mark.parametrize(
    "expectation, body, reason",
    [
        ({"path": "s", "equals": "ok"}, '{"s": "ok"}', ""),
        ({"path": "s", "equals": "ok"}, '{"s": "degraded"}', "s is 'degraded', expected equals 'ok'"),
        ({"path": "s", "equals": 1}, '{"s": true}', "s is 'True', expected equals 1"),
        ({"path": "s", "equals": "ok"}, "{}", "the JSON has no s"),
        ({"path": "s", "equals": "ok"}, "[]", "the JSON has no s"),
        ({"path": "s", "exists": True}, '{"s": null}', ""),
        ({"path": "s", "exists": False}, "{}", ""),
        ({"path": "s", "exists": True}, "{}", "s exists: False"),
        ({"path": "s", "below": 5}, '{"s": 4}', ""),
        ({"path": "s", "below": 5}, '{"s": 5}', "s is '5', expected below 5"),
        ({"path": "s", "above": 5}, '{"s": "95.67%"}', ""),
        ({"path": "s", "above": 5}, '{"s": "much"}', "s is 'much', expected above 5"),
        ({"path": "s", "matches": "^o"}, '{"s": "ok"}', ""),
        ({"path": "s", "matches": "^x"}, '{"s": "ok"}', "s is 'ok', expected matches '^x'"),
        ({"path": "s", "equals": 1}, "<html>\x1b[2J", "application/json is no JSON: '<html> [2J'"),
    ],
)
def test_the_json_of_an_answer_is_judged(expectation, body, reason):
    assert _health.judge(probe(expect_json=[expectation]), answer(body)) == reason


@pytest.mark.parametrize(
    "given, got, reason",
    [
        ({}, {"error": "connection refused"}, "connection refused"),
        ({}, {"status": 503}, "status 503 instead of 200"),
        ({"status": [200, 503]}, {"status": 503}, ""),
        ({"expect_text": ["fine"]}, {"body": "not so"}, "the body does not contain 'fine'"),
        ({"expect_text": ["so"]}, {"body": "not so"}, ""),
        ({"max_latency": 10}, {"elapsed": 11.0}, "it took 11 ms, 10 are allowed"),
        ({"max_latency": 10}, {"elapsed": 9.0}, ""),
    ],
)
def test_an_answer_is_judged_by_status_text_and_latency(given, got, reason):
    assert _health.judge(probe(**given), answer(**got)) == reason


def test_a_long_text_is_cut_when_quoted():
    assert _health.quote("x" * 200, limit=3) == "'xxx...'"


@pytest.mark.parametrize(
    "value, number",
    [(1, 1.0), (2.5, 2.5), ("95.67%", 95.67), (" 7 ", 7.0), (True, None), ("many", None), (None, None), ([], None)],
)
def test_numbers_are_read_also_from_texts(value, number):
    assert _health.to_number(value) == number


@pytest.mark.parametrize(
    "how, body, found, reason",
    [
        ({"path": "r", "type": "percent"}, '{"r": "95.67%"}', {"m": 95.67}, None),
        ({"path": "r"}, '{"r": 400}', {"m": 400.0}, None),
        ({"path": "r", "type": "percent"}, '{"r": 400}', {}, "x: m was not measured, r is no percent"),
        ({"path": "r"}, '{"r": "n/a"}', {}, "x: m was not measured, r is no number"),
        ({"path": "r"}, "{}", {}, "x: m was not measured, the JSON has no r"),
        ({"path": "r"}, "<html>", {}, "x: m was not measured, application/json is no JSON: '<html>'"),
    ],
)
def test_measurements_are_read_or_told_why_not(how, body, found, reason):
    asked = probe(name="x", measurements={"m": how})
    assert _health.read_measurements(asked, answer(body)) == (found, [reason] if reason else [])


def test_a_probe_with_measurements_needs_json():
    assert _health.judge(probe(measurements={"m": {"path": "r"}}), answer("{}")) == ""


def test_latencies_are_summed_up():
    summary = _health.summarise_latency([3.0, 1.0, 2.0], 1, _statistics)
    assert (summary["count"], summary["mean"], summary["p50"], summary["max"]) == (3, 2.0, 2.0, 3.0)
    assert (summary["p50_low"], summary["p50_high"], summary["failed_share"]) == (1.0, 3.0, 0.25)


def test_only_failures_leave_nothing_but_their_share():
    assert _health.summarise_latency([], 2, _statistics) == {"count": 0, "failed_share": 1.0}
