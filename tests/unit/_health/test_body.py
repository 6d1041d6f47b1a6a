# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import body
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer


@pytest.mark.parametrize(
    "pieces, status, headers, method, problem",
    [
        ([], 200, {"Content-Encoding": "gzip"}, "GET", "the body is encoded as 'gzip', though that was not asked for"),
        ([b"x" * 1_048_576], 200, {}, "GET", ""),
        ([b"x" * 1_048_576, b"x"], 200, {}, "GET", "the body is longer than 1048576 bytes"),
        ([b"half"], 200, {"Content-Length": "8"}, "GET", "the body was broken off after 4 of 8 bytes"),
        ([], 200, {"Content-Length": "8"}, "HEAD", ""),
        ([], 304, {"Content-Length": "8"}, "GET", ""),
        ([b"x"], 200, {"Content-Length": "many"}, "GET", ""),
    ],
)
def test_a_body_that_is_not_whole_or_meant_to_harm_is_reported(pieces, status, headers, method, problem):
    assert body.read_body(headers, status, pieces, method)[1] == problem


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert body.read_body({}, 200, [b"\xef\xbb\xbf{}", b" \xff"], "GET") == ("{} \ufffd", "")


def test_a_header_is_found_however_it_is_written():
    answer = Answer(200, 1.0, {"X-build": "7"})
    assert (body.header_of(answer, "x-build"), body.header_of(answer, "x-other")) == ("7", "")


@pytest.mark.parametrize(
    "text, quoted",
    [
        ("x" * 400, repr("x" * 300 + "...")),
        ("a\n  b\x1b[31mc", "'a bc'"),
        ('{"token": "abc"}', repr('{"token": ***}')),
    ],
)
def test_a_body_is_quoted_short_on_one_line_and_without_secrets(text, quoted):
    assert body.quote(text) == quoted
