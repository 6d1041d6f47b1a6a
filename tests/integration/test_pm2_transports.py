# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One contract for both transports to PM2: whatever is asked, the outcome is the same."""

from __future__ import annotations

import pytest
from machine import PATIENT
from small_app import SmallApp

TRANSPORTS = ("socket", "program")
# What must not depend on the transport: everything but ids, times, sizes, and the transport itself.
SAME = ("name", "status", "exec_mode", "script", "cwd", "kill_timeout", "restarts", "node_version")


def outcome(result):
    """Return what both transports must agree on."""
    facts = [{key: each[key] for key in SAME} for each in result.get("after", [])]
    verdict = {key: result.get(key) for key in ("changed", "ready", "killed", "ports", "saved", "action")}
    message = result.get("msg", "").partition(". Its error log")[0]
    return {**verdict, "msg": message, "after": facts}


@pytest.fixture
def run_steps(run_module, shared_pm2, tmp_path, free_port):
    """Return a function that runs steps over a transport and returns the results."""

    def run(transport, name, steps):
        results = []
        for step in steps:
            given = {"name": name, "stable_for": 0.2, "timeout": PATIENT, "transport": transport, **step}
            results.append(run_module("pm2_process", shared_pm2.arguments(**given)))
        gone = run_module("pm2_process", shared_pm2.arguments(name=name, state="absent", timeout=PATIENT))
        assert gone["after"] == []
        return results

    return run


@pytest.mark.parametrize(
    "instances, ills, kill_timeout",
    [(2, (), 8000), (None, ("ignores signals",), 400)],
    ids=["cluster", "fork, ignoring signals"],
)
def test_both_transports_come_to_the_same_outcome(run_steps, tmp_path, free_port, instances, ills, kill_timeout):
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
    outcomes = {transport: [outcome(each) for each in run_steps(transport, "small", steps)] for transport in TRANSPORTS}
    for number, step in enumerate(steps):
        assert outcomes["socket"][number] == outcomes["program"][number], step


def test_both_transports_see_a_crash(run_steps, tmp_path, free_port):
    small = SmallApp(tmp_path / "app", free_port)
    for transport in TRANSPORTS:
        result = run_steps(transport, "small", [{**small.arguments("exit 1", "700"), "stable_for": 2}])[0]
        assert "instance 0 was restarted" in result["msg"], transport


def test_a_changed_configuration_comes_out_the_same(run_steps, tmp_path, free_port):
    small = SmallApp(tmp_path / "app", free_port)
    outcomes = {}
    for transport in TRANSPORTS:
        results = run_steps(
            transport, "small", [small.arguments(OLD="1"), small.arguments(NEW="2"), small.arguments(NEW="2")]
        )
        assert {each["transport"] for each in results} == {transport}
        outcomes[transport] = [outcome(each) for each in results]
    assert [each["action"] for each in outcomes["socket"]] == ["create", "restart", "none"]
    assert [each["action"] for each in outcomes["program"]] == ["create", "recreate", "none"]
    assert outcomes["socket"][2]["changed"] is outcomes["program"][2]["changed"] is False
    assert outcomes["socket"][2]["after"] == [{**each, "restarts": 1} for each in outcomes["program"][2]["after"]]


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
