# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from machine import PATIENT


def manage(run_module, pm2, **arguments):
    return run_module("pm2_process", pm2.arguments(name="sample-app", stable_for=1, timeout=PATIENT, **arguments))


def inspect(run_module, pm2, **arguments):
    return run_module("pm2_process_info", {"pm2_home": str(pm2.home), "name": "sample-app", **arguments})


def test_a_process_is_started_once_stopped_and_removed(run_module, pm2, app):
    config = str(app.path / "ecosystem.config.js")
    begun = manage(run_module, pm2, config=config, port=app.port, env=app.env, path_under=str(app.path))
    assert (begun.get("msg"), begun["changed"], begun["ready"]) == (None, True, True)
    assert app.get("/health")["status"] == "ok"
    again = manage(run_module, pm2)
    assert (again["changed"], again["after"][0]["pid"]) == (False, begun["after"][0]["pid"])
    stopped = manage(run_module, pm2, state="stopped")
    assert (stopped["changed"], stopped["killed"], stopped["after"][0]["status"]) == (True, False, "stopped")
    assert manage(run_module, pm2, state="stopped")["changed"] is False
    assert manage(run_module, pm2, state="absent")["after"] == []
    assert manage(run_module, pm2, state="absent")["changed"] is False


def test_check_mode_and_diff_mode_show_and_touch_nothing(run_module, pm2, running):
    before = inspect(run_module, pm2)["processes"][0]["pid"]
    result = run_module("pm2_process", pm2.arguments(name="sample-app", state="stopped"), check=True, diff=True)
    assert (result["changed"], result["diff"]["before"]) == (True, {"instance 0": "online"})
    assert inspect(run_module, pm2)["processes"][0]["pid"] == before
    assert running.get("/health")["status"] == "ok"


def test_a_restart_gives_a_new_process_that_keeps_its_environment(run_module, pm2, running):
    result = manage(run_module, pm2, state="restarted", port=running.port)
    assert result["before"][0]["pid"] != result["after"][0]["pid"]
    assert running.get("/health")["status"] == "ok"


def test_the_environment_of_the_caller_does_not_reach_the_app(run_module, pm2, app):
    config = str(app.path / "ecosystem.config.js")
    arguments = pm2.arguments(name="sample-app", config=config, stable_for=0, env={**app.env, "APP_SECRET": "hunter2"})
    result = run_module("pm2_process", arguments, env={"DEPLOYER_SECRET": "swordfish"})
    environment = Path(f"/proc/{result['after'][0]['pid']}/environ").read_bytes()
    assert b"APP_SECRET=hunter2" in environment
    assert b"swordfish" not in environment
    result.pop("invocation")
    assert "hunter2" not in str(result)


@pytest.mark.parametrize(
    "revision, message", [("crash-at-load", "SETTINGS_FILE is not set"), ("crash-late", "upstream did not answer")]
)
def test_a_process_that_crashes_is_not_ready_and_its_error_log_says_why(run_module, pm2, running, revision, message):
    manage(run_module, pm2, state="stopped")
    running.check_out(revision)
    result = run_module("pm2_process", pm2.arguments(name="sample-app", stable_for=6, timeout=PATIENT))
    assert result["failed"] is True
    assert "was restarted" in result["msg"]
    assert message in result["msg"]


def test_info_reports_what_serves_and_where_it_logs(run_module, pm2, running):
    seen = inspect(run_module, pm2, port=running.port, path_under=str(running.path))
    assert (seen["ready"], seen["reason"], seen["ports"]) == (True, "", [running.port])
    assert seen["measurements"] == {"server_starts": True}
    assert [file["stream"] for file in seen["log_files"]] == ["err", "out"]
    assert "does not listen on port 1" in inspect(run_module, pm2, port=1)["reason"]


def test_a_host_without_a_daemon_is_a_fact(run_module, tmp_path):
    seen = run_module("pm2_process_info", {"pm2_home": str(tmp_path), "name": "x"})
    assert (seen["exists"], seen["ready"]) == (False, False)
    assert "No PM2 daemon runs" in seen["reason"]


def test_a_missing_pm2_is_reported_with_what_to_do(run_module, tmp_path):
    arguments = {"pm2_home": str(tmp_path), "name": "x", "script": "/x.js", "executable": "/nonexistent/pm2"}
    assert "set executable to its absolute path" in run_module("pm2_process", arguments)["msg"]
