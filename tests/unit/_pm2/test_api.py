# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from pm2_fakes import ONLINE, STOPPED, FakeTransport, listed, request


@pytest.mark.parametrize("save", [True, False])
def test_a_stop_returns_when_the_processes_are_gone_and_its_end_when_pm2_knows(kernel, host, save, monkeypatch):
    saved = []
    monkeypatch.setattr(pm2.pm2_carry_out.dump, "save", lambda _program, home: saved.append(home))
    transport = FakeTransport([listed(pid=10)], [STOPPED])
    there = host(transport)
    await_pm2 = pm2.stop(request("stopped", save=save), there, os.geteuid())
    assert (transport.calls, saved) == ([("stop", 3)], [])
    completed = await_pm2()
    assert (transport.calls, saved) == ([("stop", 3), ("stopped", 3)], [there.home] if save else [])
    assert (completed.plan.action, completed.outcome.after.instances[0].status) == ("stop", "stopped")


def test_what_is_stopped_already_is_found_and_left_alone(kernel, host):
    transport = FakeTransport([STOPPED])
    assert pm2.stop(request("stopped"), host(transport), os.geteuid())().plan.action == "none"
    assert transport.calls == []


@pytest.mark.parametrize("act", [pm2.act, lambda *given: pm2.stop(*given)()], ids=["act", "stop"])
def test_without_a_daemon_there_is_nothing_to_end(kernel, host, act):
    completed = act(request("stopped"), host(None), os.geteuid())
    assert (completed.plan.action, completed.outcome.after, completed.outcome.ready) == ("none", pm2.NOTHING, None)


def test_a_process_is_brought_to_the_wanted_state(kernel, host):
    transport = FakeTransport([STOPPED], [listed(pid=6)])
    completed = pm2.act(request(), host(transport), os.geteuid())
    assert (completed.plan.action, transport.calls) == ("start", [("start", 3)])
    assert completed.outcome.after.instances[0].pid == 6


def test_who_knows_the_state_has_looked_for_orphans(kernel, host, monkeypatch):
    asked = []
    monkeypatch.setattr(readiness, "refuse_orphans", lambda *_given: asked.append("orphans"))
    acting = host(FakeTransport([listed(pid=5)]))
    pm2.act(request(), acting, os.geteuid(), pm2.read_state(acting, "shop"))
    assert asked == []
    pm2.act(request(), acting, os.geteuid())
    assert asked == ["orphans"]


def test_nothing_is_done_as_another_user(kernel, host):
    transport = FakeTransport([ONLINE])
    with pytest.raises(PM2Error, match="become that user"):
        pm2.act(request("restarted"), host(transport), os.geteuid() + 1)
    assert transport.calls == []


def test_instances_are_read_over_the_socket_alone(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(pm2, "Client", lambda *given: asked.append(given) or contextlib.nullcontext())
    monkeypatch.setattr(pm2, "SocketTransport", lambda _client: FakeTransport([ONLINE]))
    assert [each.pid for each in pm2.read_instances(tmp_path, "shop", 10)] == [5]
    assert asked == [(tmp_path, 10)]


def test_all_processes_are_listed_where_a_daemon_runs(host):
    other = {**listed(pm_id=4, pid=7), "name": "worker"}
    found = pm2.read_all(host(FakeTransport([listed(pid=6), other])))
    assert [(each.name, each.pid) for each in found] == [("shop", 6), ("worker", 7)]
    assert pm2.read_all(host(None)) == []
