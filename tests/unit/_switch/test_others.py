# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.api import Completed, ProcessPlan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import EndedError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import actions, others
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress
from pm2_fakes import FakeTransport, fake_kernel, listed, outcome, request
from switch_fakes import make_inputs, open_release

STOPPED, SERVING = listed(status="stopped"), listed(pid=5)
BEGUN = Progress(pm2.NOTHING)
LISTED = [{"name": "queue", "role": "works"}, {"name": "shop", "role": "serves"}, {"name": "job", "role": "runs"}]
QUEUE, JOB = {**listed(4, pid=6), "name": "queue"}, {**listed(5, status="stopped", pm_uptime=1), "name": "job"}


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that makes the inputs of a switch, whose release is on record at a stage."""
    fake_kernel(monkeypatch)

    def make(stage="backed_up", transport=None, facts=None, **given):
        open_release(tmp_path, tmp_path, stage, **facts or {})
        return make_inputs(tmp_path, transport, **given)

    return make


def test_what_stands_before_the_app_is_started_before_it_and_must_go_on(make, monkeypatch):
    transport = FakeTransport([STOPPED, QUEUE, JOB])
    inputs = make("switched", transport, {"processes": LISTED})
    started = actions.start(inputs, BEGUN)
    assert transport.calls == [("restart", 4), ("start", 3)]
    checked = []
    monkeypatch.setattr(
        others.processes, "refuse_ended", lambda _processes, started: checked.append(started.request.name)
    )
    done = others.restart(inputs, started)
    assert (checked, transport.calls[2:], done.warnings) == (["queue"], [], ())


def test_what_stands_before_the_app_and_cannot_be_started_fails_a_release_and_no_rollback(make):
    gone = FakeTransport([STOPPED, JOB])
    with pytest.raises(PM2Error, match="queue"):
        actions.start(make("switched", gone, {"processes": LISTED}), BEGUN)
    back = make("rolling_back", gone, {"processes": LISTED}, direction="back")
    done = others.restart(back, actions.start(back, BEGUN))
    assert ["did not restart queue" in warning for warning in done.warnings] == [True]


def test_a_reload_starts_nothing_before_the_app(make):
    reloading = FakeTransport([SERVING, QUEUE, JOB])
    inputs = make("switched", reloading, {"processes": LISTED}, strategy="reload")
    others.restart(inputs, actions.start(inputs, BEGUN))
    assert [call[:2] for call in reloading.calls] == [("restart", 3), ("restart", 4)]


def test_other_processes_are_restarted(make):
    worker = {**listed(4, pid=6), "name": "worker"}
    transport = FakeTransport([listed(pid=5), worker])
    progress = others.restart(make(transport=transport, restart=["worker"]), BEGUN)
    assert (transport.calls, [each.request.name for each in progress.completed]) == ([("restart", 4)], ["worker"])


def job(pid, status="online", **env):
    return {**listed(4, pid=pid, status=status, autorestart=False, **env), "name": "job"}


@pytest.mark.parametrize("stopped, said", [(False, ()), (True, ("stopped at its work",))])
def test_a_job_is_not_started_off_schedule(make, stopped, said):
    transport = FakeTransport([listed(pid=5), job(0, "stopped", cron_restart="0 3 * * *")])
    inputs = make(transport=transport, restart=["job"])
    ending = replace(request("stopped"), name="job")
    done = Completed(ending, pm2.NOTHING, ProcessPlan("stop", [], False), outcome(pm2.NOTHING))
    progress = others.restart(inputs, BEGUN.with_completed(done) if stopped else BEGUN)
    assert (transport.calls, len(progress.warnings)) == ([], len(said))
    assert all(text in warning for text, warning in zip(said, progress.warnings))


@pytest.mark.parametrize("autorestart, fails", [(False, False), (True, True)])
def test_a_process_that_may_end_is_not_judged_by_being_online(make, monkeypatch, autorestart, fails):
    def end(*_given):
        raise EndedError("job is not ready: instance 0 is stopped")

    once = {**job(6), "pm2_env": {**job(6)["pm2_env"], "autorestart": autorestart}}
    inputs = make(transport=FakeTransport([listed(pid=5), once]), restart=["job"])
    monkeypatch.setattr(others.processes, "restart_other", end)
    with pytest.raises(EndedError) if fails else contextlib.nullcontext():
        progress = others.restart(inputs, BEGUN)
        assert "job ended after it was restarted, and PM2 does not start it again" in progress.warnings[0]


def test_a_process_that_is_gone_does_not_keep_a_rollback_from_ending(make):
    worker = {**listed(4, pid=6), "name": "worker"}
    transport = FakeTransport([listed(pid=5), worker])
    inputs = make("rolling_back", transport, direction="back", restart=["deleted", "worker"])
    progress = others.restart(inputs, BEGUN)
    assert ([each.request.name for each in progress.completed], len(progress.warnings)) == (["worker"], 1)
    assert "did not restart deleted" in progress.warnings[0]


def test_a_process_that_is_gone_fails_a_release(make):
    with pytest.raises(PM2Error, match="deleted"):
        others.restart(make(transport=FakeTransport([listed(pid=5)]), restart=["deleted"]), BEGUN)


CRON = {**listed(6, pid=8, autorestart=False), "name": "cron"}


@pytest.mark.parametrize(
    "given, holders, joined",
    [
        ({}, {5, 6}, ["queue"]),
        ({}, {5}, []),
        ({}, {8}, ["cron"]),
        ({"allowed_holders": ["queue"]}, {6}, []),
        ({"restart": ["queue"]}, {6}, []),
        ({"restart_app": False}, {6}, []),
        ({"strategy": "reload"}, {6}, []),
        ({"phase": "from_migrate"}, {6}, []),
    ],
)
def test_what_has_a_database_open_joins_a_switch_that_stops_the_app(make, monkeypatch, given, holders, joined):
    monkeypatch.setattr(others.database, "holders", lambda _databases: holders)
    inputs = make(transport=FakeTransport([SERVING, QUEUE, CRON]), **given)
    after, told = others.join(inputs)
    assert [each.name for each in after.processes.listed] == joined
    assert after.processes.others == (*inputs.processes.others, *joined)
    assert [f"{name} has the database open" in text for name, text in zip(joined, told)] == [True] * len(joined)
    assert [each.role for each in after.processes.listed] == ["runs" if name == "cron" else "works" for name in joined]
