# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import socketserver
import threading

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._survey import health
from ansible_collections.greenlight.release.plugins.module_utils._survey.health import Health
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess


@pytest.mark.parametrize(
    "body, tells",
    [
        ('{"status": "ok"}', True),
        ('{"status": "UP"}', True),
        ('{"status": 7, "ok": true}', True),
        ('{"healthy": true}', True),
        ('{"ok": "yes"}', False),
        ("[1]", False),
        ("OK\n", True),
        ("<html>OK</html>", False),
    ],
)
def test_an_answer_about_health_is_told_from_any_page(body, tells):
    assert health.tells_health(body) is tells


def listener(address, port):
    return proc.Listener(address, port, "7")


@pytest.mark.parametrize(
    "addresses, base",
    [
        ([], "http://127.0.0.1:3000"),
        (["127.0.0.1", "10.0.0.5"], "http://127.0.0.1:3000"),
        (["::1"], "http://[::1]:3000"),
        (["10.0.0.5"], "http://10.0.0.5:3000"),
    ],
)
def test_the_app_is_asked_where_it_listens(monkeypatch, addresses, base):
    known = [listener(address, 3000) for address in addresses] + [listener("10.0.0.9", 3001)]
    monkeypatch.setattr(proc, "listeners", lambda: known)
    assert health.bases([3000, 3001]) == [base, "http://10.0.0.9:3001"]


def find(answers, ports=(3000,), known=""):
    """Return what is found of an app that answers on localhost with these statuses and bodies."""

    def ask(url):
        status_and_body = answers.get(url.partition("127.0.0.1:")[2], (404, ""))
        return status_and_body if isinstance(status_and_body, tuple) else (200, status_and_body)

    return health.find(AppProcess("shop", "serves", tuple(ports)), known, ask)


@pytest.fixture
def _no_listeners(monkeypatch):
    monkeypatch.setattr(proc, "listeners", list)


URL = "http://127.0.0.1:3000"


@pytest.mark.usefixtures("_no_listeners")
def test_the_address_that_says_how_the_app_is_goes_before_one_that_only_answers():
    answers = {"3000/health": "<html>", "3001/api/health": '{"ok": true}', "3000/": "hello"}
    good = Health("http://127.0.0.1:3001/api/health")
    assert find(answers, (3000, 3001)) == good
    assert find(answers) == Health(f"{URL}/health")
    assert find({}) == Health()
    assert find(answers, (), "http://127.0.0.1:3001/api/health") == good


@pytest.mark.usefixtures("_no_listeners")
@pytest.mark.parametrize("status", [401, 403])
def test_an_address_that_asks_who_wants_to_know_is_not_passed_over(status):
    assert find({"3000/api/health": (status, ""), "3000/": "hello"}) == Health(f"{URL}/api/health", True)


def test_the_statistics_of_the_cache_are_found_by_their_hit_rate():
    answers = {"u://h/cache/stats": '{"data": {"hits": 3}}', "u://h/stats": '{"data": {"hitRate": "95%"}}'}
    assert health.cache_stats_of("u://h/health", lambda url: (200, answers.get(url, ""))) == (
        "u://h/stats",
        "data.hitRate",
    )
    assert health.cache_stats_of("u://h/health", lambda _url: (200, '{"data": 1}')) == ("", "")
    assert health.cache_stats_of("", lambda _url: (200, '{"hitRate": 1}')) == ("", "")


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers["X-Key"] == "secret" else 401)
        self.end_headers()
        self.wfile.write(b"fine")

    def log_message(self, *_given):
        pass


def test_the_app_is_asked_with_the_headers_and_no_proxy_is(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/x"
        assert [health.ask(url, headers)[0] for headers in ({"X-Key": "secret"}, {})] == [200, 401]
        server.shutdown()
    assert health.ask(url, {}) == (0, "")


def test_an_app_on_a_unix_socket_is_asked_there(tmp_path):
    path = tmp_path / "shop.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), OverSocket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = health.find(
            AppProcess("shop", "serves", (), str(path)), "", lambda url: health.ask(url, {"X-Key": "s"})
        )
        assert found == Health(f"http+unix://{str(path).replace('/', '%2F')}/health")
        server.shutdown()
    path.unlink()
    assert health.ask(found.url, {}) == (0, "")


class OverSocket(socketserver.StreamRequestHandler):
    def handle(self):
        asked = self.rfile.readline()
        is_health = asked.startswith(b"GET /health ")
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nOK" if is_health else b"HTTP/1.0 404 No\r\n\r\n")
