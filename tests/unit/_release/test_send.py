# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from ansible_collections.greenlight.release.plugins.module_utils._release import notify
from ansible_collections.greenlight.release.plugins.module_utils._release import send as release_send

EVENT = notify.Event(kind="start", app="shop", to_revision="b" * 40)


@contextlib.contextmanager
def server(status, body=b"", **headers):
    """A server on a port of its own that answers every request in one way; gives its URL and what it got."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            """Say nothing."""

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", got
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def send(**service):
    return release_send.send(requests, notify.parse_services([service], "services")[0], EVENT, 5)


def test_a_webhook_is_sent_with_its_headers_as_json():
    with server(204) as (url, got):
        assert send(type="webhook", url=f"{url}/hook?key=1", headers={"X-Key": "hunter2"}) == ""
    path, headers, body = got[0]
    assert (path, headers["X-Key"], headers["Content-Type"]) == ("/hook?key=1", "hunter2", "application/json")
    assert json.loads(body)["app"] == "shop"


def test_a_telegram_bot_is_asked_to_send_the_message():
    with server(200, b'{"ok": true}') as (url, got):
        assert send(type="telegram", token="123:hunter2", chat_id=7, api_url=url) == ""
    assert (got[0][0], json.loads(got[0][2])["chat_id"]) == ("/bot123:hunter2/sendMessage", "7")


def test_a_proxy_of_the_environment_is_not_used_and_one_of_the_service_is(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with server(200) as (url, got):
        assert send(type="webhook", url=f"{url}/direct") == ""
        assert send(type="webhook", url="http://hooks.invalid/x", proxy=url) == ""
    assert [path for path, _headers, _body in got] == ["/direct", "http://hooks.invalid/x"]


def test_a_redirect_is_reported_and_not_followed():
    with server(200) as (other, got):
        with server(302, Location=other) as (url, _got):
            assert send(type="slack", url=url) == "it answered with status 302, and redirects are not followed"
    assert got == []


@pytest.mark.parametrize(
    "kind, body, said",
    [
        ("slack", b"invalid_payload", " (invalid_payload)"),
        ("slack", b"no_service\n", " (no_service)"),
        ("slack", b"<html>hunter2</html>", ""),
        ("slack", b"the hook hunterrrr is gone", ""),
        ("slack", b"", ""),
        ("slack", b"\xff", ""),
        ("webhook", b"not here", ""),
        ("telegram", b'{"ok": false, "description": "Bad Request: chat not found"}', " (Bad Request: chat not found)"),
        ("telegram", b'{"ok": false, "description": "no bot hunterrrr"}', ""),
        ("telegram", b'{"ok": false}', ""),
        ("telegram", b"[]", ""),
        ("telegram", b"Bad Gateway", ""),
    ],
)
def test_a_refusal_is_reported_in_the_words_of_the_service_unless_a_secret_could_be_among_them(kind, body, said):
    with server(400, body) as (url, _got):
        given = (
            {"url": f"{url}/hunterrrr"}
            if kind != "telegram"
            else {"token": "1:hunterrrr", "chat_id": 1, "api_url": url}
        )
        assert send(type=kind, **given) == f"it answered with status 400{said}"


def test_a_service_that_is_not_there_is_reported_without_its_address():
    problem = send(type="webhook", url="http://127.0.0.1:1/hunter2")
    assert problem == "connection refused, nothing listens there"


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_name_that_no_host_can_have_is_reported(host):
    problem = send(type="webhook", url=f"http://{host}/hunter2")
    assert problem and "hunter2" not in problem


def test_all_services_are_notified_and_one_that_is_not_done_in_time_is_named():
    services = notify.parse_services(
        [{"type": "webhook", "url": "http://h/1"}, {"type": "webhook", "url": "http://127.0.0.1:1/2", "name": "CI"}],
        "s",
    )

    def run_all(jobs, seconds):
        assert (len(jobs), seconds) == (2, 8)
        return [None, jobs[1]()]

    assert release_send.send_all(requests, services, EVENT, 5, 8, run_all) == [
        {"name": "s[0] (webhook)", "type": "webhook", "sent": False, "problem": "it was not done within 8 seconds"},
        {
            "name": "CI",
            "type": "webhook",
            "sent": False,
            "problem": "connection refused, nothing listens there",
        },
    ]
