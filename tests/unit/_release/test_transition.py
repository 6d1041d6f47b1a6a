# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import store, transition
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError

NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)
ID, NEXT = "20260219T020000Z-bbbbbbbb", "20260219T030000Z-cccccccc"
NOTHING = {
    "release_id": None,
    "stage": None,
    "facts": {},
    "observation": None,
    "evidence": None,
    "outcome": None,
    "run_id": "run 1",
    "by": "alice",
    "lease": 60,
    "take_over": "never",
    "watch_seconds": 0,
}
OPENED = {
    **NOTHING,
    "state": "opened",
    "app": "shop",
    "release_id": ID,
    "retry_rejected": False,
    "from_revision": "a" * 40,
    "to_revision": "b" * 40,
}


def no_evidence(release_id):
    raise AssertionError(f"the evidence of {release_id} was kept")


def plan(records, state, keep_evidence=no_evidence, now=NOW, **given):
    base = OPENED if state == "opened" else NOTHING
    return transition.plan(records, {**base, "state": state, **given}, now, keep_evidence)


@pytest.fixture
def opened():
    return plan([], "opened", facts={"k": 1}).after


def test_a_release_is_opened_with_what_is_known_of_it():
    done = plan([], "opened", facts={"k": 1})
    assert (done.before, done.changed, list(done.others)) == (None, True, [])
    assert (done.after["id"], done.after["app"], done.after["facts"]) == (ID, "shop", {"k": 1})
    assert (done.after["lock"]["run_id"], done.after["lock"]["by"]) == ("run 1", "alice")


def test_opening_again_in_the_same_run_changes_nothing(opened):
    assert plan([opened], "opened") == transition.Transition(opened, opened)
    assert not plan([opened], "opened").changed


def test_a_new_release_aborts_the_dead_one_that_it_passes_over(opened):
    later = NOW + timedelta(hours=1)
    done = plan([opened], "opened", now=later, release_id=NEXT, run_id="run 2", take_over="stale")
    assert (done.before, done.after["id"]) == (None, NEXT)
    assert [(each["id"], each["status"]) for each in done.others] == [(ID, "aborted")]


def test_a_note_is_added_to_the_newest_release_or_to_the_one_that_is_named(opened):
    newest = {**opened, "id": NEXT}
    assert plan([opened, newest], "noted", stage="switched").after["id"] == NEXT
    done = plan([opened, newest], "noted", release_id=ID, stage="switched", facts={"n": 2})
    assert done.before == opened
    assert (done.after["id"], done.after["stage"], done.after["facts"]) == (ID, "switched", {"k": 1, "n": 2})


@pytest.mark.parametrize("folder", ["/state/evidence/x", ""], ids=["kept", "not kept"])
def test_the_folder_of_the_evidence_is_a_fact_of_its_release(opened, folder):
    asked = []
    done = plan([opened], "noted", lambda release_id: asked.append(release_id) or folder, facts={"n": 2}, evidence={})
    assert (asked, done.after["facts"]) == ([ID], {"k": 1, "n": 2, "evidence_path": folder})


def test_no_evidence_is_kept_by_a_run_that_does_not_hold_the_release(opened):
    with pytest.raises(RecordError, match="is held by alice"):
        plan([opened], "noted", run_id="run 2", evidence={})


def test_a_release_is_unlocked_and_stays_open(opened):
    after = plan([opened], "unlocked", facts={"n": 2}).after
    assert (after["lock"], after["status"], after["facts"]) == (None, "in_progress", {"k": 1, "n": 2})


@pytest.mark.parametrize("watch_seconds, status", [(0, "healthy"), (3600, "watching")])
def test_a_release_is_closed_with_its_outcome(opened, watch_seconds, status):
    after = plan([opened], "closed", outcome="watching", watch_seconds=watch_seconds).after
    assert (after["lock"], after["status"]) == (None, status)


@pytest.mark.parametrize("state", ["noted", "unlocked", "closed"])
def test_without_a_release_there_is_nothing_to_change(state):
    with pytest.raises(RecordError, match="No release of this app is on record"):
        plan([], state, outcome="healthy")


@pytest.mark.parametrize("is_new", [True, False])
def test_all_records_of_a_step_are_written_and_a_new_release_gets_its_space(tmp_path, opened, is_new):
    (tmp_path / "releases").mkdir()
    other, after = {**opened, "status": "aborted"}, {**opened, "id": NEXT}
    transition.write(tmp_path, transition.Transition(None if is_new else opened, after, [other]))
    assert store.read_records(tmp_path) == [other, after]
    assert (tmp_path / ".reserve").exists() is is_new


def test_a_release_is_held(opened):
    done = plan([opened], "held", lease=600)
    assert done.after == {**opened, "lock": {**opened["lock"], "until": "2026-02-19T02:10:00Z"}}
