# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._switch import steps
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import SwitchPlan

OLD, NEW = "a" * 40, "b" * 40
ID = "20260219T020000Z-bbbbbbbb"
FORWARD = ["mark", "note_switching", "stop", "back_up", "move", "note_switched", "migrate", "start", "restart_others"]
BACK = ["stop", "restore", "move", "mark", "start", "restart_others", "count_lost"]


def plan(direction="forward", phase="whole", strategy="restart", restart_app=True):
    return SwitchPlan(direction, phase, strategy, OLD, NEW, restart_app)


@pytest.mark.parametrize(
    "given, expected",
    [
        (plan(), FORWARD),
        (plan(strategy="reload"), [step for step in FORWARD if step != "stop"]),
        (plan(restart_app=False), [*FORWARD[:2], *FORWARD[3:7], "look", "restart_others"]),
        (plan(phase="before_migrate"), FORWARD[:6]),
        (plan(phase="from_migrate"), FORWARD[6:]),
        (replace(plan(), rehearses=True), ["rehearse", *FORWARD]),
        (plan("back"), BACK),
        (plan("back", strategy="reload"), BACK[1:]),
        (replace(plan("back"), is_done=True), []),
    ],
)
def test_the_plan_gives_the_steps_and_their_order(given, expected):
    assert steps.steps_of(given) == expected


@pytest.mark.parametrize(
    "wrong, message",
    [
        (plan(), ""),
        (plan("back"), ""),
        (plan("back", phase="before_migrate"), "phase before_migrate is for the direction forward; leave it out"),
        (plan("back", restart_app=False), "restart_app is for the direction forward; leave it out to roll back"),
        (replace(plan("back"), rolls_back=True), "roll_back is for the direction forward; leave it out to roll back"),
    ],
)
def test_what_does_not_go_together_is_said(wrong, message):
    found = steps.contradiction_in(wrong)
    assert (bool(found), found.startswith(message)) == (bool(message), True)


@pytest.mark.parametrize(
    "given, step, truth",
    [
        (plan(), "mark", "nothing was changed"),
        (plan(), "note_switching", "nothing was changed"),
        (plan(), "stop", "the app may be stopped, its code is aaaaaaaa"),
        (plan(), "back_up", "the app is stopped, its code is aaaaaaaa and its database as it was"),
        (plan(), "move", "the app is stopped, its code may lie between aaaaaaaa and bbbbbbbb"),
        (plan(strategy="reload"), "move", "the app runs on as it was started, its code may lie between"),
        (plan(restart_app=False), "migrate", "the app runs on as it was started, its code is bbbbbbbb"),
        (plan(), "note_switched", "the app is stopped, its code is bbbbbbbb"),
        (plan(), "migrate", "its database may be migrated in part"),
        (plan(), "start", "the code is bbbbbbbb, and the app does not serve as it should"),
        (plan(restart_app=False), "look", "the code is bbbbbbbb, and the app runs on"),
        (plan(), "restart_others", "the app serves with the code bbbbbbbb"),
        (plan("back"), "stop", "its code is as it was, and its database too"),
        (plan("back"), "restore", "its database the one before or the restored one, whole"),
        (plan("back"), "move", "its code between bbbbbbbb and aaaaaaaa"),
        (plan("back"), "mark", "its code is aaaaaaaa"),
        (plan("back"), "start", "the code is aaaaaaaa, and the app does not serve"),
        (plan("back"), "restart_others", "the app serves with the code aaaaaaaa"),
        (plan("back"), "count_lost", "the app serves with the code aaaaaaaa"),
    ],
)
def test_what_is_true_after_a_failure_is_known_of_every_step(given, step, truth):
    assert truth in steps.state_after_failure(given, step)


@pytest.mark.parametrize("given", [plan(), plan(strategy="reload"), plan(restart_app=False), plan("back")], ids=str)
def test_no_step_of_a_plan_can_fail_without_words(given):
    for step in ["check", *steps.steps_of(given)]:
        assert "{" not in steps.state_after_failure(given, step)


def record(stage, status="in_progress"):
    return {"id": ID, "stage": stage, "status": status}


@pytest.mark.parametrize(
    "given, stage",
    [
        (plan(), "opened"),
        (plan(), "backed_up"),
        (plan(phase="before_migrate"), "opened"),
        (plan(phase="from_migrate"), "switched"),
        (plan("back"), "rolling_back"),
    ],
)
def test_a_stage_from_which_the_plan_can_begin_is_accepted(given, stage):
    assert steps.check_record(record(stage), given) is None


@pytest.mark.parametrize(
    "given, stage, status",
    [
        (plan(), "switching", "in_progress"),
        (plan(), "opened", "aborted"),
        (plan(phase="from_migrate"), "opened", "in_progress"),
        (plan("back"), "switched", "in_progress"),
        (plan("back"), "rolling_back", "rolled_back"),
    ],
)
def test_a_stage_from_which_it_cannot_is_refused(given, stage, status):
    with pytest.raises(RecordError, match=f"is {status} at stage {stage}, and cannot be switched"):
        steps.check_record(record(stage, status), given)


@pytest.mark.parametrize("direction, ends", [("forward", (OLD, NEW)), ("back", (NEW, OLD))])
def test_the_diff_is_of_the_revisions(direction, ends):
    assert steps.diff_of(plan(direction)) == {"before": f"{ends[0]}\n", "after": f"{ends[1]}\n"}


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_a_release_without_a_database_has_no_step_for_one_and_says_nothing_of_one(direction):
    none = replace(plan(direction), databases=0)
    left = [step for step in steps.steps_of(plan(direction)) if step not in steps.steps_of(none)]
    assert left == (["back_up"] if direction == "forward" else ["restore", "count_lost"])
    told = [steps.state_after_failure(none, step) for step in steps.steps_of(none)]
    assert [text for text in told if "database" in text] == []
    assert [text for text in told if "|" in text or text.endswith((",", " "))] == []


def test_of_several_databases_each_is_as_it_was():
    told = steps.state_after_failure(replace(plan("back"), databases=2), "restore")
    assert told.endswith("and each of its databases the one before or the restored one, whole")
