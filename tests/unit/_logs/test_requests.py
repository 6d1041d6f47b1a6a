# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk
from ansible_collections.greenlight.release.plugins.module_utils._logs.requests import (
    Styles,
    all_requests,
    failed_requests,
)


def chunk_of(*lines):
    return Chunk("".join(f"{line}\n" for line in lines).encode())


@pytest.mark.parametrize("given, count", [(["auto"], 2), (["morgan"], 1), (["plain", "morgan"], 2), (["pino"], 0)])
def test_requests_are_found_by_the_styles_that_are_given_or_found_out(given, count):
    chunk = chunk_of("GET /a 200 1.5 ms - 12", "Sent GET /b 500", "GET started")
    assert all_requests(Styles(given)).count(chunk) == count


def test_a_style_that_comes_later_is_found_too():
    styles = Styles(["auto"])
    requests, failed = all_requests(styles), failed_requests(styles)
    chunks = [chunk_of("GET /a 200 1.5 ms - 12"), chunk_of('{"level":30,"method":"GET","statusCode":500}')]
    assert [(len(requests.find(each)), len(failed.find(each))) for each in chunks] == [(1, 0), (1, 1)]
    assert styles.found == ["morgan", "pino"]
    assert failed.matches("GET /a 502 1.5 ms - 12")
    assert not failed.matches("GET /a 200 1.5 ms - 12")


def test_an_error_with_a_status_is_no_request():
    error = '{"level":50,"err":{"statusCode":500},"msg":"x"}'
    request = '{"level":30,"method":"GET","statusCode":500}'
    styles = Styles(["pino"])
    assert all_requests(styles).count(chunk_of(error, request)) == 1
    assert failed_requests(styles).count(chunk_of(error, request)) == 1


def test_of_very_many_requests_only_failed_ones_are_read_whole():
    chunk = chunk_of(*['{"level":30,"method":"GET","statusCode":200}'] * 2000, '{"level":50,"err":{"statusCode":500}}')
    styles = Styles(["auto"])
    requests = all_requests(styles)
    assert (requests.count(chunk), failed_requests(styles).count(chunk)) == (2001, 0)
    assert (requests.count(chunk_of('{"level":30,"method":"GET","statusCode":200}')), len(requests.find(chunk))) == (
        1,
        2001,
    )


def test_requests_that_koa_logger_writes_are_found():
    chunk = chunk_of(
        "  <-- GET /a", "  --> GET /a 200 3ms 12b", "  <-- GET /b", "  xxx GET /b 500 3ms -", "    at x (/y.js:1:1)"
    )
    styles = Styles(["auto"])
    assert (all_requests(styles).count(chunk), failed_requests(styles).count(chunk)) == (2, 1)
