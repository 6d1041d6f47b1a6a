# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import parse
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import HealthError, Measurement

URL = "http://127.0.0.1:3000/health"


def probe(**given):
    return parse.parse_probe(0, {"url": URL, **given}, timeout=5)


def test_a_probe_has_sensible_defaults():
    parsed = probe(name=None, timeout=None)
    assert (parsed.name, parsed.method, parsed.status, parsed.timeout) == (URL, "GET", (200,), 5)


def test_a_full_probe_is_read(tmp_path):
    certificate = tmp_path / "ca.pem"
    certificate.write_text("")
    parsed = probe(
        name="x",
        method="post",
        body="{}",
        headers={"A": 1},
        status=204,
        timeout="2",
        samples="50",
        concurrency=2,
        warmup=5,
        max_latency=10,
        ca_path=str(certificate),
        client_cert=str(certificate),
        client_key=str(certificate),
        validate_certs=False,
        response_time=True,
        expect_text=["ok"],
        expect_headers=[{"name": "A", "exists": True}],
        pids=[7],
        measurements={"m": {"path": "a"}},
    )
    assert (parsed.name, parsed.method, parsed.body, parsed.headers) == ("x", "POST", "{}", {"A": "1"})
    assert (parsed.status, parsed.timeout, parsed.samples, parsed.max_latency) == ((204,), 2.0, 50, 10.0)
    assert (parsed.ca_path, parsed.validate_certs, parsed.response_time) == (str(certificate), False, True)
    assert (parsed.concurrency, parsed.pids, parsed.client_key) == (2, (7,), str(certificate))
    assert parsed.measurements == {"m": Measurement("a")}


@pytest.mark.parametrize(
    "headers, sent",
    [({}, {"Content-Type": "application/json"}), ({"content-type": "a/b"}, {"content-type": "a/b"})],
)
def test_a_body_that_is_no_text_is_sent_as_json(headers, sent):
    parsed = probe(body={"a": [1]}, headers=headers)
    assert (parsed.body, parsed.headers) == ('{"a": [1]}', sent)


@pytest.mark.parametrize(
    "given, url, user, password",
    [
        ({"url": "http://h/a?b=1", "user": "bob", "password": "p@ss"}, "http://h/a?b=1", "bob", "p@ss"),
        ({"url": "https://bob:p%40ss@h:1/a"}, "https://h:1/a", "bob", "p@ss"),
        ({"url": "http://key@h/"}, "http://h/", "key", None),
        ({"url": "http://bob:hunter2@h/", "user": "eve"}, "http://h/", "eve", None),
    ],
)
def test_user_and_password_are_taken_out_of_the_url(given, url, user, password):
    parsed = probe(**given)
    assert (parsed.url, parsed.user, parsed.password) == (url, user, password)


@pytest.mark.parametrize(
    "given, name",
    [
        ({"url": "http+unix://%2Frun%2FShop.sock/health?a=1"}, "http+unix://%2Frun%2FShop.sock/health"),
        ({"url": "http://localhost/health?a=1", "socket": "/run/Shop.sock"}, "http://localhost/health"),
    ],
)
def test_an_app_on_a_unix_socket_is_named_by_the_url_or_by_a_key(given, name):
    parsed = probe(**given)
    assert (parsed.name, parsed.socket, parsed.url) == (name, "/run/Shop.sock", "http://localhost/health?a=1")


@pytest.mark.parametrize("rule", [{}, {"kind": "text", "status": [200], "pattern": "OK"}])
def test_a_rule_is_one_that_was_inferred_or_is_to_be(rule):
    assert (probe(rule=rule).rule, probe().rule) == (rule, None)


@pytest.mark.parametrize(
    "how, measurement",
    [
        ({"path": "r", "type": "percent"}, Measurement("r", "percent")),
        ({"path": "h", "of": "n", "minimum": "5"}, Measurement("h", "number", ("n",), minimum=5.0)),
        (
            {"path": "h", "of": ["h", "m"], "counter": True, "epoch": "pid"},
            Measurement("h", "number", ("h", "m"), True, "pid"),
        ),
    ],
)
def test_measurements_are_read(how, measurement):
    assert probe(measurements={"m": how}).measurements == {"m": measurement}


@pytest.mark.parametrize(
    "given, message",
    [
        ({"url": None}, "Probe 0 needs an http or https URL"),
        ({"url": "file:///etc/passwd"}, "needs an http or https URL, not 'a URL that cannot be read'"),
        ({"url": "gopher://h/x"}, "needs an http or https URL"),
        ({"url": "http://"}, "needs an http or https URL"),
        ({"url": "http://["}, "needs an http or https URL"),
        ({"url": "http://h:99999/"}, "needs an http or https URL"),
        ({"password": "hunter2"}, "Probe 0: password needs user"),
        ({"socket": "run/shop.sock"}, "a socket is an absolute path, and asked by http, not 'run/shop.sock' by http"),
        ({"url": "https://h/", "socket": "/run/s"}, "asked by http, not '/run/s' by https"),
        ({"url": "http+unix://%2Frun%2Fs/", "pids": [1]}, "pids are for a port, not for a socket"),
        ({"rule": "status"}, "rule must be one that health_check returned, or {} to infer it, not 'status'"),
        ({"rule": {"a": 1}}, "rule must be one that health_check returned"),
        ({"name": "n", "uri": 1}, "Probe n has an unknown key 'uri'"),
        ({"method": "GET /x"}, "method must be a word such as GET"),
        ({"method": "POST", "follow_redirects": True}, "follow_redirects is for GET and HEAD, not for POST"),
        ({"headers": "x"}, "headers must be a mapping"),
        ({"headers": {"a b": "x"}}, "the header 'a b' has a name or a value that HTTP does not allow"),
        ({"headers": {"a": "x\r\nb: c"}}, "the header 'a' has a name or a value"),
        ({"headers": {"a": "\u20ac"}}, "the header 'a' has a name or a value"),
        ({"ca_path": "/no/such.pem"}, "ca_path /no/such.pem does not exist"),
        ({"client_key": "/dev/null"}, "client_key needs client_cert"),
        ({"timeout": "soon"}, "timeout must be a number, not 'soon'"),
        ({"timeout": 0}, "timeout must be a number of at least 0.001, not 0"),
        ({"timeout": 1e300}, "timeout must be 604800 at most, not 1e.300"),
        ({"samples": 1e300}, "samples must be 1000000 at most, not 1e.300"),
        ({"samples": -1}, "samples must be a number of at least 0, not -1"),
        ({"concurrency": 0}, "concurrency must be from 1 to 64, not 0"),
        ({"concurrency": 65}, "concurrency must be from 1 to 64, not 65"),
        ({"pids": ["x"]}, "pids must be a number, not 'x'"),
        ({"expect_json": ["x"]}, "expect_json needs mappings of path and one of below"),
        ({"expect_json": [{"path": "a", "exists": True}, {"path": "a..b", "equals": 1}]}, "'a..b' is no path"),
        ({"expect_json": [{"path": "a"}]}, "expect_json of a needs exactly one of below"),
        ({"expect_json": [{"path": "a", "equals": 1, "below": 2}]}, "needs exactly one of"),
        ({"expect_json": [{"path": "a", "like": 1}]}, "needs exactly one of"),
        ({"expect_json": [{"path": "a", "below": "much"}]}, "below must be a number, not 'much'"),
        ({"expect_json": [{"path": "a", "matches": "("}]}, "is no regular expression"),
        ({"expect_headers": [{"name": "a", "below": 1}]}, "expect_headers of a needs exactly one of equals, matches"),
        ({"measurements": ["m"]}, "measurements must be a mapping"),
        ({"measurements": {"m": {}}}, "measurement m needs a path"),
        ({"measurements": {"m": {"path": "a", "type": "text"}}}, "type must be number or percent, not 'text'"),
        ({"measurements": {"m": {"path": "a", "per": 1}}}, "measurement m has an unknown key 'per'"),
        ({"measurements": {"m": {"path": "a", "of": [""]}}}, "'' is no path such as data.hits"),
        ({"measurements": {"m": {"path": "a", "counter": True, "epoch": "a..b"}}}, "'a..b' is no path"),
        ({"measurements": {"m": {"path": "a", "epoch": "b"}}}, "epoch needs counter, and minimum needs of"),
        ({"measurements": {"m": {"path": "a", "minimum": 5}}}, "epoch needs counter, and minimum needs of"),
    ],
)
def test_a_wrong_probe_is_refused_by_name_and_shows_no_secret(given, message):
    with pytest.raises(HealthError, match=message) as refusal:
        probe(**given)
    assert "hunter2" not in str(refusal.value)


NUMBERS = {"timeout": 5.0, "deadline": 60.0, "interval": 0.2, "consecutive": 3}


@pytest.mark.parametrize(
    "given, message",
    [
        ({"timeout": 0.0}, "timeout must be a number of at least 0.001, not 0.0"),
        ({"deadline": -1.0}, "deadline must be a number of at least 0, not -1.0"),
        ({"interval": float("inf")}, "interval must be a number of at least 0, not inf"),
        ({"deadline": 1e300}, "deadline must be 604800 at most, not 1e.300"),
        ({"consecutive": 0}, "consecutive must be a number of at least 1, not 0"),
    ],
)
def test_a_number_that_would_never_end_or_never_ask_is_refused(given, message):
    with pytest.raises(HealthError, match=message):
        parse.check_numbers({**NUMBERS, **given})
    assert parse.check_numbers(NUMBERS) is None


@pytest.mark.parametrize("follow", [True, False])
def test_redirects_are_followed_only_where_that_is_asked(follow):
    assert probe(follow_redirects=follow).follow_redirects is follow


def test_two_probes_with_the_same_measurement_are_refused():
    one, other = {"url": URL, "name": "a", "response_time": True}, {"url": URL, "name": "b", "response_time": True}
    with pytest.raises(HealthError, match="Probe a and probe b both measure response_time; leave one out"):
        parse.parse_probes([one, other], 5)
    assert len(parse.parse_probes([one, {"url": URL}], 5)) == 2


@pytest.mark.parametrize(
    "given, required",
    [
        ({}, True),
        ({"measurements": {}}, True),
        ({"measurements": {"m": {"path": "a"}}}, False),
        ({"measurements": {"m": {"path": "a"}}, "required": True}, True),
        ({"required": False}, False),
    ],
)
def test_a_probe_that_measures_is_required_only_where_it_says_so(given, required):
    assert probe(**given).required is required
