# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import differences as pm2_differences
from ansible_collections.greenlight.release.plugins.module_utils._pm2.differences import Difference
from pm2_fakes import WHOLE, make, running

RECORDINGS = Path(__file__).parent / "recordings"


def test_what_runs_as_wanted_does_not_differ():
    config = make(WHOLE)
    assert pm2_differences.differences(config, [running(config)]) == []
    assert pm2_differences.differences(make({"env": {"PORT": "80"}}), [running(config)]) == []


@pytest.mark.parametrize(
    "recording", sorted(RECORDINGS.glob("*fork-cluster*")), ids=lambda path: path.name.partition("-linux")[0]
)
def test_what_every_version_of_pm2_was_given_does_not_differ(recording):
    listed = {each["name"]: each for each in json.loads(recording.read_text())}
    workers = [each for each in json.loads(recording.read_text()) if each["name"] == "workers"]
    shop = make({**WHOLE, "env": {"PORT": "4801", "TOKEN": "hunter2"}, "kill_timeout": 3000})
    assert pm2_differences.differences(shop, [listed["shop"]]) == []
    assert pm2_differences.differences(make({"script": "server.js", "instances": 2}, name="workers"), workers) == []


@pytest.mark.parametrize(
    "changes, found",
    [
        ({"kill_timeout": 3000}, [Difference("kill_timeout", 3000, None)]),
        ({"args": None}, []),
        ({"exec_mode": "cluster_mode"}, [Difference("exec_mode", "cluster_mode", "fork_mode")]),
        ({"pm_out_log_path": "/p/logs/shop-out-3.log"}, []),
        ({"env": {"PORT": "80"}}, [Difference("TOKEN", None, "hunter2", is_env=True)]),
        (
            {"env": {"PORT": 81, "TOKEN": "hunter2", "OLD": "1"}, "env_greenlight": {"OLD": "", "GONE": ""}},
            [Difference("OLD", "1", None, is_env=True), Difference("PORT", "81", "80", is_env=True)],
        ),
    ],
)
def test_what_differs_is_found_whichever_instance_has_it(changes, found):
    config = make({**WHOLE, "instances": 2, "exec_mode": "fork"})
    assert pm2_differences.differences(config, [running(config), running(config, **changes)]) == found


SHARED = {**WHOLE, "instances": 2, "exec_mode": "fork", "env": {"PORT": "3000"}, "increment_var": "PORT"}


def counted(config, *values):
    env = [{**config.env, "PORT": value} for value in values]
    return [running(config, env=each, increment_var="PORT") for each in env]


@pytest.mark.parametrize(
    "wanted, values, found",
    [
        ("3000", (3001, 3000), []),
        ("x", (1, 0), []),
        ("3000", ("x", 3001), [Difference("PORT", "x", "3000", is_env=True, counted=True)]),
        ("3000", (3002, 3001), [Difference("PORT", "3001", "3000", is_env=True, counted=True)]),
    ],
)
def test_what_pm2_counts_up_is_compared_by_the_first_instance(wanted, values, found):
    config = make({**SHARED, "env": {"PORT": wanted}})
    assert pm2_differences.differences(config, counted(config, *values)) == found
    assert pm2_differences.can_be_handed_over(found) is not bool(found)


def test_what_pm2_counts_up_is_handed_over_to_nobody():
    config = make({**SHARED, "env": {"PORT": "3000", "NEW": "1"}})
    processes = counted(make(SHARED), 3000, 3001)
    found = pm2_differences.differences(config, processes)
    assert [pm2_differences.changes_for(config, each, found)["env"] for each in processes] == [
        {"PORT": 3000, "NEW": "1"},
        {"PORT": 3001, "NEW": "1"},
    ]


def test_a_variable_that_is_to_be_counted_up_may_be_missing():
    config = make({**SHARED, "env": {}})
    assert pm2_differences.differences(config, [running(config, env={}, increment_var="PORT")] * 2) == []


@pytest.mark.parametrize(
    "given, kept",
    [
        ({"stop_exit_codes": [0]}, {"stop_exit_codes": 0}),
        ({"stop_exit_codes": "3"}, {"stop_exit_codes": 3}),
        ({"stop_exit_codes": [0, 3]}, {"stop_exit_codes": [0, 3]}),
        ({"stop_exit_codes": 0}, {"stop_exit_codes": None}),
        ({"stop_exit_codes": ["SIGINT"]}, {"stop_exit_codes": ["SIGINT"]}),
        ({"cron_restart": 0}, {"cron_restart": None}),
        ({"cron_restart": "0"}, {"cron_restart": 0}),
        ({"cron_restart": "0 3 * * *"}, {"cron_restart": "0 3 * * *"}),
        ({"args": ["--number", 5]}, {"args": ["--number", 5]}),
        ({"out_file": "NULL"}, {"pm_out_log_path": "/dev/null"}),
    ],
)
def test_a_setting_is_compared_as_pm2_keeps_it(given, kept):
    config = make(described={**WHOLE, **given})
    assert pm2_differences.differences(config, [running(config, **kept)]) == []


def test_the_number_of_instances_is_a_setting():
    config = make({**WHOLE, "instances": 2})
    assert pm2_differences.differences(config, [running(config)]) == [Difference("instances", 1, 2)]


@pytest.mark.parametrize(
    "difference, can",
    [
        (Difference("kill_timeout", 1, 2), True),
        (Difference("kill_timeout", 1, None), True),
        (Difference("instances", 1, 2), False),
        (Difference("log_type", None, "null"), False),
        (Difference("TOKEN", "a", None, is_env=True), True),
        (Difference("token", "a", None, is_env=True), False),
        (Difference("token", "a", "b", is_env=True), True),
        (Difference("args", "a", None, is_env=True), False),
    ],
)
def test_what_pm2_takes_over_with_a_restart(difference, can):
    assert pm2_differences.can_be_handed_over([difference]) is can


def test_changes_carry_the_whole_environment_and_remove_by_name():
    config = make({**WHOLE, "cwd": "/srv/new"})
    process = running(make(WHOLE))
    found = [
        Difference("OLD", "1", None, is_env=True),
        Difference("PORT", "81", "80", is_env=True),
        Difference("kill_timeout", 3000, None),
        Difference("pm_cwd", "/srv/shop", "/srv/new"),
    ]
    process["pm2_env"]["env"]["OLD"] = "1"
    assert pm2_differences.changes_for(config, process, found) == {
        "OLD": "null",
        "kill_timeout": "null",
        "pm_cwd": "/srv/new",
        "cwd": "/srv/new",
        "env_greenlight": {"PORT": "", "TOKEN": ""},
        "env": {"PORT": "80", "TOKEN": "hunter2", "unique_id": "u", "PWD": "/srv/new"},
    }


def test_changes_of_a_part_leave_what_is_remembered():
    changes = pm2_differences.changes_for(make({"env": {"A": "1"}}), running(make(WHOLE)), [])
    assert set(changes) == {"env"}


def test_differences_are_described_without_the_values_of_variables():
    found = [
        Difference("TOKEN", "hunter2", "hunter3", is_env=True),
        Difference("NEW", None, "hunter2", is_env=True),
        Difference("kill_timeout", None, 9),
    ]
    assert pm2_differences.describe(found, "before") == {
        "env.TOKEN": "hidden value",
        "env.NEW": None,
        "kill_timeout": None,
    }
    assert pm2_differences.describe(found, "after") == {
        "env.TOKEN": "another hidden value",
        "env.NEW": "another hidden value",
        "kill_timeout": 9,
    }


def test_a_variable_that_one_of_several_instances_does_not_have_is_removed_from_the_others():
    gone = Difference("OLD", "1", None, is_env=True)
    changes = pm2_differences.changes_for(make(WHOLE), running(make(WHOLE)), [gone])
    assert (changes["OLD"], "OLD" in changes["env"]) == ("null", False)


def test_a_variable_that_is_gone_is_removed_where_the_process_has_it():
    gone = replace(make({"script": "s.js", "env": {"A": "1"}}), gone=frozenset(["OLD", "NEVER"]))
    with_old = running(make({"script": "s.js", "env": {"A": "1"}}))
    with_old["pm2_env"]["env"]["OLD"] = "2"
    found = pm2_differences.differences(gone, [with_old])
    assert [(each.key, each.after) for each in found] == [("OLD", None)]
