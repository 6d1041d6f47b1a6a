# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
    foreign,
    report,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.differences import Difference
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import NOTHING
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan
from pm2_fakes import (
    ONLINE,
    STOPPED,
    instance,
    listed,
    outcome,
    request,
    state,
)


def test_the_result_says_what_was_done_and_what_is_true(kernel):
    plan = ProcessPlan("restart", [], True)
    result = report.done(state(ONLINE), plan, outcome(state(listed(pid=6)), closed=0.98765), 100)
    facts = ("changed", "action", "ready", "killed", "saved", "transport", "pm2_version", "ready_after", "ports")
    assert [result[key] for key in facts] == [True, "restart", True, False, True, "socket", "7.0.4", 0.123, [3000]]
    assert (result["before"][0]["pid"], result["after"][0]["pid"], result["port_closed_for"]) == (5, 6, 0.988)


def test_the_result_of_a_stop_has_no_time_to_be_ready(kernel):
    result = report.done(state(ONLINE), ProcessPlan("stop", [], False), outcome(state(STOPPED), ready=None), 100)
    assert (result["ready"], "ready_after" in result, "port_closed_for" in result) == (False, False, False)


@pytest.mark.parametrize("before, ready", [(state(ONLINE), True), (state(STOPPED), False), (NOTHING, False)])
def test_what_is_only_planned_is_reported_as_it_is(kernel, before, ready):
    assert report.planned(before, ProcessPlan("none", [], False), 100)["ready"] is ready


@pytest.mark.parametrize(
    "action, after",
    [
        ("none", {"instance 3": "stopped"}),
        ("stop", {"instance 3": "stopped"}),
        ("delete", {}),
        ("restart", {"instance 3": "online", "kill_timeout": 9}),
    ],
)
def test_the_diff_shows_settings_and_instances(action, after):
    found = [Difference("kill_timeout", None, 9)] if action == "restart" else []
    diff = report.diff(state(STOPPED), ProcessPlan(action, found, False))
    assert diff["before"] == {"instance 3": "stopped", **({"kill_timeout": None} if found else {})}
    assert diff["after"] == after


def test_the_diff_of_a_new_process_is_one_instance():
    assert report.diff(NOTHING, ProcessPlan("create", [], False)) == {"before": {}, "after": {"instance": "online"}}


def test_a_reload_that_makes_the_process_anew_is_warned_about(tmp_path):
    cluster = state(listed(exec_mode="cluster_mode"))
    reported = report.warnings(request("reloaded"), cluster, outcome(cluster), tmp_path, 1000, action="recreate")
    assert reported == ["shop was created again, as PM2 cannot hand over what differs, so requests may have been lost"]


@pytest.mark.parametrize(
    "wanted, before, found, warning",
    [
        (
            request("stopped"),
            state(listed(pid=5, cron_restart="0 3 * * *")),
            outcome(state(ONLINE)),
            "PM2 starts shop again at its cron_restart (0 3 * * *), though it was stopped; set cron_restart to 0",
        ),
        (
            replace(request("stopped"), unscheduled=True),
            state(listed(pid=5, cron_restart="0 3 * * *")),
            outcome(state(ONLINE)),
            None,
        ),
        (request(), state(ONLINE), outcome(state(ONLINE), killed=[instance(pid=5)]), "was killed after 1000 ms"),
        (
            request("reloaded"),
            state(ONLINE),
            outcome(state(ONLINE)),
            "PM2 can only restart it",
        ),
        (request("reloaded"), state(listed(exec_mode="cluster_mode")), outcome(state(ONLINE)), None),
        (request(), state(ONLINE), outcome(NOTHING), None),
    ],
)
def test_an_operator_is_warned(tmp_path, wanted, before, found, warning):
    reported = report.warnings(wanted, before, found, tmp_path, 1000)
    assert len(reported) == (1 if warning else 0)
    assert warning is None or warning in reported[0]


@pytest.mark.parametrize("version, count", [("7.0.4", 0), ("7.0.5", 1), ("", 0)])
def test_a_daemon_of_another_version_is_warned_about(tmp_path, version, count):
    reported = report.warnings(request(), state(ONLINE), outcome(state(ONLINE)), tmp_path, 1000, version)
    assert len(reported) == count


def test_a_list_that_everybody_can_read_is_warned_about_unless_it_is_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(report.dump, "readable_by_others", lambda _home: True)
    found = outcome(state(ONLINE))
    assert len(report.warnings(request(), state(ONLINE), found, tmp_path, 1000)) == 1
    assert report.warnings(request(save=True), state(ONLINE), found, tmp_path, 1000) == []


@pytest.mark.parametrize("owner, count", [(0, 0), (1000, 1)])
def test_a_script_of_a_user_that_runs_as_root_is_warned_about(tmp_path, monkeypatch, owner, count):
    script = tmp_path / "s.js"
    script.touch()
    monkeypatch.setattr(foreign.trust, "owner_of_place", lambda _place: owner)
    found = outcome(state(listed(pid=5, pm_exec_path=str(script))))
    assert len(report.warnings(request(), state(ONLINE), found, tmp_path, 0)) == count
