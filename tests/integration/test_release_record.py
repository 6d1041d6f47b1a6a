# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

OLD, NEW = "a" * 40, "b" * 40


def opening(tmp_path, **more):
    return {
        "state": "opened",
        "state_path": str(tmp_path / "state"),
        "app": "shop",
        "release_id": "20260219T020000Z-bbbbbbbb",
        "from_revision": OLD,
        "to_revision": NEW,
        "run_id": "run 1",
        "by": "alice",
        **more,
    }


def following(tmp_path, state, **more):
    return {"state": state, "state_path": str(tmp_path / "state"), "run_id": "run 1", **more}


def test_a_release_is_opened_noted_and_closed(run_module, tmp_path):
    predicted = run_module("release_record", opening(tmp_path), check=True)
    assert (predicted["changed"], (tmp_path / "state").exists()) == (True, False)
    opened = run_module("release_record", opening(tmp_path), diff=True)
    assert (opened["changed"], opened["diff"]["before"]) == (True, {})
    assert run_module("release_record", opening(tmp_path))["changed"] is False
    refused = run_module("release_record", opening(tmp_path, run_id="run 2"))
    assert "is held by alice since" in refused["msg"]
    noted = run_module("release_record", following(tmp_path, "noted", stage="switched", facts={"a": 1}))
    assert (noted["record"]["stage"], noted["record"]["facts"]) == ("switched", {"a": 1})
    closed = run_module("release_record", following(tmp_path, "closed", outcome="watching", watch_seconds=3600))
    assert (closed["record"]["status"], closed["record"]["lock"]) == ("watching", None)
    info = run_module("release_record_info", {"state_path": str(tmp_path / "state")})
    assert (info["exists"], info["watch_open"], info["lock"]) == (True, True, "")
    with Path(info["file"]).open(encoding="utf-8") as file:
        assert json.load(file) == info["record"]


def test_a_rollback_that_died_is_reported_once_its_lease_expired(run_module, tmp_path):
    run_module("release_record", opening(tmp_path))
    run_module("release_record", following(tmp_path, "noted", stage="rolling_back", lease=1800))
    asked = {"state_path": str(tmp_path / "state")}
    assert run_module("release_record_info", asked)["died"] is False
    info = run_module("release_record_info", {**asked, "now": "2126-02-19T02:00:00Z"})
    assert (info["died"], "at stage rolling_back; its lease expired at" in info["lock"]) == (True, True)


def test_a_run_that_failed_releases_its_lock_for_the_next_one(run_module, tmp_path):
    run_module("release_record", opening(tmp_path))
    run_module("release_record", following(tmp_path, "noted", stage="rolling_back"))
    next_run = following(tmp_path, "noted", run_id="run 2", stage="rolling_back")
    assert "wait for it to end" in run_module("release_record", next_run)["msg"]
    unlocked = following(tmp_path, "unlocked")
    assert run_module("release_record", unlocked, check=True)["changed"] is True
    assert run_module("release_record", unlocked)["record"]["lock"] is None
    assert run_module("release_record", unlocked)["changed"] is False
    info = run_module("release_record_info", {"state_path": str(tmp_path / "state")})
    assert (info["died"], info["lock"].endswith("is open at stage rolling_back")) == (True, True)
    assert run_module("release_record", next_run)["record"]["lock"]["run_id"] == "run 2"


def test_a_release_is_held_before_something_that_takes_long(run_module, tmp_path):
    run_module("release_record", opening(tmp_path))
    held = run_module("release_record", following(tmp_path, "held", lease=864000))["record"]["lock"]
    assert held["until"] > run_module("release_record", following(tmp_path, "held"))["record"]["lock"]["until"]
    assert "held by alice" in run_module("release_record", following(tmp_path, "held", run_id="run 2"))["msg"]
    run_module("release_record", following(tmp_path, "unlocked"))
    nobody = run_module("release_record", following(tmp_path, "held"))
    assert (nobody["changed"], nobody["record"]["lock"]) == (False, None)


def test_a_rejected_revision_is_refused(run_module, tmp_path):
    run_module("release_record", opening(tmp_path))
    run_module("release_record", following(tmp_path, "closed", outcome="rolled_back"))
    again = opening(tmp_path, run_id="run 2", release_id="20260220T020000Z-bbbbbbbb")
    assert "was rejected by release 20260219T020000Z-bbbbbbbb" in run_module("release_record", again)["msg"]
    assert run_module("release_record", {**again, "retry_rejected": True})["changed"] is True


def test_a_release_that_is_not_over_is_told_before_anything_is_measured(run_module, tmp_path):
    asked = {"state_path": str(tmp_path / "state"), "new_release": "never"}
    assert run_module("release_record_info", asked)["exists"] is False
    run_module("release_record", opening(tmp_path))
    assert "is held by alice since" in run_module("release_record_info", asked)["msg"]
    late = {**asked, "new_release": "stale", "now": "2126-02-19T02:00:00Z"}
    assert run_module("release_record_info", late)["died"] is True
    run_module("release_record", following(tmp_path, "closed", outcome="aborted"))
    assert run_module("release_record_info", asked)["record"]["status"] == "aborted"


def test_a_release_that_may_not_begin_is_refused_and_only_warned_about_in_check_mode(run_module, tmp_path):
    given = opening(tmp_path, refuse="it is late")
    assert run_module("release_record", given)["msg"] == "No release of shop may begin now: it is late"
    assert not (tmp_path / "state").exists()
    rehearsed = run_module("release_record", given, check=True)
    assert (rehearsed["changed"], "it is late" in json.dumps(rehearsed["warnings"])) == (True, True)
    run_module("release_record", opening(tmp_path))
    assert run_module("release_record", following(tmp_path, "noted", stage="x", refuse="it is late"))["changed"] is True


def test_a_host_without_a_release_has_none(run_module, tmp_path):
    info = run_module("release_record_info", {"state_path": str(tmp_path / "nothing")})
    assert (info["exists"], info["record"], info["age"]) == (False, None, None)
    assert (info["lock"], info["died"]) == ("", False)
    noted = run_module("release_record", following(tmp_path, "noted", stage="x"))
    assert "No release of this app is on record" in noted["msg"]
    (tmp_path / "state" / "releases" / "x.json").write_text("{")
    broken = run_module("release_record_info", {"state_path": str(tmp_path / "state")})
    assert "x.json is not valid JSON, perhaps truncated" in broken["msg"]


def test_the_hours_of_a_watch_can_be_named(run_module, tmp_path):
    def at(hour):
        return f"2026-02-19T{hour:02}:00:00Z"

    def note(hour, **observation):
        run_module("release_record", following(tmp_path, "noted", now=at(hour), observation=observation))

    facts = {"cursor": {"taken": "switch"}, "known_kinds": {}}
    run_module("release_record", opening(tmp_path, now=at(1), facts=facts))
    run_module("release_record", following(tmp_path, "noted", now=at(2), stage="switched"))
    note(3, measurements={"cache_hit_rate": 20.0}, cursor={"taken": 3})
    note(4, measurements={"cache_hit_rate": 40.0}, cursor={"taken": 4})
    found = run_module("release_record_info", {"state_path": str(tmp_path / "state"), "now": at(5)})
    assert found["age"] == 3 * 3600
    since = {"cursor": {"taken": 4}, "known_kinds": {}, "from_switch": False, "counted": {}, "own": {}}
    assert found["watch"]["since"] == since
    assert found["watch"]["first_measurements"] == {"cache_hit_rate": 20.0}
    assert found["watch"]["readings"] == {"cache_hit_rate": [20.0, 40.0]}
    assert (found["watch"]["same_hour"], found["watch"]["baseline_since"]) == (None, {})


def test_a_time_that_is_none_is_refused(run_module, tmp_path):
    for module, arguments in (
        ("release_record", opening(tmp_path, now="soon")),
        ("release_record_info", {"state_path": str(tmp_path), "now": "soon"}),
    ):
        assert (
            "now must be a time in UTC such as 2026-02-19T02:00:00Z, not 'soon'" in run_module(module, arguments)["msg"]
        )


def test_evidence_is_kept_before_the_note_and_only_by_the_run_that_holds_the_release(run_module, tmp_path):
    log = tmp_path / "shop-error.log"
    log.write_text("before\n")
    marked = run_module("log_assert", {"state": "mark", "files": [{"path": str(log), "stream": "err"}]})
    run_module("release_record", opening(tmp_path))
    with log.open("a") as file:
        file.write("SyntaxError\n")
    evidence = {"cursor": marked["cursor"], "findings": {"decision": {"reason": "server_starts"}}}
    asked = following(tmp_path, "noted", stage="rolling_back", evidence=evidence)
    folder = tmp_path / "state" / "evidence" / "20260219T020000Z-bbbbbbbb"
    assert "is held by alice" in run_module("release_record", {**asked, "run_id": "run 2"})["msg"]
    predicted = run_module("release_record", asked, check=True)
    assert (predicted["record"]["facts"], folder.exists()) == ({"evidence_path": str(folder)}, False)
    noted = run_module("release_record", asked)
    assert noted["record"]["facts"] == {"evidence_path": str(folder)}
    assert (folder / "0-shop-error.log").read_text() == "SyntaxError\n"
    assert json.loads((folder / "decision.json").read_text()) == {"reason": "server_starts"}


def test_a_rollback_does_not_wait_for_room_for_its_evidence(run_module, tmp_path):
    run_module("release_record", opening(tmp_path))
    (tmp_path / "state" / "evidence").write_text("")
    noted = run_module("release_record", following(tmp_path, "noted", stage="rolling_back", evidence={}))
    assert (noted["record"]["stage"], noted["record"]["facts"]) == ("rolling_back", {"evidence_path": ""})
    assert "The evidence cannot be kept in" in str(noted["warnings"])


@pytest.mark.parametrize("name", ["sqlite_backup", "release_tree"])
def test_what_changes_a_host_does_nothing_for_a_run_that_lost_its_release(run_module, tmp_path, repository, name):
    run_module("release_record", opening(tmp_path))
    database, checkout = tmp_path / "app.db", repository[0]
    sqlite3.connect(database).close()
    release = {"release_id": "20260219T020000Z-bbbbbbbb"}
    given = {
        "sqlite_backup": {"path": str(database), "dest": str(tmp_path / "backups")},
        "release_tree": {"state": "staged", "path": str(checkout), "sha": repository[1]["better"], **release},
    }
    heartbeat = {"state_path": str(tmp_path / "state"), "run_id": "run 2"}
    told = run_module(name, {**given[name], "heartbeat": heartbeat})["msg"]
    assert "This run lost the release to another: " in told
    assert "is held by alice" in told
    assert not (tmp_path / "backups").exists()
    assert not (checkout / ".git" / "greenlight" / release["release_id"]).exists()
