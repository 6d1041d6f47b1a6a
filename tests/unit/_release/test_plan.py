# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.filter.failed_release import failed_release
from ansible_collections.greenlight.release.plugins.filter.plan_changes import plan_changes
from ansible_collections.greenlight.release.plugins.filter.release_refusal import release_refusal
from ansible_collections.greenlight.release.plugins.filter.release_steps import release_steps
from ansible_collections.greenlight.release.plugins.module_utils._release import plan
from ansible_collections.greenlight.release.plugins.module_utils._release.hooks import HOOKS

OLD, NEW = "a" * 40, "b" * 40
ID = "20260219T020000Z-bbbbbbbb"
EVENTS = ("start", "decision", "success", "rollback", "failed_rollback")


def steps(**given):
    """Return the steps of a deploy in short: the file, and after a colon its variables."""
    sets = {name: frozenset(given.pop(name, ())) for name in ("hooks", "events")}
    deploy = plan.Deploy(**{"already": False, "staged": False, **given, **sets})
    return " ".join(":".join(step.values()) for step in plan.plan_steps(deploy))


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, "switch:whole judge conclude"),
        ({"staged": True}, "stage switch:whole judge conclude prune"),
        ({"auto_adjust": True}, "switch:whole judge_and_adjust conclude"),
        ({"already": True}, "already"),
        ({"already": True, "staged": True, "hooks": HOOKS, "events": EVENTS}, "already"),
        ({"saves": True}, "switch:whole judge conclude boot"),
        ({"starts_at_boot": True}, "boot_check switch:whole judge conclude boot"),
        ({"already": True, "starts_at_boot": True}, "boot_check already boot"),
        ({"already": True, "check_mode": True, "saves": True}, "already"),
        ({"already": True, "check_mode": True, "starts_at_boot": True}, "boot_check already"),
        ({"check_mode": True}, "switch:whole rehearse"),
        ({"check_mode": True, "hooks": HOOKS, "events": EVENTS, "auto_adjust": True}, "switch:whole rehearse"),
        ({"check_mode": True, "staged": True, "saves": True}, "stage switch:whole rehearse"),
        ({"check_mode": True, "starts_at_boot": True}, "boot_check switch:whole rehearse"),
        ({"events": ["rollback", "failed_rollback"]}, "switch:whole judge conclude"),
        ({"hooks": ["before_rollback", "after_rollback"]}, "switch:whole judge conclude"),
        (
            {"hooks": ["drain", "before_switch", "after_switch", "undrain"], "staged": True},
            "stage hook:drain hook:before_switch switch:whole hook:after_switch hook:undrain judge conclude prune",
        ),
        (
            {"copies": True, "hooks": ["drain", "migrate"], "saves": True},
            "snapshot copy_backup:snapshot hook:drain switch_over:before_migrate hook:migrate switch_over:from_migrate "
            "judge conclude boot copy_backup:switch",
        ),
        ({"copies": True, "check_mode": True}, "snapshot copy_backup:snapshot switch_over:whole rehearse"),
        ({"copies": True, "already": True}, "already"),
        (
            {"hooks": ["migrate"]},
            "switch:before_migrate hook:migrate switch:from_migrate judge conclude",
        ),
        (
            {"events": EVENTS, "staged": True},
            "notify:start stage switch:whole judge notify:decision conclude notify:success prune",
        ),
    ],
)
def test_a_deploy_has_steps_for_what_is_used_and_no_others(given, expected):
    assert steps(**given) == expected


def test_a_step_is_a_file_and_its_variables():
    every = plan.plan_steps(plan.Deploy(False, False, hooks=frozenset(["migrate"]), events=frozenset(["start"])))
    assert every == [
        {"tasks": "notify", "event": "start"},
        {"tasks": "switch", "phase": "before_migrate"},
        {"tasks": "hook", "hook": "migrate"},
        {"tasks": "switch", "phase": "from_migrate"},
        {"tasks": "judge"},
        {"tasks": "conclude"},
    ]


@pytest.mark.parametrize(
    "word, meant", [(True, True), ("yes", True), ("true", True), (False, False), ("false", False), ("no", False)]
)
def test_the_filter_understands_words_for_yes_and_no(word, meant):
    files = {name: [] for name in HOOKS}
    reported = release_steps({**files, "drain": ["x.yml"]}, ["success"], False, word, auto_adjust=word, save=word)
    names = [step["tasks"] for step in reported]
    assert ("stage" in names, "judge_and_adjust" in names, "boot" in names) == (meant, meant, meant)
    assert {"tasks": "hook", "hook": "drain"} in reported
    assert "hook:undrain" not in [":".join(step.values()) for step in reported]


@pytest.mark.parametrize(
    "layout, commands, staged",
    [("in_place", [], False), ("in_place", [["npm", "ci"]], True), ("releases", [], True)],
)
def test_a_tree_is_made_ready_aside_where_it_must_be(layout, commands, staged):
    assert plan.needs_stage(layout, commands) is staged


@pytest.mark.parametrize(
    "migrate, rehearse, staged",
    [([], "auto", False), ([["x"]], "auto", True), ([["x"]], "always", True), ([["x"]], "never", False)],
)
def test_a_tree_is_made_ready_for_a_migration_that_is_tried_first(migrate, rehearse, staged):
    assert plan.needs_stage("in_place", [], migrate, rehearse) is staged


NPM_CI = ["npm", "ci", "--omit=dev"]


def test_the_filter_of_changes_says_what_is_staged_and_built_anew():
    settings = {"install_command": NPM_CI, "install_when_changed": ["package-lock.json"]}
    planned = plan_changes(["package-lock.json"], [], "shop", "in_place", ["node_modules"], **settings)
    assert (planned["staged"], planned["built_anew"], planned["run"]) == (True, ["node_modules"], [NPM_CI])
    planned = plan_changes(["items.js"], [], "shop", "in_place", ["node_modules"], **settings)
    assert (planned["staged"], planned["built_anew"], planned["run"]) == (False, [], [])
    assert plan_changes([], [], "shop", "releases")["staged"] is True
    assert plan_changes(["items.js"], [], "shop", trial="yes")["staged"] is True


LATE = "it is Thu 2026-02-19 13:05 in UTC, outside of the allowed hours"


@pytest.mark.parametrize(
    "database, hours, ignore, refusal",
    [
        ("auto", "", False, ""),
        ("restore", "", False, ""),
        ("keep", "", True, ""),
        ("auto", LATE, False, f"{LATE}; set greenlight_ignore_hours to release all the same"),
        ("auto", LATE, "no", f"{LATE}; set greenlight_ignore_hours to release all the same"),
        ("auto", LATE, True, ""),
        ("auto", LATE, "yes", ""),
        ("kept", "", True, "greenlight_rollback_database must be auto, restore or keep, and not kept"),
    ],
)
def test_a_release_is_refused_at_a_wrong_time_and_when_its_rollback_would_be(database, hours, ignore, refusal):
    assert release_refusal({"reason": hours}, database, ignore) == refusal


CONTEXT = {"app": "shop", "release_id": ID, "from_revision": OLD, "to_revision": NEW}


@pytest.mark.parametrize(
    "closed, check_mode, already, rolls_back",
    [
        ({}, False, False, True),
        (None, False, False, True),
        ({"id": "20260218T020000Z-aaaaaaaa"}, False, False, True),
        ({"id": ID}, False, False, False),
        ({}, True, False, False),
        ({}, False, True, False),
    ],
)
def test_a_deploy_that_failed_is_rolled_back_unless_there_is_nothing_to_roll_back(
    closed, check_mode, already, rolls_back
):
    failed = failed_release("no space", CONTEXT, None, closed, check_mode, already)
    assert failed["rolls_back"] is rolls_back
    assert (failed["message"] == "no space") is not rolls_back


@pytest.mark.parametrize(
    "record, end",
    [
        ({"stage": "opened"}, "aborted, nothing was changed"),
        ({"stage": "switched"}, f"rolled back to {OLD}"),
        (None, f"rolled back to {OLD}"),
    ],
)
def test_a_deploy_that_failed_says_what_became_of_it_and_why(record, end):
    assert failed_release("no space", CONTEXT, record)["message"] == f"Release {ID} of shop was {end}: no space"


def test_what_was_true_before_the_rollback_is_not_said_to_be_true_now():
    told = failed_release(f"it crashed. What is true now: the code is {NEW}", CONTEXT, {"stage": "switched"})["message"]
    assert told.endswith(f"was rolled back to {OLD}: it crashed. What was true before the rollback: the code is {NEW}")


def test_a_release_is_refused_whose_rollback_would_not_know_how_long_it_may_restore():
    assert release_refusal({"reason": ""}, "auto", False, "1h") == ""
    assert "greenlight_restore_within: 'soon' is no duration" in release_refusal({"reason": ""}, "auto", False, "soon")
