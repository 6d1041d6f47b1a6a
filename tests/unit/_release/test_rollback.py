# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.filter.plan_rollback import plan_rollback
from ansible_collections.greenlight.release.plugins.filter.rollback_end import rollback_end
from ansible_collections.greenlight.release.plugins.module_utils._release import rollback

ID, NEWER = "20260219T020000Z-bbbbbbbb", "20260220T020000Z-cccccccc"
ABORTED = {"id": NEWER, "status": "aborted"}


def record(status="watching", stage="switched", **facts):
    return {
        "id": ID,
        "status": status,
        "stage": stage,
        "from_revision": "a" * 40,
        "to_revision": "b" * 40,
        "facts": {"app_path": "/srv/shop", "database_path": "/srv/shop/app.db", **facts},
    }


def plan(given, newest=None, release="", reason="asked for by a person", decision=None):
    records = {"record": given, "releases": [given, *([newest] if newest else [])]}
    return plan_rollback(records, "shop", "/var/lib/greenlight/shop", release, reason, decision)


@pytest.mark.parametrize(
    "status, stage, action",
    [
        ("in_progress", "opened", "give_up"),
        ("in_progress", "prepared", "roll_back"),
        ("in_progress", "switched", "roll_back"),
        ("in_progress", "rolling_back", "roll_back"),
        ("watching", "switched", "roll_back"),
        ("healthy", "switched", "roll_back"),
        ("failed", "rolling_back", "roll_back"),
        ("failed", "opened", "roll_back"),
        ("rolled_back", "rolling_back", "nothing"),
        ("aborted", "opened", "nothing"),
    ],
)
@pytest.mark.parametrize("release", ["", ID])
def test_the_newest_release_is_rolled_back_as_far_as_it_had_come(status, stage, release, action):
    given = record(status, stage)
    assert rollback.choose_action(given, given, release) == action


@pytest.mark.parametrize(
    "newest, release, action",
    [
        (None, "20260218T020000Z-aaaaaaaa", "nothing"),
        (ABORTED, "", "nothing"),
        (ABORTED, NEWER, "nothing"),
        (ABORTED, ID, "roll_back"),
        ({"id": NEWER, "status": "in_progress"}, "", "roll_back"),
    ],
)
def test_a_release_that_was_not_meant_is_left_alone(newest, release, action):
    assert plan(record(), newest, release)["action"] == action


@pytest.mark.parametrize(
    "given, newest, release, hint",
    [
        (record("rolled_back"), None, "", ""),
        (record("rolled_back"), ABORTED, "", ""),
        (record("in_progress"), ABORTED, "", ""),
        (record("watching"), ABORTED, ID, ""),
        *(
            (record(status), ABORTED, "", f"; to roll back the one before it, which is {status}, set ")
            for status in ("watching", "healthy", "failed")
        ),
    ],
)
def test_why_nothing_is_rolled_back_and_how_to_is_said(given, newest, release, hint):
    last = newest or given
    end = f"{hint}greenlight_rollback_release to {ID}" if hint else ""
    said = f"The newest release of shop here is {last['id']}, {last['status']}, so nothing is rolled back{end}"
    assert plan(given, newest, release)["why_nothing"] == said


@pytest.mark.parametrize("stage", ["opened", "switched", "rolling_back"])
def test_a_first_release_that_was_killed_is_not_rolled_back_but_closed(stage):
    found = plan(record("in_progress", stage, first=True))
    assert (found["action"], found["why_nothing"]) == (
        "nothing",
        f"Release {ID} is the first one of shop, before which nothing ran, so nothing is rolled back; close it with -e "
        "greenlight_close_as_is=true, and then run greenlight.release.deploy where the app runs, else "
        "greenlight.release.first",
    )


def test_the_decision_to_roll_back_goes_into_the_record_with_its_reason():
    assert plan(record())["observation"] == {"decision": "rollback", "reason": "asked for by a person"}
    judged = {"decision": "monitor", "reason": "x", "age": 3}
    assert plan(record(), reason="no answer", decision=judged)["observation"] == {
        "decision": "rollback",
        "reason": "no answer",
        "age": 3,
    }


@pytest.mark.parametrize(
    "status, stage, resumes",
    [
        ("in_progress", "rolling_back", True),
        ("in_progress", "switched", False),
        ("failed", "rolling_back", False),
        ("rolled_back", "rolling_back", False),
    ],
)
def test_a_rollback_that_is_resumed_keeps_the_reason_of_the_first_one(status, stage, resumes):
    assert ("observation" not in plan(record(status, stage))) is resumes


@pytest.mark.parametrize(
    "status, stage, decision, step, known, rejects",
    [
        ("watching", "switched", None, "", None, True),
        ("failed", "rolling_back", None, "", None, True),
        ("in_progress", "switched", None, "", None, False),
        ("in_progress", "switched", {"decision": "monitor"}, "back_up", None, False),
        ("in_progress", "switched", {"decision": "rollback"}, "", None, True),
        ("in_progress", "switched", None, "migrate", None, True),
        ("in_progress", "switched", None, "start", None, True),
        ("in_progress", "rolling_back", None, "", True, True),
        ("in_progress", "rolling_back", {"decision": "rollback"}, "", False, False),
        ("in_progress", "rolling_back", None, "", None, False),
    ],
)
def test_only_what_the_revision_did_speaks_against_it(status, stage, decision, step, known, rejects):
    given = record(status, stage, **({} if known is None else {"rejects": known}))
    records = {"record": given, "releases": [given]}
    assert plan_rollback(records, "shop", "/s", "", "x", decision, step)["rejects"] is rejects


@pytest.mark.parametrize(
    "started, was_ill",
    [({"value": False, "note": "it is stopped"}, True), (False, True), ({"value": True}, False), (None, False)],
)
def test_a_revision_that_did_not_serve_before_was_ill(started, was_ill):
    assert plan(record(baseline={"server_starts": started}))["was_ill"] is was_ill
    assert plan(record())["was_ill"] is False


def adjust(env, before, after):
    return {"env": env, "from": before, "to": after}


@pytest.mark.parametrize(
    "adjustments, environment",
    [
        ([], {}),
        ([adjust("TTL", "30", "60")], {"TTL": "30"}),
        ([adjust("TTL", "30", "60"), adjust("TTL", "60", "120")], {"TTL": "30"}),
        ([adjust("TTL", None, "60"), adjust("POOL", "5", "10"), adjust("TTL", "60", None)], {"TTL": None, "POOL": "5"}),
    ],
)
def test_of_several_adjustments_of_a_variable_the_first_says_what_it_was(adjustments, environment):
    assert plan(record(adjustments=adjustments))["environment"] == environment
    assert plan(record())["environment"] == {}


def test_hooks_and_notifications_get_the_release_and_the_direction():
    assert plan(record())["context"] == {
        "direction": "back",
        "app": "shop",
        "app_path": "/srv/shop",
        "state_path": "/var/lib/greenlight/shop",
        "database_path": "/srv/shop/app.db",
        "database_paths": ["/srv/shop/app.db"],
        "release_id": ID,
        "from_revision": "a" * 40,
        "to_revision": "b" * 40,
    }


KEPT = {"restored": False, "reason": "it is sound", "set_aside": None, "lost": ""}
RESTORED = {"restored": True, "reason": "its schema changed", "set_aside": "/aside", "lost": "3 rows of items"}
AGAIN = {**RESTORED, "reason": "its file is not sound"}


@pytest.mark.parametrize(
    "now, before, known",
    [
        (RESTORED, {}, RESTORED),
        (KEPT, {}, KEPT),
        ({}, {}, {}),
        (KEPT, {"restored": RESTORED}, RESTORED),
        ({}, {"restored": RESTORED}, RESTORED),
        (AGAIN, {"restored": RESTORED}, AGAIN),
    ],
)
def test_what_a_rollback_that_died_had_restored_is_not_forgotten(now, before, known):
    facts = {"database_path": "/srv/shop.db", **before}
    (told,) = rollback_end(facts, [{"path": "/srv/shop.db", **now}] if now else [])["databases"]
    assert told["path"] == "/srv/shop.db"
    assert {name: value for name, value in told.get("restored", {}).items() if name != "path"} == known


def test_each_of_several_databases_has_its_own_end_and_one_without_any_has_none():
    paths = [f"/srv/{name}.db" for name in ("a", "b", "c")]
    facts = {"databases": [{"path": path, "backup": f"/b{path}"} for path in paths]}
    facts["databases"][1]["restored"] = RESTORED
    end = rollback_end(facts, [{"path": path, **KEPT} for path in paths[:2]])
    assert [each.get("restored", {}).get("restored") for each in end["databases"]] == [False, True, None]
    assert [each["backup"] for each in end["databases"]] == [f"/b{path}" for path in paths]
    assert end["message"] == (
        "The database /srv/a.db was kept, as it is sound. The database /srv/b.db was restored, as its schema changed. "
        "What it replaced is in /aside; not in the backup are: 3 rows of items."
    )
    assert rollback_end({"databases": []}, []) == {"databases": [], "message": ""}


SAID = "The database was restored, as its schema changed. What it replaced is in "


@pytest.mark.parametrize(
    "restored, evidence, message",
    [
        ({}, None, ""),
        (KEPT, "", "The database was kept, as it is sound."),
        ({**KEPT, "question": "A person must decide."}, "", "A person must decide."),
        (KEPT, "/evidence", "The database was kept, as it is sound. What was seen of the release is in /evidence."),
        (RESTORED, "", f"{SAID}/aside; not in the backup are: 3 rows of items."),
        ({**RESTORED, "lost": ""}, "", f"{SAID}/aside."),
        ({**RESTORED, "lost": "", "set_aside": None}, "", f"{SAID}no place, as there was nothing."),
        (
            {**RESTORED, "lost": ""},
            "/evidence",
            f"{SAID}/aside. What was seen of the release is in /evidence.",
        ),
    ],
)
def test_the_end_says_what_became_of_the_database_and_where_the_evidence_is(restored, evidence, message):
    facts = {"database_path": "/srv/shop.db", **({} if evidence is None else {"evidence_path": evidence})}
    assert rollback_end(facts, [{"path": "/srv/shop.db", **restored}])["message"] == message


@pytest.mark.parametrize(
    "status, hint", [("watching", True), ("healthy", True), ("failed", False), ("closed_as_is", False)]
)
def test_the_release_that_later_ones_were_rolled_back_to_is_named(status, hint):
    kept = {**record(status), "id": "20260218T020000Z-aaaaaaaa", "from_revision": "z", "to_revision": "a"}
    newest = {**record("rolled_back"), "from_revision": "a", "to_revision": "b"}
    told = plan_rollback({"record": newest, "releases": [kept, newest]}, "shop", "/s", "", "x")["why_nothing"]
    said = f"; to roll back the one before it, which is {status}, set greenlight_rollback_release to {kept['id']}"
    assert told.endswith(said if hint else "rolled_back, so nothing is rolled back")
    named = plan_rollback({"record": kept, "releases": [kept, newest]}, "shop", "/s", kept["id"], "x")
    assert named["action"] == ("nothing" if status == "closed_as_is" else "roll_back")
