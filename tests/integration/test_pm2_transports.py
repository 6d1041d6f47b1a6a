# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One contract for both ways to talk to PM2: whatever is asked, the outcome is the same."""

from __future__ import annotations

import pytest
from machine import PATIENT
from small_app import SmallApp

WAYS = ("socket", "program")
# What must not depend on the way: everything but ids, times, sizes, and the way itself.
SAME = ("name", "status", "exec_mode", "script", "cwd", "kill_timeout", "restarts", "node_version")


def outcome(result):
    """Return what both ways must agree on."""
    facts = [{key: each[key] for key in SAME} for each in result.get("after", [])]
    verdict = {key: result.get(key) for key in ("changed", "ready", "killed", "ports", "saved", "action")}
    message = result.get("msg", "").partition(". Its error log")[0]
    return {**verdict, "msg": message, "after": facts}


@pytest.fixture
def story(run_module, shared_pm2, tmp_path, free_port):
    """Return a function that runs steps one way, and what came of each."""

    def tell(way, name, steps):
        results = []
        for step in steps:
            given = {"name": name, "stable_for": 0.2, "timeout": PATIENT, "transport": way, **step}
            results.append(run_module("pm2_process", shared_pm2.arguments(**given)))
        gone = run_module("pm2_process", shared_pm2.arguments(name=name, state="absent", timeout=PATIENT))
        assert gone["after"] == []
        return results

    return tell


@pytest.mark.parametrize(
    "instances, ills, kill_timeout",
    [(2, (), 8000), (None, ("ignores signals",), 400)],
    ids=["cluster", "fork, ignoring signals"],
)
def test_both_ways_come_to_the_same_outcome(story, tmp_path, free_port, instances, ills, kill_timeout):
    small = SmallApp(tmp_path / "app", free_port)
    wanted = {**small.arguments(*ills, instances=instances), "kill_timeout": kill_timeout}
    steps = [
        wanted,
        wanted,
        {"state": "restarted"},
        {"state": "reloaded"},
        {"state": "stopped"},
        {"state": "stopped"},
        {"state": "started"},
        {"state": "absent"},
        {"state": "restarted"},
    ]
    told = {way: [outcome(each) for each in story(way, "small", steps)] for way in WAYS}
    for number, step in enumerate(steps):
        assert told["socket"][number] == told["program"][number], step


def test_both_ways_see_a_crash(story, tmp_path, free_port):
    small = SmallApp(tmp_path / "app", free_port)
    for way in WAYS:
        result = story(way, "small", [{**small.arguments("exit 1", "700"), "stable_for": 2}])[0]
        assert "instance 0 was restarted" in result["msg"], way


def test_a_changed_configuration_comes_out_the_same(story, tmp_path, free_port):
    small = SmallApp(tmp_path / "app", free_port)
    told = {}
    for way in WAYS:
        results = story(way, "small", [small.arguments(OLD="1"), small.arguments(NEW="2"), small.arguments(NEW="2")])
        assert {each["transport"] for each in results} == {way}
        told[way] = [outcome(each) for each in results]
    assert [each["action"] for each in told["socket"]] == ["create", "restart", "none"]
    assert [each["action"] for each in told["program"]] == ["create", "recreate", "none"]
    assert told["socket"][2]["changed"] is told["program"][2]["changed"] is False
    assert told["socket"][2]["after"] == [{**each, "restarts": 1} for each in told["program"][2]["after"]]


def test_the_program_is_not_let_near_a_namesake_of_an_id(run_module, shared_pm2, tmp_path, free_port):
    small = SmallApp(tmp_path / "app", free_port)

    def manage(name, **more):
        return run_module("pm2_process", shared_pm2.arguments(name=name, timeout=PATIENT, stable_for=0, **more))

    pm_id = manage("small", **small.arguments())["after"][0]["pm_id"]
    manage(str(pm_id), **{**small.arguments("never listens"), "port": 0})
    message = manage("small", state="stopped", transport="program")["msg"]
    assert f"would take {pm_id} for the process or namespace of that name; set transport to socket" in message
    assert small.ask()["pid"]


def test_the_program_alone_starts_no_daemon(run_module, pm2):
    result = run_module("pm2_process_info", pm2.arguments(name="small", transport="program"))
    assert (result["exists"], result["transport"], (pm2.home / "pm2.pid").exists()) == (False, "none", False)
