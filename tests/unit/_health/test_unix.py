# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import socketserver
import threading

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import unix
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Probe


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what it was asked, or leads elsewhere."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/garbage":
            self.wfile.write(b"\x00\x01\n")
            self.close_connection = True
        elif self.path == "/hang":
            self.server.over.wait(30)
            self.close_connection = True
        else:
            self.answer()

    def answer(self):
        leads_to = self.server.leads_to.get(self.path, "")
        body = f"{self.command} {self.path} {self.headers.get('Host')} {self.headers.get('Authorization')}".encode()
        self.send_response(302 if leads_to else 200)
        self.send_header("content-length", str(len(body)))
        if leads_to:
            self.send_header("Location", leads_to)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer()

    def log_message(self, *_arguments):
        """Say nothing."""

    def address_string(self):
        return "a socket"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def server(tmp_path):
    httpd = Server(str(tmp_path / "s"), Handler)
    httpd.asked, httpd.over = [], threading.Event()
    httpd.connections = 0
    httpd.leads_to = {"/moved?a=1": "/there?b=2", "/away": "http://other/", "/ring": "/ring"}
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield httpd
    httpd.over.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def send(server, path="/", **given):
    times = iter([1.0, 1.25])
    sockets = unix.Sockets(lambda: next(times))
    url = f"http://localhost{path}"
    answer = sockets.fetch(Probe(name="x", url=url, **{"socket": server.server_address, "timeout": 30.0, **given}))
    sockets.close()
    return answer


def test_an_app_on_a_socket_answers_like_any_other(server):
    answer = send(server, "/health?a=1", user="bob", password="x", headers={"Host": "shop.test"})
    assert (answer.status, answer.elapsed, answer.error) == (200, 250.0, "")
    assert answer.body == "GET /health?a=1 shop.test Basic Ym9iOng="
    assert send(server).body == "GET / localhost None"
    assert send(server, method="POST", body="caf\u00e9").body.startswith("POST / ")
    assert server.asked[-1] == b"caf\xc3\xa9"


@pytest.mark.parametrize(
    "path, follows, asked, status",
    [
        ("/moved?a=1", True, ["/moved?a=1", "/there?b=2"], 200),
        ("/moved?a=1", False, ["/moved?a=1"], 302),
        ("/away", True, ["/away"], 302),
        ("/ring", True, ["/ring"] * 6, 302),
    ],
)
def test_a_redirect_within_the_app_can_be_followed(server, path, follows, asked, status):
    answer = send(server, path, follow_redirects=follows)
    assert (answer.status, server.asked) == (status, asked)


def test_a_connection_is_kept(server):
    sockets = unix.Sockets(lambda: 1.0)
    probe = Probe(name="x", url="http://localhost/", socket=server.server_address, timeout=30.0)
    opened = []
    server.process_request = lambda *of: (opened.append(1), Server.process_request(server, *of))[1]
    assert [sockets.fetch(probe).status for _number in range(3)] == [200] * 3
    sockets.close()
    assert len(opened) == 1


@pytest.mark.parametrize(
    "given, error",
    [
        ({"path": "/garbage"}, "does not answer in HTTP: BadStatusLine"),
        ({"path": "/hang", "timeout": 0.05}, "no answer from the socket {} within 0.05 seconds"),
        ({"socket": "/nowhere"}, "the socket /nowhere cannot be asked: No such file or directory"),
        ({"socket": "/" + "x" * 200}, "cannot be asked: AF_UNIX path too long"),
    ],
)
def test_a_socket_that_does_not_answer_is_reported(server, given, error):
    answer = send(server, **given)
    assert (answer.status, error.format(server.server_address) in answer.error) == (0, True), answer.error
