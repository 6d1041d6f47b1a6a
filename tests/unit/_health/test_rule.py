# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import rule
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer

HEALTH_JSON = "application/health+json; charset=utf-8"
TERMINUS = {"status": "ok", "info": {"db": {"status": "up"}}, "error": {}, "details": {"db": {"status": "up"}}}


def answer(body="", status=200, content_type=""):
    text = body if isinstance(body, str) else json.dumps(body)
    kind = content_type or ("application/json" if text != body else "text/plain")
    return Answer(status, 1.0, {"content-TYPE": kind}, text)


def page(title, text=""):
    return answer(f"<!DOCTYPE html><html><title>{title}</title>{text}</html>", content_type="text/html")


# What apps answer while they are well, in words, what they may answer as well, and what they may not.
SHAPES = [
    (answer("OK"), "status 200 and a text like 'OK'", answer("OK\n"), answer("ERROR: no database")),
    (answer("OK"), "status 200 and a text like 'OK'", answer("OK"), answer("NOT OK")),
    (
        answer("shop 1.4.2 is up, 17 s"),
        r"status 200 and a text like 'shop\\s+\\S+\\s+is\\s+up,\\s+\\S+\\s+s'",
        answer("shop 2.0.0-rc1 is up, 3 s"),
        answer("shop 2.0.0 is broken, 3 s"),
    ),
    (answer("fine\n" * 90), "status 200 and a text that names no error", answer("other"), answer("Error: no database")),
    (answer('"OK"', content_type="application/json"), "", answer('"OK"'), answer('"down"')),
    (
        answer({"status": "UP"}),
        "status 200 and JSON in which status is 'UP'",
        answer({"status": "ok"}),
        answer({"status": "DOWN"}),
    ),
    (
        answer({"status": "UP", "components": {"db": {"status": "UP"}}}),
        "",
        answer({"status": "UP"}),
        answer({"status": "OUT_OF_SERVICE"}),
    ),
    (
        answer({"status": "UP", "components": {"db": {"status": "UP"}}}),
        "",
        answer({"status": "UP", "components": {"mail": {"status": "DOWN"}}}),
        answer({"status": "UP", "components": {"db": {"status": "DOWN"}}}),
    ),
    (
        answer({"status": "ok", "db": "connected"}),
        "status 200 and JSON in which status is 'ok'",
        answer({"status": "ok", "db": "reconnecting"}),
        answer({"status": "ok", "db": "disconnected"}),
    ),
    (
        answer({"ok": True, "database": True, "leader": True, "cache": {"ready": True}, "old": "yes"}),
        "",
        answer({"ok": True, "database": True, "leader": False, "cache": {"ready": False}, "old": "no"}),
        answer({"ok": True, "database": False, "leader": True}),
    ),
    (answer({"ok": True}), "status 200 and JSON in which ok is True", answer({"ok": True}), answer({"ok": False})),
    (answer({"ok": 1}), "status 200 and JSON in which ok is 1", answer({"ok": 1, "more": 2}), answer({"ok": 0})),
    (answer({"healthy": True}), "", answer({"healthy": True}), answer({"healthy": "true", "status": "fail"})),
    (answer({"healthy": True}), "", answer({"healthy": True, "a": 1}), answer({"a": 1})),
    (
        answer({"status": "pass", "checks": {}}, content_type=HEALTH_JSON),
        "status 200 and JSON in which status is 'pass'",
        answer({"status": "warn"}, content_type=HEALTH_JSON),
        answer({"status": "fail"}, content_type=HEALTH_JSON),
    ),
    (answer(TERMINUS), "", answer(TERMINUS), answer({**TERMINUS, "status": "error"})),
    (
        answer({"success": True, "data": {"status": "ok", "uptime": 7}}),
        "status 200 and JSON in which success is True and data.status is 'ok'",
        answer({"success": True, "data": {"status": "ok", "uptime": 0}}),
        answer({"success": True, "data": {"status": "down"}}),
    ),
    (
        answer({"status": "degraded"}),
        "status 200 and JSON in which status is 'degraded'",
        answer({"status": "ok"}),
        answer({"status": "stale"}),
    ),
    (answer({"status": 200}), "", answer({"status": 200}), answer({"status": 500})),
    (
        answer({"uptime": 12, "status": "2026-02-19"}),
        "status 200 and JSON without an error",
        answer({"uptime": 0, "status": "2026-02-20"}),
        answer({"error": "no database"}),
    ),
    (answer([1]), "status 200 and JSON without an error", answer({"x.y": 1}), answer("x")),
    (answer({"up": 7}), "status 200 and JSON without an error", answer({"up": 0}), answer({"errors": ["x"]})),
    (answer("", 204), "status 204 and no body", answer("", 204), answer("", 200)),
    (answer(""), "status 200 and no body", answer("OK"), answer("", 500)),
    (page("Shop"), "status 200 and a page that is not one of an error", page("Shop 2"), page("500: Internal Error")),
    (page("Shop"), "", page("Errors of 2026"), page("Error")),
    (page("Shop"), "", page("Shop"), answer("OK")),
]


@pytest.mark.parametrize("well, words, as_well, ill", SHAPES)
def test_a_good_answer_is_one_like_those_of_the_app_while_it_was_well(well, words, as_well, ill):
    assert rule.problem_by({}, well) == ""
    found = rule.infer([well, well])
    assert rule.describe(found) == words or not words
    # It is kept in the release record.
    kept = json.loads(json.dumps(found))
    assert (rule.problem_by(kept, well), rule.problem_by(kept, as_well)) == ("", "")
    assert rule.problem_by(kept, ill) != ""


@pytest.mark.parametrize(
    "said, problem",
    [
        (answer("OK", 503), "status 503"),
        (answer("", 302), "status 302, a redirect, which follow_redirects follows"),
        (answer("ERROR: no database"), "the body is 'ERROR: no database'"),
        (answer("no"), "the body is 'no'"),
        (answer("Not ready yet"), "the body is 'Not ready yet'"),
        (answer({"status": "DOWN"}), "status is 'DOWN'"),
        (answer({"Status": "Error"}), "Status is 'Error'"),
        (answer({"ok": False}), "ok is 'false'"),
        (answer({"status": 503}), "status is '503'"),
        (answer({"data": {"healthy": "false"}}), "data.healthy is 'false'"),
        (answer({"errors": [1]}), "it names an error: '{\"errors\": [1]}'"),
        (answer('{"status": "ok", "status": "fail"}'), "the body is ambiguous, it has 'status' twice"),
        (
            answer('{"status": "ok"', content_type="application/json"),
            'application/json is no JSON: \'{"status": "ok"\'',
        ),
        (answer("OK", content_type="application/json"), "application/json is no JSON: 'OK'"),
        (page("502 Bad Gateway"), "the page is one of an error: '<!DOCTYPE html>"),
    ],
)
def test_what_every_app_means_alike_is_bad_whatever_it_answered_before(said, problem):
    assert rule.problem_by({}, said).startswith(problem)
    assert rule.problem_by({"status": [200, 503, 302], "kind": ""}, said) or said.status in (503, 302)


def test_where_nobody_knows_what_was_answered_before_a_word_must_be_known_to_be_good():
    strange = {"kind": "", "strange": True}
    problem = rule.problem_by(strange, answer({"status": "degraded"}))
    assert problem == "status is 'degraded', and no good answer of the old revision is known to compare it with"
    for good in (
        {"status": "ok"},
        {"status": "UP", "state": "two words 1"},
        {"ok": True},
        {"version": "degraded"},
        "degraded",
    ):
        assert rule.problem_by(strange, answer(good)) == ""
    assert rule.problem_by(strange, answer({"status": "down"})) == "status is 'down'"
    assert rule.describe(strange) == "status 200 to 299"


@pytest.mark.parametrize(
    "said", ["No problems", "Error rate: 0 %", "errors 0", "# HELP up Whether it is up", "Downloads work"]
)
def test_words_that_begin_like_an_error_are_none(said):
    assert rule.problem_by({}, answer(said)) == ""


def test_what_differs_between_good_answers_is_left_open():
    words = rule.infer([answer({"state": "idle", "ok": True}), answer({"state": "busy", "ok": True, "x": 1})])
    assert words["values"] == {"state": ["idle", "busy"], "ok": [True]}
    assert rule.infer([answer({"state": "idle"}), answer({"ok": True})])["values"] == {}
    assert rule.infer([answer("OK for ann"), answer("OK for bob")])["pattern"] == r"OK\s+for\s+\S+"
    assert rule.infer([answer("OK"), answer("OK OK")])["pattern"] == ""
    mixed = rule.infer([answer("OK"), answer({"ok": True}, 201)])
    assert (mixed, rule.describe(mixed)) == ({"status": [200, 201], "kind": ""}, "status 200 or 201")
    assert rule.problem_by(mixed, answer("anything")) == ""


@pytest.mark.parametrize(
    "before, now, problem",
    [
        (answer("OK"), answer("fine"), "the body is 'fine', and it was like 'OK'"),
        (answer("OK"), answer("OK", 201), "status 201, and it was 200"),
        (answer("OK"), answer({"ok": True}), "the answer is JSON '{\"ok\": true}', and it was the text"),
        (answer({"ok": True}), page("Shop"), "the answer is a page '<!DOCTYPE html><html><title>Shop"),
        (answer({"ok": True}), answer({}), "there is no ok, and it was True"),
        (answer({"state": "idle"}), answer({"state": "lost"}), "state is 'lost', and it was 'idle'"),
    ],
)
def test_what_is_other_than_before_is_said_beside_what_it_was(before, now, problem):
    assert rule.problem_by(rule.infer([before]), now).startswith(problem)
