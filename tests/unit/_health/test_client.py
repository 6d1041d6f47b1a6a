# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
import requests
from ansible_collections.greenlight.release.plugins.module_utils._health import client
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Probe
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection

PROBE = Probe(name="x", url="http://127.0.0.1:3000/?token=hunter2", timeout=3)


class Socket:
    def __init__(self, own, peer):
        self.own, self.peer = own, peer

    def getsockname(self):
        return self.own

    def getpeername(self):
        if self.peer is None:
            raise OSError(107, "Transport endpoint is not connected")
        return self.peer


class Response:
    """What requests gives for a streamed answer."""

    def __init__(self, pieces=(b"{}",), status=200, sock=None, breaks=None, **headers):
        self.pieces, self.status_code, self.breaks = pieces, status, breaks
        self.headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        self.raw = SimpleNamespace(connection=SimpleNamespace(sock=sock))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def close(self):
        """Close nothing."""

    def iter_content(self, _size):
        yield from self.pieces
        if self.breaks is not None:
            raise self.breaks


class Session:
    def __init__(self, answer):
        self.answer, self.headers, self.trust_env, self.asked, self.closed = answer, {}, True, [], False

    def request(self, **arguments):
        self.asked.append(arguments)
        answer = self.answer.pop(0) if isinstance(self.answer, list) else self.answer
        if isinstance(answer, Exception):
            raise answer
        answer.url = arguments["url"]
        return answer

    def close(self):
        self.closed = True


def send(answer, probe=PROBE):
    """Send a probe to a fake of requests; return the answer and the session."""
    session, times = Session(answer), iter([1.0, 1.25])
    fake = SimpleNamespace(**{**vars(requests), "Session": lambda: session})
    with client.connect(fake, lambda: next(times)) as fetch:
        result = fetch(probe)
    return result, session


def test_an_answer_is_read_and_timed_and_the_connection_closed():
    answer, session = send(Response([b'{"a"', b": 1}"], Content_Length=8))
    assert (answer.status, answer.elapsed, answer.body, answer.error) == (200, 250.0, '{"a": 1}', "")
    assert session.closed is True


def test_neither_redirects_nor_the_environment_nor_compression_are_used():
    _answer, session = send(Response())
    assert (session.trust_env, session.headers) == (False, {"Accept-Encoding": "identity"})
    assert (session.asked[0]["allow_redirects"], session.asked[0]["timeout"]) == (False, 3)


FOLLOWING = Probe(name="x", url="http://h:3000/health", follow_redirects=True, headers={"Authorization": "Bearer x"})


def redirect(location, status=302):
    return Response([b""], status=status, **({"Location": location} if location else {}))


@pytest.mark.parametrize("location", ["/health/", "health/", "http://h:3000/health/"])
def test_a_redirect_within_the_same_origin_can_be_followed(location):
    answer, session = send([redirect(location), Response()], FOLLOWING)
    assert (answer.status, [asked["url"] for asked in session.asked]) == (200, [FOLLOWING.url, f"{FOLLOWING.url}/"])


@pytest.mark.parametrize(
    "answer",
    [
        redirect("http://other:3000/"),
        redirect("http://h:3001/"),
        redirect("https://h:3000/"),
        redirect("//other/"),
        redirect("http://u:p@h:3000/"),
        redirect("http://["),
        redirect(""),
        Response(status=200, Location="/x"),
    ],
    ids=lambda answer: answer.headers.get("Location", "none"),
)
def test_no_other_redirect_is_followed(answer):
    assert len(send(answer, FOLLOWING)[1].asked) == 1


def test_redirects_without_end_are_followed_five_times():
    answer, session = send(redirect("/health"), FOLLOWING)
    assert (answer.status, len(session.asked)) == (302, 6)


@pytest.mark.parametrize(
    "given, verify, cert",
    [
        ({}, True, None),
        ({"ca_path": "/ca"}, "/ca", None),
        ({"ca_path": "/ca", "validate_certs": False}, False, None),
        ({"client_cert": "/c"}, True, "/c"),
        ({"client_cert": "/c", "client_key": "/k"}, True, ("/c", "/k")),
    ],
)
def test_certificates_are_handed_on(given, verify, cert):
    asked = send(Response(), Probe(name="x", url="https://h/", **given))[1].asked[0]
    assert (asked["verify"], asked["cert"]) == (verify, cert)


@pytest.mark.parametrize("body, sent", [(None, None), ("caf\u00e9", b"caf\xc3\xa9")])
def test_a_body_is_sent_as_utf_8(body, sent):
    assert send(Response(), Probe(name="x", url="http://h/", body=body))[1].asked[0]["data"] == sent


def test_a_body_that_is_meant_to_harm_is_not_read():
    assert send(Response([b"x" * 1_000_000] * 9))[0].error == "the body is longer than 1048576 bytes"


def test_user_and_password_are_sent_and_a_socket_is_asked_without_requests(tmp_path):
    session = send(Response(), Probe(name="x", url="http://h/", user="bob", password="hunter2"))[1]
    assert session.asked[0]["headers"] == {"Authorization": "Basic Ym9iOmh1bnRlcjI="}
    answer, session = send(Response(), Probe(name="x", url="http://localhost/", socket=str(tmp_path / "none")))
    assert (answer.status, session.asked) == (0, [])
    assert answer.error == f"the socket {tmp_path}/none cannot be asked: No such file or directory"


@pytest.mark.parametrize(
    "sock, connection",
    [
        (None, None),
        (Socket(("127.0.0.1", 5), None), None),
        (Socket(("127.0.0.1", 5), ("127.0.0.1", 3000)), Connection(("127.0.0.1", 5), ("127.0.0.1", 3000))),
        (Socket(("fe80::1%eth0", 5, 0, 2), ("::ffff:1.2.3.4", 6, 0, 0)), Connection(("fe80::1", 5), ("1.2.3.4", 6))),
    ],
)
def test_the_ends_of_the_connection_are_known_while_it_is_open(sock, connection):
    assert send(Response(sock=sock))[0].connection == connection


def test_a_version_of_requests_without_the_connection_gives_none():
    response = Response()
    response.raw = object()
    assert send(response)[0].connection is None


def test_a_failure_is_reported_without_the_url():
    answer, _session = send(requests.ReadTimeout("hunter2"))
    assert (answer.status, answer.error, answer.elapsed) == (0, "no answer within 3 seconds", 250.0)


def test_a_connection_that_breaks_in_the_body_is_reported():
    broken = requests.exceptions.ChunkedEncodingError("Connection broken")
    answer, _session = send(Response([b"half"], breaks=broken))
    assert answer.error == "the connection was broken off in the body"
