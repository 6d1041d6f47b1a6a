# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs.entry import entry_at
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk

CRASH = """Listening
/srv/app.js:4
  throw new Error('gone');
  ^

Error: gone
    at start (/srv/app.js:4:1) {
  code: 'SQLITE_FULL'
}

Node.js v20.20.2
Listening
""".splitlines()


def entry_of(lines, number):
    """Return the entry that a line by its number belongs to."""
    return entry_at(
        Chunk("".join(f"{line}\n" for line in lines).encode()), len("".join(f"{x}\n" for x in lines[:number]))
    )


@pytest.mark.parametrize("number", [5, 6, 7, 8, 10])
def test_every_line_of_an_error_that_ended_the_app_belongs_to_its_first_line(number):
    entry = entry_of(CRASH, number)
    assert (entry.text, entry.ended_app) == ("Error: gone", True)
    assert entry.following == ("    at start (/srv/app.js:4:1) {", "  code: 'SQLITE_FULL'", "}")


@pytest.mark.parametrize("number, text", [(0, "Listening"), (2, "/srv/app.js:4"), (11, "Listening")])
def test_other_lines_belong_to_no_error(number, text):
    entry = entry_of(CRASH, number)
    assert (entry.text, entry.ended_app) == (text, False)


def test_an_error_may_be_the_last_line_or_the_only_one():
    assert entry_of(["Error: x"], 0).following == ()
    assert not entry_of(["Error: x", ""], 0).ended_app
    assert entry_of(["Error: x", "Node.js v22.1.0"], 0).ended_app
    assert entry_of(["    at x (y.js:1:1)"], 0).text == "    at x (y.js:1:1)"


def test_an_entry_has_an_end_however_long_it_is():
    lines = ["Error: x", *(["    at y (/z.js:1:1)"] * 500)]
    assert len(entry_of(lines, 0).following) == 100
    assert entry_of(lines, 400).text == "    at y (/z.js:1:1)"


def test_a_pattern_is_looked_for_in_message_and_properties():
    entry = entry_of(["Error: GET /FATAL", "    at FATAL (/a.js:1:1)", "  code: 'E_CODE',", "  url: '/x?q=FATAL'"], 0)
    found = {text: entry.matches(lambda line, text=text: text in line) for text in ("Error", "E_CODE", "FATAL")}
    assert found == {"Error": True, "E_CODE": True, "FATAL": False}


NO_JSON, PARSE = 'SyntaxError: "undefined" is not valid JSON', "    at JSON.parse (<anonymous>)"


@pytest.mark.parametrize(
    "lines, is_of_client",
    [
        (["Error: x"], False),
        (["Error: x", "    at y (/z.js:1:1) {", "  statusCode: 413,", "}"], True),
        (["Error: x", "    at y (/z.js:1:1) {", "  statusCode: 500,", "}"], False),
        (["SyntaxError: Unexpected end of JSON input"], True),
        (["SyntaxError: Unexpected end of JSON input", "", "Node.js v20.20.2"], False),
        ([NO_JSON, PARSE, "    at parse (/srv/node_modules/body-parser/lib/types/json.js:92:19)"], True),
        ([NO_JSON, PARSE, "    at onEnd (/srv/a.js:1:1)", "    at IncomingMessage.emit (node:events:518:28)"], True),
        # The app's own text that is no JSON, such as a column of its database.
        ([NO_JSON, PARSE, "    at cart (/srv/a.js:1:1)", "    at next (/srv/node_modules/router/x.js:1:1)"], False),
        ([json.dumps({"level": 50, "err": {"message": NO_JSON, "stack": f"{NO_JSON}\n{PARSE}"}})], True),
        ([json.dumps({"level": 50, "err": {"message": NO_JSON, "stack": f"{NO_JSON}\n    at a (/b.js:1:1)"}})], False),
        # What another service answered to the app.
        (["AxiosError: Request failed with status code 401", "    at y (/z.js:1:1) {", "  status: 401,", "}"], False),
        (['{"level":50,"err":{"type":"AxiosError","message":"x","status":404}}'], False),
        (['{"level":50,"err":{"message":"Response code 403 (Forbidden)","statusCode":403}}'], False),
        (['{"level":50,"res":{"statusCode":500},"err":{"message":"x","status":401}}'], False),
        (['{"level":"error","message":"x","status":422}'], True),
        (['{"level":"error","message":"x","status":503}'], False),
    ],
)
def test_what_a_client_did_wrong_is_told_from_what_the_app_did(lines, is_of_client):
    assert entry_of(lines, 0).is_of_client() is is_of_client


def test_the_level_of_a_request_is_none():
    assert entry_of(["[2026-02-19T02:00:00.000] [ERROR] http - GET / 404 1.5 ms - 12"], 0).level == 30
    assert entry_of(["[2026-02-19T02:00:00.000] [ERROR] shop - gone"], 0).level == 50


def test_a_kind_is_by_message_and_own_frame_and_whether_it_ended_the_app():
    def kind(message="x 1", frame="    at y (/srv/a.js:1:1)", *more):
        return entry_of([f"Error: {message}", "    at z (/srv/node_modules/z.js:3:3)", frame, *more], 0).kind()

    assert kind() == kind("x 2", "    at y (/opt/a.js:9:9)")
    assert kind() != kind("x 1", "    at other (/srv/a.js:1:1)")
    assert kind() != kind("x 1", "    at y (/srv/a.js:1:1)", "", "Node.js v20.20.2")
    assert kind() != kind("x 1", "    at y (/srv/a.js:1:1)", "  code: 'E_OTHER'")


KOA = """  <-- GET /

  TypeError: x is not a function
      at next (/srv/app.js:4:1)

  xxx GET / 500 3ms -
""".splitlines()


@pytest.mark.parametrize("number", [2, 3])
def test_an_error_that_is_moved_to_the_right_begins_behind_an_empty_line(number):
    """Koa writes each line of an error with two spaces before it."""
    entry = entry_of(KOA, number)
    assert (entry.text, entry.level) == ("  TypeError: x is not a function", 50)
    assert entry.following == ("      at next (/srv/app.js:4:1)",)
