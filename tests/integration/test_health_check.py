# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import http.server
import json
import socket
import threading

import pytest


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

    def answer_hang(self):
        self.server.over.wait(30)
        self.close_connection = True

    def answer_flap(self):
        self.send(b"{}", 200 if len(self.server.seen) % 2 else 503)

    def answer_late(self):
        self.send(b"{}", 200 if len(self.server.seen) > 3 else 503)

    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.fixture
def server():
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.seen, httpd.over = [], threading.Event()
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield httpd
    httpd.over.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def check(run_module, server, path, env=None, report_only=True, **probe):
    url = f"http://127.0.0.1:{server.server_port}/{path}"
    arguments = {"probes": [{"name": path, "url": url, **probe}], "deadline": 2, "timeout": 1, "interval": 0.05}
    return run_module("health_check", {**arguments, "report_only": report_only}, env=env)


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
        ("page", "text/html is no JSON: '<html> [2J</html>'"),
        ("moved", "status 302 instead of 200"),
        ("bomb", "the body is encoded as 'gzip'"),
        ("endless", "the body is longer than 1048576 bytes"),
        ("drip", "the body did not end within the timeout"),
        ("hang", "no answer within 1 seconds"),
        ("flap", "status 503 instead of 200"),
    ],
)
def test_an_app_that_is_not_well_never_passes_and_never_blocks(run_module, server, path, reason):
    expect = [] if path == "flap" else [{"path": "status", "equals": "ok"}]
    result = check(run_module, server, path, expect_json=expect)
    assert (result["healthy"], reason in str(result["probes"][0])) == (False, True)


def test_it_waits_for_an_app_that_becomes_healthy(run_module, server):
    result = check(run_module, server, "late")
    assert (result["healthy"], result["probes"][0]["retries"]) == (True, 3)
    assert result["probes"][0]["retry_reasons"] == ["status 503 instead of 200"]


def test_without_report_only_an_unhealthy_app_is_a_failure_that_says_why(run_module, server):
    result = check(run_module, server, "degraded", report_only=False, expect_text=["ok"])
    assert (result["failed"], result["msg"]) == (
        True,
        "The app is not healthy: degraded: the body does not contain 'ok'",
    )


def test_nobody_listening_is_told(run_module, free_port):
    result = run_module("health_check", {"url": f"http://127.0.0.1:{free_port}/", "deadline": 0.3, "report_only": True})
    assert "connection refused, nothing listens there" in result["reason"]


def test_a_service_that_does_not_speak_http_is_told(run_module, free_port):
    with socket.create_server(("127.0.0.1", free_port)) as listener:

        def greet():
            connection, _address = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(1024)

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{free_port}/"
        result = run_module("health_check", {"url": url, "deadline": 0.1, "timeout": 1, "report_only": True})
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


def test_a_wrong_probe_is_refused_before_anything_is_asked(run_module, server):
    result = check(run_module, server, "good", uri="x")
    assert (result["failed"], server.seen) == (True, [])
    assert "Probe good has an unknown key 'uri'" in result["msg"]
