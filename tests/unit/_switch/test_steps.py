# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Done, GitError
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._switch import steps as switch_steps
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import Course, Journey, SwitchError

OLD, NEW = "a" * 40, "b" * 40
ID = "20260219T020000Z-bbbbbbbb"
NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)
FORWARD = ["mark", "note_switching", "stop", "back_up", "move", "note_switched", "migrate", "start", "restart_others"]
BACK = ["stop", "restore", "move", "mark", "start", "restart_others"]


def course(direction="forward", phase="whole", strategy="restart", restart_app=True):
    return Course(direction, phase, strategy, OLD, NEW, restart_app)


@pytest.mark.parametrize(
    "given, steps",
    [
        (course(), FORWARD),
        (course(strategy="reload"), [step for step in FORWARD if step != "stop"]),
        (course(restart_app=False), [*FORWARD[:2], *FORWARD[3:7], "look", "restart_others"]),
        (course(phase="before_migrate"), FORWARD[:6]),
        (course(phase="from_migrate"), FORWARD[6:]),
        (course("back"), BACK),
        (course("back", strategy="reload"), BACK),
    ],
)
def test_the_course_gives_the_steps_and_their_order(given, steps):
    assert switch_steps.steps_of(given) == steps


@pytest.mark.parametrize(
    "wrong, message",
    [
        (course("back", phase="before_migrate"), "phase before_migrate is for the direction forward"),
        (course("back", restart_app=False), "restart_app is for the direction forward"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong, message):
    assert switch_steps.check_course(course()) is None
    with pytest.raises(SwitchError, match=message):
        switch_steps.check_course(wrong)


def test_every_step_tells_what_it_found_and_how_long_it_took():
    times = iter(range(100))
    journey = Journey()
    actions = {step: lambda step=step: {step: "done"} for step in BACK}
    switch_steps.travel(course("back"), actions, lambda: next(times), journey)
    assert journey.found == dict.fromkeys(BACK, "done")
    assert journey.seconds == dict.fromkeys(BACK, 1)


@pytest.mark.parametrize(
    "given, step, truth",
    [
        (course(), "mark", "nothing was changed"),
        (course(), "note_switching", "nothing was changed"),
        (course(), "stop", "the app may be stopped, its code is aaaaaaaa"),
        (course(), "back_up", "the app is stopped, its code is aaaaaaaa and its database as it was"),
        (course(), "move", "the app is stopped, its code may lie between aaaaaaaa and bbbbbbbb"),
        (course(strategy="reload"), "move", "the app runs on as it was started, its code may lie between"),
        (course(restart_app=False), "migrate", "the app runs on as it was started, its code is bbbbbbbb"),
        (course(), "note_switched", "the app is stopped, its code is bbbbbbbb"),
        (course(), "migrate", "its database may be migrated in part"),
        (course(), "start", "the code is bbbbbbbb, and the app does not serve as it should"),
        (course(restart_app=False), "look", "the code is bbbbbbbb, and the app runs on"),
        (course(), "restart_others", "the app serves with the code bbbbbbbb"),
        (course("back"), "stop", "its code and its database are as they were"),
        (course("back"), "restore", "its database the one before or the restored one, whole"),
        (course("back"), "move", "its code between bbbbbbbb and aaaaaaaa"),
        (course("back"), "mark", "its code is aaaaaaaa"),
        (course("back"), "start", "the code is aaaaaaaa, and the app does not serve"),
        (course("back"), "restart_others", "the app serves with the code aaaaaaaa"),
    ],
)
def test_a_step_that_fails_says_what_is_true_and_ends_the_switch(given, step, truth):
    journey, done = Journey(), []

    def fail():
        raise GitError("the disk is on fire.")

    actions = {name: lambda name=name: done.append(name) or {} for name in switch_steps.steps_of(given)}
    with pytest.raises(SwitchError) as caught:
        switch_steps.travel(given, {**actions, step: fail}, lambda: 0, journey)
    assert str(caught.value).startswith("the disk is on fire. What is true now: ")
    assert truth in str(caught.value)
    assert (caught.value.step, list(journey.seconds)) == (step, [*done, step])


def test_what_is_no_failure_of_a_step_is_not_explained_away():
    with pytest.raises(ZeroDivisionError):
        switch_steps.attempt(course(), "check", lambda: 1 / 0)


def record(stage="opened", status="in_progress", **facts):
    return {
        "id": ID,
        "from_revision": OLD,
        "to_revision": NEW,
        "stage": stage,
        "status": status,
        "facts": {"app_path": "/srv/shop", **facts},
    }


@pytest.mark.parametrize(
    "given, stage",
    [
        (course(), "opened"),
        (course(), "backed_up"),
        (course(phase="before_migrate"), "opened"),
        (course(phase="from_migrate"), "switched"),
        (course("back"), "rolling_back"),
    ],
)
def test_a_stage_from_which_the_course_leads_on_is_accepted(given, stage):
    assert switch_steps.check_record(record(stage), given) is None


@pytest.mark.parametrize(
    "given, stage, status",
    [
        (course(), "switching", "in_progress"),
        (course(), "opened", "aborted"),
        (course(phase="from_migrate"), "opened", "in_progress"),
        (course("back"), "switched", "in_progress"),
        (course("back"), "rolling_back", "rolled_back"),
    ],
)
def test_a_stage_from_which_it_does_not_is_refused(given, stage, status):
    with pytest.raises(RecordError, match=f"is {status} at stage {stage}, from where there is no way"):
        switch_steps.check_record(record(stage, status), given)


def test_the_move_is_read_from_the_record():
    plain = switch_steps.move_of(record())
    assert plain == layout.Move("in_place", Path("/srv/shop"), ID, OLD, NEW)
    assert switch_steps.root_of(plain) == Path("/srv/shop")
    given = {"layout": "releases", "built_paths": ["dist"], "shared_paths": ["data"]}
    rich = switch_steps.move_of(record(**given))
    assert rich == layout.Move("releases", Path("/srv/shop"), ID, OLD, NEW, ("dist",), ("data",))
    assert switch_steps.root_of(rich) == Path("/srv/shop/current")


@pytest.mark.parametrize(
    "given, may_be_missing, known, asked",
    [
        (course(), False, True, "check_forward"),
        (course(), True, True, "check_forward"),
        (course(), True, False, ""),
        (course("back"), True, False, "check_back"),
    ],
)
def test_the_code_is_checked_for_the_way_it_goes(monkeypatch, given, may_be_missing, known, asked):
    seen = []
    for name in ("check_forward", "check_back"):
        monkeypatch.setattr(layout, name, lambda _run, _move, name=name: seen.append(name))
    switch_steps.check_code(
        lambda _words: Done(0 if known else 1, "", ""), switch_steps.move_of(record()), given, may_be_missing
    )
    assert "".join(seen) == asked


def test_a_stage_is_noted_by_the_run_that_holds_the_release(tmp_path):
    opening = release_record.Opening("shop", ID, OLD, NEW, "run-1", "alice", 60)
    with store.exclusive(tmp_path, os.geteuid()):
        store.write_record(tmp_path, release_record.open_release([], opening, NOW))
    change = release_record.Change("run-1", "alice", 60, stage="switching", facts={"backup": "/b"})
    switch_steps.note(tmp_path, ID, change, NOW, os.geteuid())
    noted = store.read_records(tmp_path)[0]
    assert (noted["stage"], noted["facts"]["backup"]) == ("switching", "/b")
    with pytest.raises(RecordError, match="is held by alice"):
        switch_steps.note(tmp_path, ID, release_record.Change("run-2", "bob", 60, stage="switched"), NOW, os.geteuid())


@pytest.mark.parametrize("direction, ends", [("forward", (OLD, NEW)), ("back", (NEW, OLD))])
def test_the_diff_is_of_the_revisions(direction, ends):
    assert switch_steps.diff_of(course(direction)) == {"before": f"{ends[0]}\n", "after": f"{ends[1]}\n"}
