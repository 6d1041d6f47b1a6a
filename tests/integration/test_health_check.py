# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import gzip
import http.server
import json
import os
import socket
import socketserver
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from machine import PATIENT, call_module_alone


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers that are good, bad, or meant to harm."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        getattr(self, "answer_" + self.path.strip("/").partition("?")[0])()

    def send(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def answer_good(self):
        self.send(b'{"status": "ok", "data": {"hitRate": "95.67%"}}')

    def answer_letters(self):
        self.send(b'{"letters": "%s!"}' % (b"a" * 60))

    def answer_degraded(self):
        self.send(b'{"status": "degraded"}')

    def answer_page(self):
        self.send(b"<html>\x1b[2J</html>", Content_Type="text/html")

    def answer_moved(self):
        self.send(b"", 302, Location="/good")

    def answer_bomb(self):
        self.send(gzip.compress(b"0" * 10_000_000), Content_Encoding="gzip")

    def answer_endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.over.is_set():
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.close_connection = True

    def answer_drip(self):
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.over.wait(0.05):
                self.wfile.write(b"x")
        except OSError:
            self.close_connection = True

    def drip(self, beginning, piece):
        self.wfile.write(beginning)
        try:
            while not self.server.over.wait(0.02):
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def answer_header_drip(self):
        self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")

    def answer_headers(self):
        self.drip(b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n" * 1000)

    def answer_continue(self):
        self.drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer_hang(self):
        self.server.over.wait(30)
        self.close_connection = True

    def answer_large(self):
        self.send_response(200)
        self.send_header("Content-Length", "400000000")
        self.end_headers()
        self.drip(b"", b"x" * 65536)

    def answer_reset(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b'{"status": "ok"')
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def answer_truncated(self):
        self.send(b'{"status": "ok", "da')

    def answer_marked(self):
        self.send(b'\xef\xbb\xbf{"status": "ok"}')

    def answer_twice(self):
        self.send(b'{"status": "error", "status": "ok"}')

    def answer_spa(self):
        self.send(b"<!doctype html><title>ok</title>", Content_Type="text/html")

    def answer_empty(self):
        self.send_response(204)
        self.end_headers()

    def answer_array(self):
        self.send(b'[{"status": "ok"}]')

    def answer_nested(self):
        self.send(b"[" * 100_000)

    def answer_broken(self):
        self.send(b'{"status": "ok"}', 500)

    def answer_elsewhere(self):
        self.send(b"", 302, Location=self.server.elsewhere)

    def answer_slow(self):
        self.server.over.wait(0.1)
        self.answer_good()

    def answer_once(self):
        self.send(b"{}", 200 if len(self.server.seen) == 1 else 503)

    def answer_secret(self):
        self.send(b'password=hunter2 \x1b[2J token: "hunter2"', 500, Content_Type="text/plain")

    def answer_stats(self):
        self.server.counted += 10
        counted = {"hits": 8 * self.server.counted, "misses": 2 * self.server.counted, "start": self.server.start}
        self.send(json.dumps({"data": counted}).encode())

    def answer_words(self):
        self.send(self.server.says, Content_Type="text/plain")

    def answer_members(self):
        known = self.headers.get("Authorization") == "Basic Ym9iOmh1bnRlcjI=" and self.headers["Host"] == "shop.test"
        self.send(b"{}", 200 if known else 401)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((body, self.headers["Content-Type"]))
        self.send(b'{"status": "ok"}')

    def answer_flap(self):
        self.send(b"{}", 200 if len(self.server.seen) % 2 else 503)

    def answer_late(self):
        self.send(b"{}", 200 if len(self.server.seen) > 3 else 503)

    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.fixture
def server():
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.seen, httpd.over, httpd.counted, httpd.start = [], threading.Event(), 0, "a"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield httpd
    httpd.over.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def check(run_module, server, path, env=None, report_only=True, deadline=PATIENT, timeout=PATIENT, **probe):
    url = f"http://127.0.0.1:{server.server_port}/{path}"
    times = {"deadline": deadline, "timeout": timeout, "interval": 0.05}
    return run_module(
        "health_check", {"probes": [{"name": path, "url": url, **probe}], **times, "report_only": report_only}, env=env
    )


def test_a_healthy_app_is_measured(run_module, server):
    measure = {"cache_hit_rate": {"path": "data.hitRate", "type": "percent"}}
    expect = [{"path": "status", "equals": "ok"}]
    result = check(
        run_module, server, "good", expect_json=expect, measurements=measure, samples=5, warmup=1, response_time=True
    )
    assert (result["healthy"], result["measurements"]["cache_hit_rate"]) == (True, 95.67)
    assert result["measurements"]["response_time"]["samples"] == 5
    assert len(server.seen) == 3 + 1 + 5


@pytest.mark.parametrize(
    "path, reason",
    [
        ("degraded", "status is 'degraded', expected equals 'ok'"),
        ("page", "text/html is no JSON: '<html></html>'"),
        ("spa", "text/html is no JSON: '<!doctype html><title>ok</title>'"),
        ("truncated", "the body is no JSON"),
        ("twice", "the body is ambiguous, it has 'status' twice, with different values"),
        ("array", "there is no status"),
        ("nested", "the body is no JSON"),
        ("empty", "status 204 instead of 200"),
        ("broken", "status 500 instead of 200"),
        ("moved", "status 302 instead of 200"),
        ("bomb", "the body is encoded as 'gzip'"),
        ("endless", "the body is longer than 1048576 bytes"),
        ("large", "the body is longer than 1048576 bytes"),
        ("reset", "broken off"),
        ("headers", "the connection failed or was broken off"),
        ("header_drip", "no answer within 1 seconds"),
        ("continue", "no answer within 1 seconds"),
        ("drip", "no answer within 1 seconds"),
        ("hang", "no answer within 1 seconds"),
    ],
)
def test_an_app_that_is_not_well_never_passes_and_never_blocks(run_module, server, path, reason):
    expect = [{"path": "status", "equals": "ok"}]
    timeout = 1 if reason == "no answer within 1 seconds" else PATIENT
    result = check(run_module, server, path, deadline=1, timeout=timeout, expect_json=expect)
    assert (result["healthy"], reason in result["reason"]) == (False, True), result["reason"]


def test_a_byte_order_mark_is_no_part_of_the_json(run_module, server):
    expect = [{"path": "status", "equals": "ok"}]
    assert check(run_module, server, "marked", expect_json=expect)["healthy"] is True


@pytest.mark.parametrize("path", ["flap", "once"])
def test_an_app_that_is_well_only_now_and_then_never_passes(run_module, server, path):
    result = check(run_module, server, path, deadline=1)
    assert (result["healthy"], result["probes"][0]["retry_reasons"]) == (False, ["status 503 instead of 200"])


def test_a_slow_answer_can_be_a_bad_one(run_module, server):
    assert " ms, 50 are allowed" in check(run_module, server, "slow", deadline=1, max_latency=50)["reason"]


def test_a_pattern_that_takes_for_ever_holds_nobody_up(run_module, server):
    expect = [{"path": "letters", "matches": "(a+)+$"}]
    reason = check(run_module, server, "letters", deadline=1, expect_json=expect, timeout=2)["reason"]
    assert "judging it took longer than 2 seconds" in reason


def test_a_redirect_elsewhere_gets_no_credentials(run_module, server):
    with socket.create_server(("127.0.0.1", 0)) as other:
        server.elsewhere = f"http://127.0.0.1:{other.getsockname()[1]}/good"
        result = check(run_module, server, "elsewhere", deadline=1, headers={"Authorization": "Bearer hunter2hunter2"})
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert result["healthy"] is False


def test_a_redirect_within_the_app_can_be_followed(run_module, server):
    assert check(run_module, server, "moved", follow_redirects=True)["healthy"] is True
    server.elsewhere = "http://127.0.0.1:1/good"
    result = check(run_module, server, "elsewhere", deadline=1, follow_redirects=True)
    assert result["reason"].endswith("status 302 instead of 200")


def test_one_probe_that_hangs_holds_up_no_other(run_module, server):
    url = f"http://127.0.0.1:{server.server_port}"
    probes = [{"name": f"good {number}", "url": f"{url}/good"} for number in range(9)]
    probes.insert(4, {"name": "hang", "url": f"{url}/hang", "timeout": 1})
    result = run_module("health_check", {"probes": probes, "deadline": 1, "report_only": True})
    assert result["reason"] == "hang: no answer within 1 seconds"
    assert [probe["name"] for probe in result["probes"]] == [probe["name"] for probe in probes]


def test_samples_are_taken_over_several_connections(run_module, server):
    result = check(run_module, server, "good", samples=7, concurrency=3, warmup=2)
    latency = result["probes"][0]["latency"]
    assert (latency["count"], len(server.seen)) == (7, 3 + 3 * 2 + 7)
    assert latency["p95_low"] <= latency["p95"] <= latency["max"]


def test_counters_are_measured_as_what_was_counted_since(run_module, server):
    rate = {
        "path": "data.hits",
        "of": ["data.hits", "data.misses"],
        "counter": True,
        "epoch": "data.start",
        "minimum": 100,
    }
    url = f"http://127.0.0.1:{server.server_port}/stats"

    def measure(counters):
        probes = [{"name": "cache", "url": url, "measurements": {"cache_hit_rate": rate}}]
        return run_module("health_check", {"probes": probes, "consecutive": 1, "counters": counters})

    first = measure({})
    assert (first["measurements"], len(first["unmeasured"])) == ({}, 1)
    second = measure(first["counters"])
    assert second["measurements"]["cache_hit_rate"]["samples"] == 100
    assert second["measurements"]["cache_hit_rate"]["value"] == 80.0
    server.counted, server.start = 30, "b"
    third = measure(second["counters"])
    assert third["measurements"]["cache_hit_rate"]["samples"] == 400


def test_a_body_that_is_no_text_is_sent_as_json(run_module, server):
    result = check(run_module, server, "good", method="POST", body={"name": "x"})
    assert (result["healthy"], server.seen[0]) == (True, (b'{"name": "x"}', "application/json"))


def test_an_answer_is_judged_as_it_was_before(run_module, server):
    server.says = b"OK"
    before = check(run_module, server, "words", rule={})["probes"][0]
    assert before["rule"] == {"status": [200], "kind": "text", "pattern": "OK"}
    assert before["judged_by"] == "status 200 and a text like 'OK'"
    server.says = b"all is lost"
    after = check(run_module, server, "words", rule=before["rule"], deadline=0.1)
    assert (after["healthy"], after["reason"]) == (False, "words: the body is 'all is lost', and it was like 'OK'")
    server.says = b"ERROR: no database"
    assert check(run_module, server, "words", rule={}, deadline=0.1)["healthy"] is False


@pytest.mark.parametrize(
    "how", [{"user": "bob", "password": "hunter2"}, {"url": "http://bob:hunter2@127.0.0.1:{}/members"}]
)
def test_a_user_a_password_and_a_host_header_reach_the_app_and_are_not_shown(run_module, server, how):
    given = {name: value.format(server.server_port) for name, value in how.items()}
    result = check(run_module, server, "members", headers={"Host": "shop.test"}, **given)
    assert (result["healthy"], "hunter2" in str(result)) == (True, False)


def test_an_app_on_a_unix_socket_is_measured(run_module, tmp_path):
    path = tmp_path / "shop.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as httpd:
        httpd.seen, httpd.over = [], threading.Event()
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
        thread.start()
        url = f"http+unix://{str(path).replace('/', '%2F')}/good"
        probe = {"url": url, "rule": {}, "samples": 5, "response_time": True}
        result = run_module("health_check", {"probes": [probe], "interval": 0.05, "report_only": True})
        httpd.over.set()
        httpd.shutdown()
        thread.join()
    assert (result["healthy"], result["probes"][0]["peer"]) == (True, str(path)), result["reason"]
    assert (result["measurements"]["response_time"]["samples"], len(httpd.seen)) == (5, 8)


def test_headers_can_be_asserted(run_module, server):
    expect = [{"name": "content-type", "matches": "^application/json"}]
    assert "the header content-type" in check(run_module, server, "spa", deadline=1, expect_headers=expect)["reason"]


def test_it_waits_for_an_app_that_becomes_healthy(run_module, server):
    result = check(run_module, server, "late")
    assert (result["healthy"], result["probes"][0]["retries"]) == (True, 3)
    assert result["probes"][0]["retry_reasons"] == ["status 503 instead of 200"]


def test_without_report_only_an_unhealthy_app_is_a_failure_that_says_why(run_module, server):
    result = check(run_module, server, "degraded", deadline=1, report_only=False, expect_text=["ok"])
    assert (result["failed"], result["msg"]) == (
        True,
        "The app is not healthy: degraded: the body does not contain 'ok'",
    )


def test_nobody_listening_is_reported(run_module, free_port):
    result = run_module("health_check", {"url": f"http://127.0.0.1:{free_port}/", "deadline": 0.3, "report_only": True})
    assert "connection refused, nothing listens there" in result["reason"]


def test_a_service_that_does_not_speak_http_is_reported(run_module, free_port):
    with socket.create_server(("127.0.0.1", free_port)) as listener:

        def greet():
            connection, _address = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(1024)

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{free_port}/"
        result = run_module("health_check", {"url": url, "deadline": 0, "timeout": PATIENT, "report_only": True})
        thread.join()
    assert (result["healthy"], "the connection failed" in result["reason"]) == (False, True)


def test_neither_a_proxy_nor_netrc_is_used(run_module, server, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login u password hunter2\n")
    env = {"http_proxy": "http://127.0.0.1:1", "HOME": str(tmp_path)}
    assert check(run_module, server, "good", env=env)["healthy"] is True
    assert {authorization for _path, authorization in server.seen} == {None}


def test_secrets_reach_the_app_and_nobody_else(run_module, server):
    url = f"http://127.0.0.1:{server.server_port}/good"
    result = run_module("health_check", {"url": url, "headers": {"Authorization": "Bearer hunter2hunter2"}})
    assert server.seen[0] == ("/good", "Bearer hunter2hunter2")
    assert "hunter2" not in json.dumps(result)


def test_secrets_of_a_probe_or_of_an_answer_are_never_shown(run_module, server):
    secret = {"headers": {"Authorization": "Bearer swordfish"}, "body": "pin=swordfish"}
    expect = [{"path": "a", "exists": True}]
    result = check(run_module, server, "secret", deadline=1, **secret, expect_json=expect, status=[500])
    shown = json.dumps(result)
    assert ("swordfish" in shown, "hunter2" in shown, "\\u001b" in shown) == (False, False, False)
    assert "password=***" in result["reason"]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:swordfish@127.0.0.1:{port}/good",
        "http://swordfish@127.0.0.1:{port}/good",
        "http:/user:swordfish@127.0.0.1:{port}/good",
        "user:swordfish@127.0.0.1:{port}/good",
        "http://127.0.0.1:{port}/good?token=swordfish",
    ],
)
@pytest.mark.parametrize("as_probe", [True, False])
def test_secrets_of_a_url_are_nowhere_in_the_result(run_module, server, url, as_probe):
    asked = url.format(port=server.server_port)
    options = {"probes": [{"url": asked}]} if as_probe else {"url": asked}
    assert "swordfish" not in json.dumps(run_module("health_check", {**options, "consecutive": 1}))


def test_a_short_header_does_not_blot_out_the_results(run_module, server):
    result = check(run_module, server, "good", headers={"X-Debug": "3"})
    assert result["probes"][0]["attempts"] == 3


def test_a_host_without_requests_is_reported(tmp_path):
    (tmp_path / "requests.py").write_text("raise ImportError\n")
    result = call_module_alone("health_check", {"url": "http://127.0.0.1/"}, tmp_path)
    assert "Failed to import the required Python library (requests)" in result["msg"]
    asked_nothing = call_module_alone("health_check", {"probes": []}, tmp_path)
    assert (asked_nothing["healthy"], asked_nothing["probes"], asked_nothing["measurements"]) == (True, [], {})


def test_check_mode_asks_as_well(run_module, server):
    url = f"http://127.0.0.1:{server.server_port}/good"
    assert run_module("health_check", {"url": url}, check=True)["healthy"] is True
    assert len(server.seen) == 3


def test_the_json_of_a_single_url_is_judged(run_module, server):
    arguments = {"url": f"http://127.0.0.1:{server.server_port}/degraded", "deadline": 0.1, "report_only": True}
    expect = [{"path": "status", "equals": "ok"}]
    assert run_module("health_check", {**arguments, "expect_json": expect})["healthy"] is False


def test_the_address_that_was_reached_is_reported(run_module, server):
    probe = check(run_module, server, "good")["probes"][0]
    assert probe["peer"] == f"127.0.0.1:{server.server_port}"


def test_another_service_that_listens_on_the_other_localhost_is_reported(run_module, server):
    class OverIPv6(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6

    try:
        other = OverIPv6(("::1", server.server_port), Handler)
    except OSError:
        pytest.skip("this machine has no IPv6")
    other.seen = []
    thread = threading.Thread(target=other.serve_forever, args=(0.02,))
    thread.start()
    probes = [{"url": f"http://{host}:{server.server_port}/good"} for host in ("127.0.0.1", "[::1]")]
    result = run_module("health_check", {"probes": probes})
    other.shutdown()
    thread.join()
    other.server_close()
    peers = [probe["peer"] for probe in result["probes"]]
    assert peers == [f"127.0.0.1:{server.server_port}", f"[::1]:{server.server_port}"]
    assert (len(server.seen), len(other.seen)) == (3, 3)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for the names app.test and localhost, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app.test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    alternatives = x509.SubjectAlternativeName([x509.DNSName("app.test"), x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "app.pem"
    private = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
    )
    return path


@pytest.mark.parametrize(
    "host, trusted, how, reason",
    [
        ("localhost", False, {}, "the certificate was not accepted: self"),
        ("localhost", True, {}, ""),
        ("127.0.0.1", True, {}, "the certificate was not accepted: "),
        ("127.0.0.1", False, {"validate_certs": False}, ""),
    ],
)
def test_a_certificate_must_be_valid_unless_that_is_not_asked(
    run_module, server, certificate, host, trusted, how, reason
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    probe = {
        "url": f"https://{host}:{server.server_port}/good",
        **how,
        **({"ca_path": str(certificate)} if trusted else {}),
    }
    result = run_module("health_check", {"probes": [probe], "deadline": 0.1, "report_only": True})
    assert (result["healthy"], reason in result["reason"]) == (not reason, True), result["reason"]


@pytest.mark.parametrize("presents", [True, False])
def test_a_client_can_show_a_certificate(run_module, server, certificate, presents):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    shown = {"client_cert": str(certificate), "client_key": str(certificate)} if presents else {}
    probe = {"url": f"https://localhost:{server.server_port}/good", "ca_path": str(certificate), **shown}
    result = run_module("health_check", {"probes": [probe], "deadline": 0.1, "interval": 0.05, "report_only": True})
    assert (result["healthy"], len(server.seen)) == (presents, 3 if presents else 0), result["reason"]


@pytest.mark.parametrize(
    "probe, message",
    [
        ({"uri": "x"}, "Unsupported parameters for"),
        ({"url": "file:///etc/passwd"}, "Probe good needs an http or https URL"),
        (
            {"url": "http://u:swordfish@h:99999/"},
            "Probe good needs an http or https URL, not 'a URL that cannot be read'",
        ),
        ({"expect_json": [{"path": "a", "like": 1}]}, "expect_json of a needs exactly one of"),
        ({"ca_path": "/no/such.pem"}, "ca_path /no/such.pem does not exist"),
    ],
)
def test_a_wrong_probe_is_refused_before_anything_is_asked(run_module, server, probe, message):
    result = check(run_module, server, "good", **probe)
    assert (result["failed"], server.seen, message in result["msg"]) == (True, [], True)
    assert "swordfish" not in result["msg"]


def pids_of(run_module, pm2, name="sample-app"):
    processes = run_module("pm2_process_info", {"pm2_home": str(pm2.home), "name": name})["processes"]
    return [process["pid"] for process in processes]


def test_an_old_process_that_still_serves_is_distinguished_from_the_new_one(run_module, pm2, running):
    probe = {"url": f"{running.url}/health", "pids": pids_of(run_module, pm2)}
    assert run_module("health_check", {"probes": [probe]})["healthy"] is True
    other = {**probe, "pids": [os.getpid()]}
    result = run_module("health_check", {"probes": [other], "deadline": 0.1, "report_only": True})
    assert f"port {running.port} is answered by process {probe['pids'][0]} (node" in result["reason"]


def test_the_instances_of_a_cluster_answer_themselves_though_the_daemon_listens(run_module, pm2, tmp_path, free_port):
    script = tmp_path / "serve.js"
    script.write_text(f"require('http').createServer((q, r) => r.end('{{}}')).listen({free_port}, '127.0.0.1');\n")
    pm2("start", script, "--name", "sample-app", "--instances", "2")
    probe = {"url": f"http://127.0.0.1:{free_port}/", "pids": pids_of(run_module, pm2)}
    result = run_module("health_check", {"probes": [probe], "deadline": 20, "consecutive": 4})
    assert (len(probe["pids"]), result.get("msg"), result["healthy"]) == (2, None, True)


def test_an_app_whose_process_was_stopped_is_not_waited_for(run_module, running, pm2):
    pm2("stop", "sample-app")
    url = f"http://127.0.0.1:{running.port}/health"
    asked = {"url": url, "deadline": 3600, "process": "sample-app", "pm2_home": str(pm2.home)}
    failed = run_module("health_check", asked)
    assert failed["msg"].endswith("; PM2 says that sample-app is stopped")


def test_an_app_whose_log_decides_is_not_waited_for(run_module, server, tmp_path):
    log = tmp_path / "error.log"
    log.write_text("")
    marked = run_module("log_assert", {"state": "mark", "files": [{"path": str(log), "stream": "err"}]})
    log.write_text("TypeError: no such column\n")
    forbid = [{"name": "critical_errors", "pattern": "TypeError", "new_kinds_only": True}]
    given = {"files": [{"path": str(log), "stream": "err"}], "cursor": marked["cursor"], "forbid": forbid}
    asked = {"url": f"http://127.0.0.1:{server.server_port}/broken", "deadline": 3600, "log": given}
    failed = run_module("health_check", asked)
    assert "; its log has critical_errors: 1 lines, the last one is 'TypeError: no such column'" in failed["msg"]
    wrong = {**asked, "log": {**given, "forbid": [{"name": "critical_errors"}]}}
    assert "forbid rule critical_errors needs a pattern" in run_module("health_check", wrong)["msg"]
