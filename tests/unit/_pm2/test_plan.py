# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
    instances,
    plan,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    PM2Error,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import NOTHING
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import make_plan
from pm2_fakes import (
    ONLINE,
    PARTIAL,
    STOPPED,
    config,
    listed,
    make_partial,
    request,
    running,
    state,
)


@pytest.mark.parametrize(
    "wanted, before, action",
    [
        (request(), state(ONLINE), "none"),
        (request(), state(STOPPED), "start"),
        (request(), state(ONLINE, listed(4, pid=10)), "start"),
        (request(config=config()), NOTHING, "create"),
        (request(config=PARTIAL), state(ONLINE), "restart"),
        (request(config=config()), state(ONLINE, live=False), "recreate"),
        (request(config=config(instances=2)), state(ONLINE), "recreate"),
        (request(config=PARTIAL), state(listed(pid=5, kill_timeout=9)), "none"),
        (request("restarted"), state(ONLINE), "restart"),
        (request("reloaded"), state(ONLINE), "reload"),
        (request("stopped"), state(ONLINE), "stop"),
        (request("stopped"), state(listed(pid=5, status="stopped")), "stop"),
        (request("stopped", config=PARTIAL), state(STOPPED), "none"),
        (request("stopped"), NOTHING, "none"),
        (request("absent"), state(STOPPED), "delete"),
        (request("absent"), NOTHING, "none"),
    ],
)
def test_what_is_wanted_and_what_runs_make_the_plan(kernel, tmp_path, wanted, before, action):
    plan = make_plan(wanted, before, tmp_path)
    assert (plan.action, plan.changed) == (action, action != "none")


def test_what_runs_in_an_older_folder_is_restarted(kernel, tmp_path):
    kernel.setattr(instances, "is_stale", lambda _instance: True)
    assert make_plan(request(), state(ONLINE), tmp_path).action == "restart"


@pytest.mark.parametrize(
    "wanted, message",
    [
        (request(), "give config or script to start it"),
        (request(config=PARTIAL), "give config or script to start it"),
        (request("restarted", config=config()), "start it with state started"),
        (request("reloaded"), "start it with state started"),
    ],
)
def test_a_process_that_pm2_does_not_know_needs_a_description(tmp_path, wanted, message):
    with pytest.raises(PM2Error, match=f"PM2 knows no process called 'shop'; {message}"):
        make_plan(wanted, NOTHING, tmp_path)


def test_a_process_that_pm2_forgot_is_started_as_it_was_saved(tmp_path):
    saved = [{"name": "shop"}, {"name": "other"}]
    (tmp_path / "dump.pm2").write_text(json.dumps(saved))
    assert make_plan(request(), NOTHING, tmp_path).action == "resurrect"
    assert make_plan(request(config=config()), NOTHING, tmp_path).action == "create"


@pytest.mark.parametrize(
    "save, before, is_saved, planned",
    [
        (True, state(ONLINE), False, True),
        (True, state(ONLINE), True, False),
        (False, state(ONLINE), False, False),
        (True, state(STOPPED), True, True),
    ],
)
def test_the_list_is_saved_where_it_would_not_start_what_runs(kernel, tmp_path, save, before, is_saved, planned):
    kernel.setattr(plan.dump, "is_saved", lambda *_arguments: is_saved)
    assert make_plan(request(save=save), before, tmp_path).save is planned


def test_an_empty_list_is_not_saved_where_no_daemon_runs(tmp_path):
    (tmp_path / "dump.pm2").write_text('[{"name": "shop"}]')
    assert make_plan(request("absent", save=True), NOTHING, tmp_path).save is False


@pytest.mark.parametrize(
    "wanted, before, settings",
    [
        (request(config=PARTIAL), state(ONLINE, live=False), "kill_timeout"),
        (request(config=make_partial(env={"A": "1"})), state(ONLINE, live=False), "env.A"),
        (request(config=make_partial(out_file="/o")), state(ONLINE), "pm_out_log_path"),
    ],
)
def test_what_must_be_made_anew_needs_a_whole_description(tmp_path, wanted, before, settings):
    with pytest.raises(PM2Error, match=f"shop must be created again to change {settings}; give config or script"):
        make_plan(wanted, before, tmp_path)


def test_what_pm2_forgets_when_it_stops_a_process_does_not_differ(kernel):
    wanted = config(watch=True, cron_restart="0 3 * * *")
    stopped = {**running(wanted, watch=False, cron_restart=None), "pm_id": 3}
    asked = replace(request(config=wanted), watch=True, schedule="0 3 * * *")
    assert plan.differences(asked, state(stopped)) == []
    assert [each.key for each in plan.differences(request(config=wanted), state(stopped))] == ["cron_restart", "watch"]
