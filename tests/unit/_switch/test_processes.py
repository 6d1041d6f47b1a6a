# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process, readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.api import Readiness, Requirements
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import processes
from ansible_collections.greenlight.release.plugins.module_utils._switch.processes import Processes
from ansible_collections.greenlight.release.plugins.module_utils._values import app_process
from pm2_fakes import FULL, READY, FakeTransport, fake_kernel, listed, make_disk, make_fake_host

SHOP, STOPPED = listed(pid=5), listed(status="stopped")
WORKER = {**listed(4, pid=6), "name": "worker"}


@pytest.fixture
def kernel(monkeypatch):
    """A kernel where every process lives until it is stopped, and the app serves port 3000."""
    fake_kernel(monkeypatch)
    monkeypatch.setattr(proc, "with_descendants", lambda _pids: set())
    return monkeypatch


@pytest.fixture
def make_processes(tmp_path, kernel):
    def program():
        raise PM2Error("pm2 was not found")

    def make(transport, **more):
        host = make_fake_host(tmp_path, transport, program)
        given = {"state": "started", "requirements": Requirements(3000), "stable_for": 0, **more}
        given = {"timeout": 5, "start_timeout": 5, "stop_timeout": 5, **given}
        return Processes(host, os.geteuid(), "shop", **given)

    return make


def test_the_app_is_inspected_before_anything_is_touched_and_its_secrets_are_hidden(make_processes):
    transport = FakeTransport([listed(pid=5, env={"API_KEY": "hunter2", "PWD": "/srv/shop"}), WORKER])
    wanted = make_processes(transport, others=("worker",))
    before = processes.check(wanted, with_others=True)
    assert ([each.pid for each in before.instances], wanted.host.secrets, transport.calls) == ([5], {"hunter2"}, [])


@pytest.mark.parametrize(
    "more, listed_now, message",
    [
        ({}, [], "PM2 knows no process called 'shop'"),
        ({"others": ("worker",)}, [SHOP], "PM2 knows no process called 'worker'"),
        ({"save": True}, [SHOP], "pm2 was not found"),
    ],
)
def test_what_could_not_be_started_again_is_refused_before(make_processes, more, listed_now, message):
    wanted = make_processes(FakeTransport(listed_now), **more)
    with pytest.raises(PM2Error, match=message):
        processes.check(wanted, with_others=True)


def test_a_list_that_is_to_be_saved_needs_the_program(make_processes):
    wanted = make_processes(FakeTransport([SHOP]), save=True)
    there = replace(wanted, host=replace(wanted.host, program=lambda: "pm2"))
    assert processes.check(there, with_others=True).instances


@pytest.mark.parametrize("forward", [True, False])
def test_a_list_that_cannot_be_saved_stops_a_release_before_and_no_rollback(make_processes, monkeypatch, forward):
    wanted = make_processes(FakeTransport([SHOP]), save=True)
    there = replace(wanted, host=replace(wanted.host, program=lambda: "pm2"))
    make_disk(monkeypatch, **FULL)
    with pytest.raises(PM2Error, match="No space is left for PM2_HOME") if forward else contextlib.nullcontext():
        processes.check(there, with_others=forward)


def test_other_processes_are_not_needed_for_a_rollback(make_processes):
    wanted = make_processes(FakeTransport([SHOP]), others=("worker",))
    assert processes.check(wanted, with_others=False).instances


def test_the_app_is_stopped_and_started(make_processes):
    transport = FakeTransport([SHOP], [STOPPED])
    wanted = make_processes(transport)
    settle = processes.stop(wanted)
    assert transport.calls == [("stop", 3)]
    assert [each.status for each in settle()[0].outcome.after.instances] == ["stopped"]
    done = processes.start(wanted)
    assert transport.calls == [("stop", 3), ("stopped", 3), ("start", 3)]
    reported = processes.describe(done, [{"path": "/log"}], 0)
    seen = {
        "ready": True,
        "reason": "",
        "processes": reported["after"],
        "ports": [3000],
        "log_files": [{"path": "/log"}],
    }
    assert (reported["ready_after"], reported["process"]) == (0, seen)


def test_an_app_that_is_left_alone_is_inspected(make_processes, kernel):
    wanted = make_processes(FakeTransport([SHOP]))
    kernel.setattr(readiness, "measure", lambda *_arguments: Readiness(False, "it is deaf", [], []))
    reported = processes.observe(wanted, [], 0)["process"]
    assert (reported["ready"], reported["reason"], reported["processes"][0]["pid"]) == (False, "it is deaf", 5)


def test_the_app_is_reloaded_and_others_are_restarted(make_processes):
    transport = FakeTransport([listed(pid=5, exec_mode="cluster_mode"), WORKER])
    wanted = make_processes(transport, state="reloaded", others=("worker",))
    done = [processes.start(wanted), processes.restart_other(wanted, "worker")]
    assert transport.calls == [("reload", 3), ("restart", 4)]
    assert processes.warnings(wanted, done, "7.0.4") == []


def test_a_warning_is_reported_once(make_processes):
    wanted = make_processes(FakeTransport([SHOP]), state="reloaded")
    done = [processes.start(wanted), processes.start(wanted)]
    warnings = processes.warnings(wanted, done, "")
    assert ["runs in fork mode" in warning for warning in warnings] == [True]


def test_the_port_of_the_app_is_watched_while_something_is_awaited(make_processes, kernel):
    wanted = make_processes(FakeTransport([SHOP]))
    before = pm2.read_state(wanted.host, "shop")
    watch = processes.watch_port(wanted, before)
    kernel.setattr(proc, "open_ports", set)
    for _look in range(2):
        wanted.host.idle[0]()
        wanted.host.clock.sleep(1)
    watch.sample()
    assert watch.closed_for == 2
    served_nowhere = replace(wanted, requirements=Requirements(0))
    assert processes.watch_port(served_nowhere, before) is None


def test_what_ended_with_its_daemon_need_not_be_stopped(make_processes):
    (done,) = processes.stop(make_processes(None))()
    assert (done.plan.action, done.outcome.after, done.outcome.ready) == ("none", pm2.NOTHING, None)


def test_the_processes_of_the_app_and_of_the_others_are_known_with_their_children(make_processes, kernel):
    kernel.setattr(proc, "with_descendants", lambda pids: {pid + 100 for pid in pids})
    wanted = make_processes(
        FakeTransport([SHOP, WORKER, {**listed(5, pid=0), "name": "idle"}]), others=("worker", "idle")
    )
    assert processes.pids(wanted) == {5, 105, 6, 106}
    assert processes.stopped_with_the_app(wanted, lambda: {106}) == ["worker"]


LISTED = app_process.parse(
    [
        {"name": "queue", "role": "works"},
        {"name": "shop", "role": "serves", "port": 3000},
        {"name": "web", "role": "serves", "socket": "/run/web"},
        {"name": "job", "role": "runs"},
        {"name": "nightly", "role": "runs"},
    ]
)
NAMES = ("queue", "web", "job", "nightly")
TOGETHER = [
    SHOP,
    {**listed(5, pid=7), "name": "queue"},
    {**listed(6, pid=8), "name": "web"},
    {**listed(7, pid=9, started_at=1), "name": "job"},
    {**listed(8, pid=0, status="stopped"), "name": "nightly"},
]


def test_what_is_listed_is_stopped_whether_it_has_the_database_open_or_not_and_a_job_at_its_work(make_processes):
    asked = []
    wanted = make_processes(FakeTransport(TOGETHER), others=NAMES, listed=LISTED)
    assert processes.stopped_with_the_app(wanted, lambda: asked.append(1)) == ["queue", "web", "job"]
    assert asked == []
    gone = make_processes(FakeTransport([SHOP]), others=NAMES, listed=LISTED)
    assert processes.stopped_with_the_app(gone, set) == []


def test_others_can_be_stopped_without_the_app(make_processes):
    transport = FakeTransport([SHOP, WORKER], [SHOP, WORKER], [SHOP, {**listed(4, status="stopped"), "name": "worker"}])
    processes.stop(make_processes(transport, others=("worker",)), ["worker"], with_app=False)
    assert transport.calls == [("stop", 4)]


@pytest.mark.parametrize("name, unscheduled", [("job", False), ("queue", True)])
def test_pm2_still_knows_when_to_start_a_job_that_was_stopped(make_processes, name, unscheduled):
    scheduled = [{**each, "pm2_env": {**each["pm2_env"], "cron_restart": "0 3 * * *"}} for each in TOGETHER]
    transport = FakeTransport(scheduled)
    processes.stop(make_processes(transport, others=NAMES, listed=LISTED), [name], with_app=False)
    assert [call[0] for call in transport.calls] == (["unschedule", "stop"] if unscheduled else ["stop"])


def test_nothing_that_was_stopped_for_a_migration_may_run(make_processes):
    wanted = make_processes(FakeTransport([STOPPED, *TOGETHER[1:]]), others=NAMES, listed=LISTED)
    with pytest.raises(PM2Error, match="queue was started by something else while it was stopped for its migration"):
        processes.refuse_started(wanted)


def test_a_job_that_began_meanwhile_is_told_even_when_it_has_ended(make_processes):
    def at(restarts):
        return [*TOGETHER[:4], {**listed(8, status="stopped", restart_time=restarts, pm_uptime=5), "name": "nightly"}]

    wanted = make_processes(FakeTransport(at(1)), others=NAMES, listed=LISTED)
    known = processes.begun_jobs(wanted)
    assert known == {"job": [0, 0], "nightly": [1, 5]}
    processes.refuse_begun(wanted, known)
    processes.refuse_begun(wanted, {})
    later = make_processes(FakeTransport(at(2)), others=NAMES, listed=LISTED)
    with pytest.raises(PM2Error, match="The job nightly began while the app was stopped for its migration; release at"):
        processes.refuse_begun(later, known)


@pytest.mark.parametrize(
    "state, name, requirements, order",
    [
        ("started", "queue", Requirements(0), "restart"),
        ("reloaded", "queue", Requirements(0), "restart"),
        ("started", "web", Requirements(0, socket="/run/web"), "restart"),
        ("reloaded", "web", Requirements(0, socket="/run/web"), "reload"),
    ],
)
def test_a_listed_process_is_waited_for_by_what_it_does(make_processes, state, name, requirements, order):
    clustered = [{**each, "pm2_env": {**each["pm2_env"], "exec_mode": "cluster_mode"}} for each in TOGETHER]
    transport = FakeTransport(clustered)
    wanted = make_processes(transport, state=state, others=NAMES, listed=LISTED, stable_for=3)
    done = processes.restart_other(wanted, name)
    assert (done.request.requirements, done.request.stable_for) == (requirements, 3)
    assert transport.calls[0][0] == order
    assert processes.start_ahead(wanted, name).request.stable_for == 0


@pytest.mark.parametrize(
    "now, seen, message",
    [
        ({"pid": 7}, READY, ""),
        ({"pid": 17}, READY, "queue was ready before the app was started, and is not now: instance 5 was restarted"),
        ({"pid": 7}, Readiness(False, "it is deaf", [], []), "and is not now: it is deaf"),
    ],
)
def test_what_was_started_before_the_app_must_go_on(make_processes, kernel, now, seen, message):
    def listing(pid):
        return [SHOP, {**listed(5, pid=pid), "name": "queue"}]

    wanted = make_processes(FakeTransport(listing(7)), others=NAMES, listed=LISTED)
    started = processes.start_ahead(wanted, "queue")
    there = [process.parse_instance(each) for each in listing(**now)[1:]]
    kernel.setattr(readiness, "measure", lambda *_arguments: replace(seen, instances=there))
    with pytest.raises(PM2Error, match=message) if message else contextlib.nullcontext():
        processes.refuse_ended(wanted, started)


@pytest.mark.parametrize(
    "name, job", [("queue", False), ("web", False), ("job", True), ("once", True), ("gone", False)]
)
def test_what_the_list_says_of_a_process_counts_and_without_it_whether_pm2_starts_it_again(make_processes, name, job):
    once = {**listed(9, pid=4, autorestart=False), "name": "once"}
    wanted = make_processes(FakeTransport([*TOGETHER, once]), others=(*NAMES, "once"), listed=LISTED)
    assert processes.is_job(wanted, name) == job


def test_others_are_stopped_before_the_app(make_processes):
    both = [SHOP, WORKER]
    transport = FakeTransport(
        both, both, both, [SHOP, {**listed(4, status="stopped"), "name": "worker"}], [STOPPED, WORKER]
    )
    waiting = processes.stop(make_processes(transport, others=("worker",)), ["worker"])
    assert [call for call in transport.calls if call[0] == "stop"] == [("stop", 4), ("stop", 3)]
    assert callable(waiting)


@pytest.mark.parametrize(
    "pid, env, was_stopped, said",
    [
        (6, {}, False, None),
        (0, {}, True, None),
        (6, {"cron_restart": "0 3 * * *"}, False, None),
        (6, {"autorestart": False}, False, None),
        (0, {"autorestart": False}, True, None),
        (0, {"autorestart": False}, False, ""),
        (0, {"autorestart": False, "cron_restart": "0 3 * * *"}, False, ""),
        (0, {"autorestart": False, "cron_restart": 0}, False, ""),
        (0, {"autorestart": False, "cron_restart": "0 3 * * *"}, True, "was stopped at its work; it starts again at"),
        (6, {"autorestart": False, "cron_restart": "0 3 * * *"}, False, "still does what it began before; it takes"),
    ],
)
def test_a_job_runs_at_its_own_times(make_processes, pid, env, was_stopped, said):
    status = "online" if pid else "stopped"
    wanted = make_processes(FakeTransport([{**listed(4, pid=pid, status=status, **env), "name": "job"}]))
    told = processes.left_as_it_is(wanted, "job", was_stopped)
    assert told == said if not said else f"job is a job that {said}" in told


def test_a_process_that_is_gone_is_no_job(make_processes):
    assert processes.left_as_it_is(make_processes(FakeTransport([SHOP])), "gone", False) is None
