# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host.proc import Listener
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import instances
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.instances import ReloadError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness
from pm2_fakes import FakeTransport, Time, instance

READY = Readiness(True, "", [], [])


@pytest.fixture
def proc(monkeypatch):
    """A kernel where process 10 has ended and every other one lives."""
    fake = instances.proc
    monkeypatch.setattr(fake, "is_alive", lambda pid: pid not in (0, 10))
    monkeypatch.setattr(fake, "with_descendants", set)
    monkeypatch.setattr(fake, "sockets_of", lambda _pids: {"777"})
    monkeypatch.setattr(fake, "listeners", list)
    monkeypatch.setattr(fake, "working_folder", lambda _pid: "/old")
    return monkeypatch


@pytest.mark.parametrize(
    "found, needed",
    [
        ([], True),
        ([instance(pid=5)], False),
        ([instance(pid=5), instance(status="errored")], True),
        ([instance(pid=0)], True),
        ([instance(pid=10)], True),
    ],
)
def test_a_start_is_needed_unless_every_instance_runs(proc, found, needed):
    assert instances.needs_start(found) is needed


@pytest.mark.parametrize("pid, old, stale", [(5, "/old", True), (5, "", False), (0, "/old", False)])
def test_an_instance_is_stale_when_it_runs_in_an_older_folder(proc, pid, old, stale):
    proc.setattr(instances.process, "stale_folder", lambda _instance, _works_in: old)
    assert instances.is_stale(instance(pid=pid)) is stale


@pytest.mark.parametrize(
    "found, changes, calls",
    [
        (instance(pid=5), {}, []),
        (instance(status="stopped"), {}, [("start", 3)]),
        (
            instance(status="launching", watch=["src"]),
            {3: {"a": 1}},
            [("stop", 3), ("stopped", 3), ("restart", 3, {"watch": ["src"], "a": 1})],
        ),
        (instance(status="errored"), {}, [("start", 3)]),
        (instance(pid=10, status="stopped"), {}, [("stop", 3), ("stopped", 3), ("start", 3)]),
        (instance(status="waiting restart"), {}, [("stop", 3), ("stopped", 3), ("start", 3)]),
        (instance(pid=10), {}, [("stop", 3), ("stopped", 3), ("start", 3)]),
        (instance(status="stopped"), {3: {"a": 1}}, [("restart", 3, {"a": 1})]),
    ],
)
def test_what_does_not_run_is_started_once(proc, found, changes, calls):
    transport = FakeTransport()
    instances.start(transport, [found], changes)
    assert transport.calls == calls


def test_a_restart_starts_what_does_not_run(proc):
    transport = FakeTransport()
    instances.restart(transport, [instance(pid=5), instance(4, status="stopped")], {3: {"a": 1}})
    assert transport.calls == [("restart", 3, {"a": 1}), ("start", 4)]


def test_a_reload_takes_the_next_instance_only_when_the_last_one_serves(proc):
    transport, asked = FakeTransport(), []
    found = [instance(number, pid=20 + number, exec_mode="cluster_mode") for number in (3, 4, 5)]
    instances.reload(transport, found, {}, lambda pm_id: asked.append(pm_id) or READY)
    assert (transport.calls, asked) == ([("reload", 3), ("reload", 4), ("reload", 5)], [3, 4])


def test_a_reload_that_does_not_serve_stops_there(proc):
    transport = FakeTransport()
    found = [instance(number, pid=20 + number, exec_mode="cluster_mode") for number in (3, 4, 5)]
    with pytest.raises(ReloadError, match="it is deaf; the other 2 instances were left as they were") as error:
        instances.reload(transport, found, {}, lambda _pm_id: Readiness(False, "it is deaf", found[:1], []))
    assert (transport.calls, error.value.seen.instances) == ([("reload", 3)], found[:1])


def test_a_reload_in_fork_mode_is_a_restart(proc):
    transport = FakeTransport()
    instances.reload(transport, [instance(pid=5)], {}, lambda _pm_id: READY)
    assert transport.calls == [("restart", 3)]


def test_a_process_is_deleted_by_its_ids():
    transport = FakeTransport()
    instances.delete(transport, [instance(), instance(4)])
    assert transport.calls == [("delete", 3), ("delete", 4)]


def test_a_stop_passes_over_what_is_stopped(proc):
    transport = FakeTransport()
    instances.stop(transport, [instance(pid=10), instance(4, status="stopped")], 0, 5, Time().clock())()
    assert transport.calls == [("stop", 3), ("stopped", 3)]


def test_a_stop_waits_until_the_processes_are_gone_and_their_sockets_closed(proc):
    lives, listens = [True, False], [[Listener("::1", 1, "777")], [Listener("::1", 1, "1"), Listener("::1", 2, "2")]]
    proc.setattr(instances.proc, "is_alive", lambda _pid: lives.pop(0))
    proc.setattr(instances.proc, "listeners", lambda: listens.pop(0))
    time = Time()
    instances.stop(FakeTransport(), [instance(pid=5)], 3000, 5, time.clock())()
    assert (lives, listens, time.now > 0) == ([], [], True)


def test_a_process_that_outlives_its_stop_is_named(proc):
    with pytest.raises(PM2Error, match="shop was stopped, but process 5 still runs after 5 seconds; end it"):
        instances.stop(FakeTransport(), [instance(pid=5)], 0, 5, Time().clock())()


@pytest.mark.parametrize(
    "holders, who", [({7: "nginx"}, r"process 7 \(nginx\)"), ({}, "a process of another user")], ids=["seen", "unseen"]
)
def test_whoever_still_listens_after_a_stop_is_named(proc, holders, who):
    proc.setattr(instances.proc, "listeners", lambda: [Listener("::1", 3000, "1")])
    proc.setattr(instances.proc, "holders_of_port", lambda _port: holders)
    with pytest.raises(PM2Error, match=f"The app was stopped, but {who} still listens on port 3000; end it"):
        instances.stop(FakeTransport(), [instance(pid=10)], 3000, 5, Time().clock())()
