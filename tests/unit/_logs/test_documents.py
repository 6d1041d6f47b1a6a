# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs.documents import (
    LoggedRequest,
    error_status,
    error_texts,
    level_of,
    request_of,
    said,
    without_urls,
)


@pytest.mark.parametrize(
    "value, level",
    [
        (50, 50),
        (35.0, 35),
        ("ERROR", 50),
        ("crit", 50),
        ("emerg", 60),
        ("warn", 40),
        ("silly", 10),
        ("x", 30),
        (None, 30),
    ],
)
def test_a_level_is_a_number_of_pino(value, level):
    assert level_of(value) == level


@pytest.mark.parametrize(
    "text, left",
    [
        ("GET /search?q=FATAL 200", "GET URL 200"),
        ("Route GET:/FATAL not found", "Route GET URL not found"),
        ('"POST https://a.b/FATAL HTTP/1.1"', '"POST URL HTTP/1.1"'),
        ("see https://a.b/FATAL, and /c?d=FATAL", "see URL, and /cURL"),
        ("ENOENT: no such file '/srv/shop.db'", "ENOENT: no such file '/srv/shop.db'"),
    ],
)
def test_an_address_is_taken_out_of_a_message(text, left):
    assert without_urls(text) == left


def test_what_a_client_sent_and_the_frames_of_a_stack_are_taken_out_of_a_document():
    document = {
        "msg": "failed",
        "req": {"url": "/FATAL"},
        "headers": {"x": "FATAL"},
        "err": {"body": "FATAL", "stack": "TypeError: x\n    at FATAL (a.js:1)"},
        "details": [{"query": "FATAL", "n": 1}, [[[["too deep"]]]]],
    }
    assert said(document) == '{"msg":"failed","err":{"stack":"TypeError: x"},"details":[{"n":1},[[[]]]]}'


def test_an_error_that_express_winston_was_handed_ended_nothing():
    document = {"message": "middlewareError", "meta": {"message": "uncaughtException: uncaughtException: x"}}
    assert said(document) == '{"message":"middlewareError","meta":{"message":"uncaughtException: x"}}'
    assert said({"message": "middlewareError"}) == '{"message":"middlewareError"}'


@pytest.mark.parametrize(
    "document, style, request_",
    [
        ({"res": {"statusCode": 200}, "req": {"method": "GET", "url": "/a"}}, "pino", LoggedRequest("GET", "/a", 200)),
        ({"res": {"statusCode": 200}, "req": {"method": "GET", "url": "/a"}}, "fastify", None),
        ({"res": {"statusCode": 500}, "responseTime": 0}, "fastify", LoggedRequest("", "", 500, 0.0)),
        ({"status": 200, "duration": 0.5, "request": {"uri": "/a"}}, "caddy", LoggedRequest("", "/a", 200, 500.0)),
        ({"status": 200, "duration": "12"}, "json", LoggedRequest("", "", 200, 12.0)),
        ({"status": True, "method": "GET"}, "json", None),
        ({"status": "ok", "method": "GET"}, "json", None),
        ({"status": 1200, "method": "GET"}, "json", None),
        ({"status": 200}, "json", None),
    ],
)
def test_a_document_tells_of_a_request_when_it_has_its_answer(document, style, request_):
    assert request_of(document, style) == request_


def test_the_stacks_of_all_errors_in_a_document_are_found():
    document = {
        "stack": "A: a",
        "err": {"stack": ["B: b", 1, "    at c"]},
        "error": {"stack": 1},
        "meta": {"stack": "D"},
    }
    assert error_texts(document) == ["A: a", "B: b\n    at c", "D"]
    assert error_texts({"err": "text"}) == []


@pytest.mark.parametrize(
    "document, status",
    [
        ({"status": 400}, 400),
        ({"err": {"statusCode": 413}}, 413),
        ({"meta": {"error": {"status": 400}}}, 400),
        ({"res": {"statusCode": 404}, "err": {"status": "no number"}}, 404),
        ({"err": "text"}, None),
    ],
)
def test_the_status_of_an_error_is_found(document, status):
    assert error_status(document) == status
