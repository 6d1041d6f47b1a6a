# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
    carry_out,
    ecosystem,
    readiness,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import differences as pm2_differences
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import plan as pm2_plan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.differences import Difference
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    PM2Error,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import NOTHING
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness
from pm2_fakes import (
    ONLINE,
    PARTIAL,
    READY,
    STOPPED,
    FakeTransport,
    config,
    listed,
    request,
    state,
)


@pytest.mark.parametrize(
    "wanted, before, plan, calls",
    [
        (request(), state(ONLINE), ProcessPlan("none", [], False), []),
        (request(), state(STOPPED), ProcessPlan("start", [], False), [("start", 3)]),
        (request("restarted"), state(ONLINE), ProcessPlan("restart", [], False), [("restart", 3)]),
        (request("reloaded"), state(ONLINE), ProcessPlan("reload", [], False), [("restart", 3)]),
        (request("stopped"), state(listed(pid=10)), ProcessPlan("stop", [], False), [("stop", 3), ("stopped", 3)]),
        (request("stopped", port=3000), NOTHING, ProcessPlan("none", [], False), []),
        (
            request("absent"),
            state(listed(pid=10)),
            ProcessPlan("delete", [], False),
            [("stop", 3), ("stopped", 3), ("delete", 3)],
        ),
        (
            request("restarted", config=PARTIAL),
            state(ONLINE),
            ProcessPlan("restart", [Difference("kill_timeout", None, 9)], False),
            [("restart", 3, {"kill_timeout": 9, "env": {}})],
        ),
    ],
)
def test_a_plan_is_carried_out_over_the_transport(kernel, host, wanted, before, plan, calls):
    transport = FakeTransport([listed(pid=6, kill_timeout=9)])
    outcome = carry_out.carry_out(wanted, host(transport), before, plan)
    assert (transport.calls, outcome.after.instances[0].pid) == (calls, 6)
    assert (outcome.ready is None) == (wanted.state in ("stopped", "absent"))


def test_a_process_that_is_started_is_watched_again_with_its_other_changes(kernel, host):
    before = state(STOPPED)
    wanted = replace(
        request(config=pm2_config.make_config("shop", None, {"env": {"A": "1"}}, Path("/"), 1)), watch=["src"]
    )
    transport = FakeTransport([listed(pid=6, env={"A": "1"})])
    plan = pm2_plan.make_plan(wanted, before, Path("/"))
    carry_out.carry_out(wanted, host(transport), before, plan)
    (order, pm_id, changes), *_others = transport.calls
    assert (order, pm_id, changes["watch"], changes["env"]["A"]) == ("restart", 3, ["src"], "1")
    assert carry_out._changes(replace(wanted, config=None), before, plan) == {3: {"watch": ["src"]}}
    scheduled = replace(wanted, config=None, watch=None, schedule="0 3 * * *")
    assert carry_out._changes(scheduled, before, plan) == {3: {"cron_restart": "0 3 * * *"}}


def test_a_saved_process_is_made_over_the_transport_of_a_new_daemon(kernel, host, tmp_path):
    (tmp_path / "dump.pm2").write_text(json.dumps([{"name": "shop"}, {"name": "other"}]))
    transport = FakeTransport([STOPPED], [listed(pid=6)])
    there = host(transport)
    outcome = carry_out.carry_out(request(), there, NOTHING, ProcessPlan("resurrect", [], False))
    assert there.program.ran == [("ping", "--silent")]
    assert (transport.calls, outcome.after.instances[0].pid) == ([("create", "shop"), ("start", 3)], 6)


@pytest.mark.parametrize(
    "before, action, calls",
    [(NOTHING, "create", []), (state(listed(pid=10)), "recreate", [("stop", 3), ("stopped", 3), ("delete", 3)])],
)
def test_a_process_is_made_by_the_program_from_its_description(kernel, host, tmp_path, before, action, calls):
    (tmp_path / "s.js").touch()
    wanted = config(cwd=str(tmp_path))
    made = []
    kernel.setattr(carry_out.ecosystem, "start", lambda _program, text, folder: made.append((text, folder)))
    kernel.setattr(carry_out.dump, "save", lambda _program, home: made.append(home))
    kernel.setattr(pm2_differences, "differences", lambda _config, _processes: [])
    there = host(FakeTransport([listed(pid=6)]))
    outcome = carry_out.carry_out(request(config=wanted, save=True), there, before, ProcessPlan(action, [], True))
    assert made == [(ecosystem.write(wanted), tmp_path), tmp_path]
    assert outcome.ready == READY


def test_a_second_stop_checks_again_what_outlived_the_first(kernel, host):
    def refuse(*_arguments):
        raise PM2Error("shop still runs")

    kernel.setattr(readiness, "refuse_orphans", refuse)
    with pytest.raises(PM2Error, match="shop still runs"):
        there = host(FakeTransport([STOPPED]))
        carry_out.carry_out(request("stopped"), there, state(STOPPED), ProcessPlan("none", [], False))


def test_a_process_that_is_not_ready_is_an_error_with_the_reason(kernel, host):
    kernel.setattr(readiness, "measure", lambda *_arguments: Readiness(False, "it is deaf", [], []))
    with pytest.raises(PM2Error, match="shop is not ready: it is deaf"):
        carry_out.carry_out(request(), host(FakeTransport([ONLINE])), state(ONLINE), ProcessPlan("none", [], False))


def test_a_reload_that_does_not_serve_is_an_error_with_the_reason(kernel, host):
    kernel.setattr(readiness, "measure_instances", lambda *_arguments: Readiness(False, "it is deaf", [], []))
    both = [listed(pid=5, exec_mode="cluster_mode"), listed(4, pid=6, exec_mode="cluster_mode")]
    transport = FakeTransport(both)
    with pytest.raises(PM2Error, match="not ready: it is deaf; the other 1 instances were left as they were"):
        carry_out.carry_out(request("reloaded"), host(transport), state(*both), ProcessPlan("reload", [], False))
    assert transport.calls == [("reload", 3)]


def test_a_configuration_that_pm2_did_not_take_over_is_an_error(kernel, host):
    plan = ProcessPlan("restart", [Difference("kill_timeout", None, 9)], False)
    with pytest.raises(PM2Error, match="shop runs, but PM2 did not take over kill_timeout, env.A; remove"):
        partial = pm2_config.make_config("shop", None, {"kill_timeout": 9, "env": {"A": "1"}}, Path("/"), 1)
        carry_out.carry_out(request(config=partial), host(FakeTransport([ONLINE])), state(ONLINE), plan)


def test_whom_pm2_killed_is_read_from_its_log_and_the_port_is_watched(kernel, host, tmp_path):
    log = tmp_path / "pm2.log"
    log.write_text("Process with pid 7 still alive after 9ms, sending it SIGKILL now...\n")

    class Killing(FakeTransport):
        def restart(self, pm_id, changes):
            log.write_text(log.read_text() + log.read_text().replace("pid 7", "pid 5"))

    there = host(Killing([ONLINE]))
    outcome = carry_out.carry_out(request("restarted"), there, state(ONLINE), ProcessPlan("restart", [], False))
    assert ([each.pid for each in outcome.killed], outcome.port_closed_for, len(there.idle)) == ([5], 0.0, 1)
    there.idle[0]()


@pytest.mark.parametrize(
    "wanted, processes, ports, port",
    [
        (request(port=80), [ONLINE], [3000], 80),
        (request(port=0), [ONLINE], [3000], 0),
        (request(), [ONLINE], [3000], 3000),
        (request(), [ONLINE], [3000, 3001], 0),
        (request(), [listed(pid=5, exec_mode="cluster_mode")], [3000], 0),
        (request("stopped"), [ONLINE], [3000], 0),
    ],
)
def test_the_port_that_is_watched_is_the_wanted_or_the_only_one(kernel, wanted, processes, ports, port):
    kernel.setattr(carry_out.proc, "listening_ports", lambda _pids: ports)
    assert carry_out.port_to_watch(wanted, state(*processes)) == port


def test_the_log_is_cleaned_of_known_secrets_before_it_is_split_and_cut(kernel, host, tmp_path):
    log = tmp_path / "error.log"
    secret = "first-line\nsecond-line"
    there = host(FakeTransport([ONLINE]))
    there.secrets.add(secret)
    before = state(listed(pid=5, pm_err_log_path=str(log)))

    def look(*_arguments):
        log.write_text(f"{secret}\n{'x' * 296}{secret}\n")
        return Readiness(False, "it is deaf", before.instances, [])

    kernel.setattr(readiness, "measure", look)
    with pytest.raises(PM2Error, match="Its error log ends with: ") as error:
        carry_out.carry_out(request(), there, before, ProcessPlan("none", [], False))
    assert ("first" in str(error.value), "fir" in str(error.value), "line" in str(error.value)) == (False,) * 3


@pytest.mark.parametrize(
    "is_saved, back", [(True, "pm2 resurrect brings it"), (False, "start it again with the configuration that it had")]
)
def test_a_new_start_that_fails_says_what_was_removed_and_how_to_start_it_again(kernel, host, is_saved, back):
    def fail(*_arguments):
        raise PM2Error("pm2 start failed")

    kernel.setattr(carry_out.ecosystem, "start", fail)
    kernel.setattr(carry_out.dump, "is_saved", lambda *_arguments: is_saved)
    there, before = host(FakeTransport([])), state(listed(pid=10))
    with pytest.raises(
        PM2Error, match=f"start failed. shop was created again, so its 1 instances of /s.js in /.*; {back}"
    ):
        carry_out.carry_out(request(config=config()), there, before, ProcessPlan("recreate", [], False))
