# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2_api
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import manage, plan, report
from ansible_collections.greenlight.release.plugins.module_utils._pm2.manage import Host
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness, Wanted
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import NoDaemonError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import process
from ansible_collections.greenlight.release.plugins.module_utils._switch.process import Processes
from pm2_fakes import FakeTransport, Time, instance, listed

SHOP, STOPPED = listed(pid=5), listed(status="stopped")
WORKER = {**listed(4, pid=6), "name": "worker"}
READY = Readiness(True, "", [instance(pid=5)], [3000])


@pytest.fixture
def kernel(monkeypatch):
    """A kernel where every process lives until it is stopped, and the app serves port 3000."""
    fake = manage.proc
    monkeypatch.setattr(fake, "is_alive", bool)
    monkeypatch.setattr(fake, "with_descendants", lambda _pids: set())
    monkeypatch.setattr(fake, "sockets_of", lambda _pids: set())
    monkeypatch.setattr(fake, "listeners", list)
    monkeypatch.setattr(fake, "listening_ports", lambda _pids: [3000])
    monkeypatch.setattr(fake, "open_ports", lambda: {3000})
    monkeypatch.setattr(plan.control, "is_stale", lambda _instance: False)
    monkeypatch.setattr(manage.readiness, "refuse_orphans", lambda *_arguments: None)
    monkeypatch.setattr(manage.readiness, "look", lambda *_arguments: READY)
    monkeypatch.setattr(manage.readiness, "look_at", lambda *_arguments: READY)
    return monkeypatch


@pytest.fixture
def processes(tmp_path, kernel):
    def make(transport, **more):
        @contextlib.contextmanager
        def connect():
            if transport is None:
                raise NoDaemonError("No PM2 daemon runs")
            yield transport

        def program():
            raise PM2Error("pm2 was not found")

        host = Host(tmp_path, connect, program, Time().clock())
        given = {"state": "started", "wanted": Wanted(3000), "stable_for": 0, "timeout": 5, **more}
        return Processes(host, os.geteuid(), "shop", **given)

    return make


def test_the_app_is_looked_at_before_anything_is_touched_and_its_secrets_are_hidden(processes):
    transport = FakeTransport([listed(pid=5, env={"API_KEY": "hunter2", "PWD": "/srv/shop"}), WORKER])
    hidden = set()
    before = process.check(processes(transport, others=("worker",)), hidden, with_others=True)
    assert ([each.pid for each in before.instances], hidden, transport.calls) == ([5], {"hunter2"}, [])


@pytest.mark.parametrize(
    "more, listed_now, message",
    [
        ({}, [], "PM2 knows no process called 'shop'"),
        ({"others": ("worker",)}, [SHOP], "PM2 knows no process called 'worker'"),
        ({"save": True}, [SHOP], "pm2 was not found"),
    ],
)
def test_what_could_not_be_started_again_is_refused_before(processes, more, listed_now, message):
    wanted = processes(FakeTransport(listed_now), **more)
    with pytest.raises(PM2Error, match=message):
        process.check(wanted, set(), with_others=True)


def test_a_list_that_is_to_be_saved_needs_the_program(processes):
    wanted = processes(FakeTransport([SHOP]), save=True)
    there = replace(wanted, host=replace(wanted.host, program=lambda: "pm2"))
    assert process.check(there, set(), with_others=True).instances


def test_other_processes_do_not_hinder_the_way_back(processes):
    wanted = processes(FakeTransport([SHOP]), others=("worker",))
    assert process.check(wanted, set(), with_others=False).instances


def test_the_app_is_stopped_and_started(processes):
    transport = FakeTransport([SHOP], [STOPPED])
    wanted = processes(transport)
    settle = process.stop(wanted)
    assert transport.calls == [("stop", 3)]
    assert [each.status for each in settle().outcome.after.instances] == ["stopped"]
    done = process.start(wanted)
    assert transport.calls == [("stop", 3), ("stopped", 3), ("start", 3)]
    told = process.describe(done, [{"path": "/log"}], 0)
    seen = {"ready": True, "reason": "", "processes": told["after"], "ports": [3000], "log_files": [{"path": "/log"}]}
    assert (told["ready_after"], told["process"]) == (0, seen)


def test_an_app_that_is_left_alone_is_looked_at(processes, kernel):
    wanted = processes(FakeTransport([SHOP]))
    kernel.setattr(process.readiness, "look", lambda *_arguments: Readiness(False, "it is deaf", [], []))
    told = process.look(wanted, [], 0)["process"]
    assert (told["ready"], told["reason"], told["processes"][0]["pid"]) == (False, "it is deaf", 5)


def test_the_app_is_reloaded_and_others_are_restarted(processes):
    transport = FakeTransport([listed(pid=5, exec_mode="cluster_mode"), WORKER])
    wanted = processes(transport, state="reloaded", others=("worker",))
    done = [process.start(wanted), *process.restart_others(wanted)]
    assert transport.calls == [("reload", 3), ("restart", 4)]
    assert process.warnings(wanted, done, "7.0.4") == []


def test_a_warning_is_told_once(processes):
    wanted = processes(FakeTransport([SHOP]), state="reloaded")
    done = [process.start(wanted), process.start(wanted)]
    warnings = process.warnings(wanted, done, "")
    assert ["runs in fork mode" in warning for warning in warnings] == [True]


def test_the_port_of_the_app_is_watched_while_something_is_awaited(processes, kernel):
    wanted = processes(FakeTransport([SHOP]))
    before = manage.read_state(wanted.host, "shop")
    watch = process.watch_port(wanted, before)
    kernel.setattr(process.proc, "open_ports", set)
    for _look in range(2):
        wanted.host.idle[0]()
        wanted.host.clock.sleep(1)
    watch.sample()
    assert watch.closed_for == 2
    served_nowhere = replace(wanted, wanted=Wanted(0))
    assert process.watch_port(served_nowhere, before) is None


def test_wanted_variables_are_a_configuration():
    assert process.environment_of("shop", {}, "/bin") is None
    assert process.environment_of("shop", {"TTL": 30}, "/bin").env == {"TTL": "30"}


def test_a_host_lets_the_watches_look_while_it_waits_and_hides_secrets(tmp_path):
    time, secrets, looks = Time(), set(), []
    host = pm2_api.make_host(
        tmp_path, "socket", "sh", 5, {"PATH": "/bin"}, Clock(lambda: time.now, time.sleep), secrets
    )
    host.idle.append(lambda: looks.append(time.now))
    host.clock.sleep(0.05)
    secrets.add("hunter2")
    assert (looks, host.clock.now()) == (pytest.approx([0, 0.02, 0.04]), pytest.approx(0.05))
    assert host.hide("it says hunter2") == "it says ********"
    program = host.program()
    assert (program.executable.endswith("sh"), program.environment["PM2_HOME"]) == (True, str(tmp_path))
    with pytest.raises(PM2Error, match="No PM2 daemon runs"), host.connect():
        pass


def test_a_program_that_is_not_there_is_told_with_what_to_do(tmp_path):
    with pytest.raises(PM2Error, match="set executable to its absolute path"):
        pm2_api.find_program("/nonexistent/pm2", tmp_path, 5, {})
    assert pm2_api.find_program("sh", tmp_path, 5, {}).executable


def test_a_folder_of_the_shell_is_no_secret():
    processes = [listed(env={"OLDPWD": "/srv/shop", "DB_PWD": "hunter2"})]
    assert report.running_secrets(plan.State(processes, [], "socket", "7", 0, True), "shop") == {"hunter2"}


def test_what_ended_with_its_daemon_need_not_be_stopped(processes):
    done = process.stop(processes(None))()
    assert (done.plan.action, done.outcome.after, done.outcome.ready) == ("none", manage.NOTHING, None)
