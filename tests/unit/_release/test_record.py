# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release.record import Change, Opening, RecordError

NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(hours=1)
OLD, NEW = "a" * 40, "b" * 40


def opening(**changes):
    fields = {
        "app": "shop",
        "release_id": "20260219T020000Z-bbbbbbbb",
        "from_revision": OLD,
        "to_revision": NEW,
        "run_id": "run 1",
        "by": "alice",
        "lease": 60,
    }
    return Opening(**{**fields, **changes})


def change(run_id="run 1", **fields):
    return Change(run_id=run_id, by="bob", lease=60, **fields)


def opened(**changes):
    return release_record.open_release([], opening(**changes), NOW)


def closed(outcome, to_revision=NEW, **fields):
    record = opened(to_revision=to_revision)
    return {**release_record.close(record, outcome, change(), NOW), **fields}


def test_a_new_release_holds_its_own_lock():
    record = opened(facts={"k": 1})
    assert (record["status"], record["stage"], record["facts"]) == ("in_progress", "opened", {"k": 1})
    assert record["lock"] == {
        "run_id": "run 1",
        "by": "alice",
        "since": "2026-02-19T02:00:00Z",
        "until": "2026-02-19T02:01:00Z",
    }


def test_opening_again_by_the_same_run_changes_nothing():
    record = opened()
    assert release_record.open_release([record], opening(), LATER) is record


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"from_revision": "abc"}, "from_revision must be a full commit SHA in lower case, not 'abc'"),
        ({"to_revision": "B" * 40}, "to_revision must be a full commit SHA"),
        ({"release_id": "today"}, "release_id must look like 20260219T020000Z-0639294c, not 'today'"),
        ({"lease": 0}, "lease must be at least 1 second, not 0"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(wrong, message):
    with pytest.raises(RecordError, match=message):
        release_record.open_release([], opening(**wrong), NOW)


@pytest.mark.parametrize(
    "stage, take_over, when, message",
    [
        (None, "never", NOW, "held by alice since .*, at stage opened; its lease runs until .*; wait for it to end"),
        (None, "stale", NOW, "wait for it to end"),
        (None, "never", LATER, "its lease expired at .*; set greenlight_take_over to go on over it"),
        ("switching", "never", LATER, "run greenlight.release.rollback to roll the host back"),
        ("switching", "stale", LATER, "begun to change the host, so run greenlight.release.rollback first"),
    ],
)
def test_a_second_release_is_refused_with_who_when_and_stage(stage, take_over, when, message):
    first = opened() if stage is None else release_record.note(opened(), change(stage=stage), NOW)
    with pytest.raises(RecordError, match=message):
        release_record.open_release([first], opening(run_id="run 2", take_over=take_over), when)


def test_a_dead_release_that_changed_nothing_can_be_taken_over():
    first = opened()
    wanted = opening(run_id="run 2", take_over="stale", release_id="20260219T030000Z-bbbbbbbb")
    assert release_record.open_release([first], wanted, LATER)["lock"]["run_id"] == "run 2"
    aborted = release_record.abort_untouched([first, closed("healthy")], LATER)
    assert [(record["status"], record["lock"]) for record in aborted] == [("aborted", None)]


def test_an_id_is_used_once():
    with pytest.raises(RecordError, match="exists already"):
        release_record.open_release([closed("healthy")], opening(), LATER)


@pytest.mark.parametrize("before, sequence", [([], 1), ([{}], 2), ([{"sequence": 7}, {}], 8)])
def test_a_new_release_comes_after_all_others_whatever_the_clock_says(before, sequence):
    records = [closed("healthy", id="20990101T000000Z-bbbbbbbb", **each) for each in before]
    assert release_record.open_release(records, opening(), NOW)["sequence"] == sequence


@pytest.mark.parametrize(
    "outcomes, rejected",
    [
        (["rolled_back"], True),
        (["failed"], True),
        (["aborted"], False),
        (["rolled_back", "healthy"], False),
        (["healthy", "rolled_back"], True),
    ],
)
def test_a_revision_is_rejected_until_a_later_success(outcomes, rejected):
    records = [closed(outcome) for outcome in outcomes]
    assert (NEW in release_record.rejected_revisions(records)) is rejected


def test_a_release_that_nobody_judged_rejects_nothing():
    unjudged = {**closed("rolled_back"), "facts": {"rejects": False}}
    assert release_record.rejected_revisions([unjudged]) == {}


def test_a_rejected_revision_is_refused_until_it_is_tried_on_purpose():
    records = [closed("rolled_back", id="20260101T000000Z-bbbbbbbb")]
    with pytest.raises(RecordError, match="was rejected by release 20260101T000000Z-bbbbbbbb"):
        release_record.open_release(records, opening(), NOW)
    assert release_record.open_release(records, opening(retry_rejected=True), NOW)["to_revision"] == NEW


def test_a_stage_renews_the_lease_and_is_written_once():
    record = release_record.note(opened(), change(stage="switched", facts={"a": 1}), LATER)
    again = release_record.note(record, change(stage="switched"), LATER)
    assert again == record
    assert record["switched_at"] == "2026-02-19T03:00:00Z"
    assert record["lock"]["since"] == "2026-02-19T02:00:00Z"
    assert [entry["stage"] for entry in record["history"]] == ["opened", "switched"]


def test_an_observation_is_appended_with_its_decision():
    record = release_record.note(opened(), change(observation={"decision": "monitor", "reason": "why"}), LATER)
    assert record["observations"] == [{"at": "2026-02-19T03:00:00Z", "decision": "monitor", "reason": "why"}]
    assert (record["decision"], record["reason"]) == ("monitor", "why")


def test_a_record_keeps_its_first_observation_and_the_newest():
    record = opened()
    for number in range(release_record.OBSERVATIONS_KEPT + 5):
        record = release_record.note(record, change(observation={"number": number}), LATER)
    numbers = [each["number"] for each in record["observations"]]
    assert numbers == [0, *range(6, release_record.OBSERVATIONS_KEPT + 5)]


def test_a_stage_opens_a_closed_release_again():
    record = release_record.note(closed("watching"), change("rollback", stage="rolling_back"), LATER)
    assert (record["status"], record["closed_at"], record["lock"]["run_id"]) == ("in_progress", None, "rollback")


@pytest.mark.parametrize(
    "take_over, when, message",
    [
        ("never", NOW, "wait for it to end, or set greenlight_take_over"),
        ("stale", NOW, "wait for it to end"),
        ("never", LATER, "set greenlight_take_over to go on with it"),
    ],
)
def test_another_run_may_not_write(take_over, when, message):
    with pytest.raises(RecordError, match=message):
        release_record.note(opened(), change("run 2", take_over=take_over), when)


@pytest.mark.parametrize("take_over, when", [("any", NOW), ("stale", LATER)])
def test_another_run_may_take_over(take_over, when):
    record = release_record.note(opened(), change("run 2", take_over=take_over, stage="rolling_back"), when)
    assert record["lock"]["run_id"] == "run 2"


@pytest.mark.parametrize(
    "switched, watch_seconds, status, until",
    [
        (True, 7200, "watching", "2026-02-19T04:00:00Z"),
        (True, 60, "healthy", None),
        (False, 7200, "watching", "2026-02-19T05:00:00Z"),
    ],
)
def test_a_green_release_is_watched_from_its_switch_on(switched, watch_seconds, status, until):
    record = release_record.note(opened(), change(stage="switched"), NOW) if switched else opened()
    done = release_record.close(record, "watching", change(), LATER, watch_seconds)
    assert (done["status"], done["watch_until"], done["lock"]) == (status, until, None)


@pytest.mark.parametrize("age, status", [(59, "watching"), (60, "healthy")])
def test_a_watch_ends_only_when_its_last_rows_were_judged(age, status):
    record = release_record.note(opened(), change(stage="switched"), NOW)
    assert release_record.close(record, "watching", change(observation={"age": age}), LATER, 60)["status"] == status


@pytest.mark.parametrize(
    "decision, status",
    [("proceed", "healthy"), ("monitor", "healthy_with_findings"), ("adjust", "healthy_with_findings")],
)
def test_a_watch_that_ends_with_findings_says_so_and_the_release_is_kept(decision, status):
    record = release_record.note(opened(), change(stage="switched"), NOW)
    over = release_record.close(record, "watching", change(observation={"age": 60, "decision": decision}), LATER, 60)
    assert over["status"] == status
    assert release_record.rejected_revisions([closed("rolled_back"), over]) == {}
    assert release_record.close(over, "watching", change("watch"), LATER, 86400)["status"] == "watching"


def test_closing_twice_changes_nothing():
    record = closed("rolled_back")
    assert release_record.close(record, "rolled_back", change("other"), LATER) == record


@pytest.mark.parametrize("status", ["rolled_back", "failed", "aborted"])
def test_a_release_that_was_rolled_back_is_not_watched_again(status):
    with pytest.raises(RecordError, match=f"is {status}, so it cannot be watched"):
        release_record.close(closed(status), "watching", change("watch"), LATER, 86400)


def test_an_unknown_outcome_is_refused():
    with pytest.raises(RecordError, match="outcome must be one of watching"):
        release_record.close(opened(), "fine", change(), NOW)


def test_a_lock_that_is_gone_is_described():
    record = {**opened(), "lock": None}
    assert release_record.describe_lock(record, NOW) == "Release 20260219T020000Z-bbbbbbbb is open at stage opened"
    with pytest.raises(RecordError, match="is open"):
        release_record.open_release([record], opening(run_id="x"), NOW)


@pytest.mark.parametrize("hours, age", [(2, 7200), (-1, 0)])
def test_the_age_counts_from_the_switch_and_is_never_negative(hours, age):
    record = release_record.note(opened(), change(stage="switched"), NOW)
    assert release_record.age_of(record, NOW + timedelta(hours=hours)) == age


def test_a_release_that_was_not_switched_to_has_no_age():
    assert release_record.age_of(opened(), NOW) is None


@pytest.mark.parametrize(
    "statuses, needed",
    [
        ([], []),
        (["healthy"], ["/b/0"]),
        (["healthy", "healthy"], ["/b/1"]),
        (["watching", "in_progress", "healthy"], ["/b/1", "/b/2"]),
        (["failed", "rolled_back", "watching"], ["/b/2"]),
        (["healthy", "failed"], ["/b/1"]),
        (["healthy", "healthy", "in_progress"], ["/b/1", "/b/2"]),
        # An aborted release had changed nothing, so the one before it can be rolled back.
        (["healthy", "watching", "aborted", "aborted"], ["/b/1"]),
        (["aborted", "aborted"], ["/b/1"]),
    ],
)
def test_the_backups_that_a_rollback_could_need_are_known(statuses, needed):
    records = [{"status": status, "facts": {"backup": f"/b/{n}"}} for n, status in enumerate(statuses)]
    assert release_record.needed_backups(records) == needed
    assert release_record.needed_backups([{"status": "in_progress", "facts": {}}]) == []


def test_what_the_last_rollback_set_aside_is_needed():
    facts = [{"restored": {"restored": True, "set_aside": f"/aside/{number}"}} for number in range(2)]
    records = [{"status": "rolled_back", "facts": each} for each in facts]
    assert release_record.needed_backups(records) == ["/aside/1"]
    assert release_record.needed_backups([{"status": "rolled_back", "facts": {"restored": {"set_aside": None}}}]) == []


@pytest.mark.parametrize("observation", [{"decision": "rollback", "reason": "no answer"}, {"decision": "rollback"}])
def test_a_release_that_is_to_be_rolled_back_is_not_watched(observation):
    with pytest.raises(RecordError, match=observation.get("reason", "the decision is to roll back the release")):
        release_record.close(opened(), "watching", change(observation=observation), NOW)


def test_a_release_that_changes_the_host_meanwhile_is_not_aborted():
    begun = release_record.note(opened(), change(stage="switching"), NOW)
    with pytest.raises(RecordError, match="is at stage switching, so it has begun to change the host; roll it back"):
        release_record.close(begun, "aborted", change(), NOW)


@pytest.mark.parametrize("outcome", ["rolled_back", "aborted", "closed_as_is"])
def test_a_release_that_is_over_is_not_begun_again(outcome):
    over = closed(outcome)
    with pytest.raises(RecordError, match=f"is {outcome} since 2026-02-19T02:00:00Z; there is nothing to do"):
        release_record.note(over, change(run_id="run 2", stage="rolling_back"), LATER)
    assert release_record.note(over, change(run_id="run 2", facts={"a": 1}), LATER)["facts"] == {"a": 1}


def test_a_run_that_fails_releases_its_lock_and_leaves_the_release_open():
    begun = release_record.note(opened(), change(stage="rolling_back"), NOW)
    unlocked = release_record.unlock(begun, change(), NOW)
    assert (unlocked["status"], unlocked["stage"], unlocked["lock"]) == ("in_progress", "rolling_back", None)
    assert release_record.unlock(unlocked, change(), NOW) == unlocked
    assert release_record.note(unlocked, change("run 2", stage="rolling_back"), NOW)["lock"]["run_id"] == "run 2"


def test_the_lock_of_another_run_stays():
    with pytest.raises(RecordError, match="is held by alice"):
        release_record.unlock(opened(), change("run 2"), NOW)


def test_a_held_release_has_its_lease_renewed_and_one_of_nobody_stays():
    later = NOW + timedelta(seconds=30)
    held = release_record.hold(opened(), change(), later)
    assert held["lock"] == {**opened()["lock"], "until": "2026-02-19T02:01:30Z"}
    assert {**held, "lock": None} == {**opened(), "lock": None}
    nobody = release_record.unlock(opened(), change(), NOW)
    assert release_record.hold(nobody, change("run 2"), later) == nobody
    with pytest.raises(RecordError, match="is held by alice"):
        release_record.hold(opened(), change("run 2"), later)


def kept(number, status, from_revision, to_revision):
    ends = {"from_revision": from_revision, "to_revision": to_revision}
    return {"id": number, "status": status, **ends, "facts": {"backup": f"/b/{number}"}}


@pytest.mark.parametrize(
    "records, standing",
    [
        ([], None),
        ([kept(1, "watching", "a", "b")], 1),
        ([kept(1, "watching", "a", "b"), kept(2, "rolled_back", "b", "c")], 1),
        ([kept(1, "healthy", "a", "b"), kept(2, "rolled_back", "b", "c"), kept(3, "rolled_back", "b", "d")], 1),
        ([kept(1, "healthy", "a", "b"), kept(2, "aborted", "b", "c"), kept(3, "rolled_back", "b", "d")], 1),
        # Somebody else moved the host in between.
        ([kept(1, "watching", "a", "b"), kept(2, "rolled_back", "x", "c")], 2),
        ([kept(1, "watching", "a", "b"), kept(2, "closed_as_is", "b", "c"), kept(3, "rolled_back", "b", "d")], 3),
        # The old revision does not serve, or the host is in between.
        ([kept(1, "watching", "a", "b"), kept(2, "failed", "b", "c")], 2),
        ([kept(1, "watching", "a", "b"), kept(2, "in_progress", "b", "c")], 2),
        ([kept(1, "rolled_back", "a", "b"), kept(2, "rolled_back", "a", "c")], 2),
    ],
)
def test_the_release_that_stands_is_the_one_that_later_ones_were_rolled_back_to(records, standing):
    found = release_record.standing(records)
    assert (found[-1]["id"] if found else None) == standing


def test_the_backup_of_a_release_that_stands_is_needed_behind_one_that_was_rolled_back():
    records = [kept(1, "watching", "a", "b"), kept(2, "rolled_back", "b", "c")]
    assert release_record.needed_backups(records) == ["/b/1", "/b/2"]
