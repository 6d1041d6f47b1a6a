# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
    checks,
    readiness,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    PM2Error,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import NOTHING
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan
from pm2_fakes import (
    FULL,
    ONLINE,
    PARTIAL,
    FakeTransport,
    config,
    listed,
    make_disk,
    request,
    state,
)


@pytest.mark.parametrize(
    "cwd, message",
    [("/nonexistent", "The working folder /nonexistent does not"), ("/", "The script /s.js does not exist")],
)
@pytest.mark.parametrize("action", ["create", "restart", "recreate", "reload", "start"])
def test_what_is_not_there_is_reported_before_anything_is_touched(host, cwd, message, action):
    transport = FakeTransport([ONLINE])
    with pytest.raises(PM2Error, match=message):
        plan = ProcessPlan(action, [], False)
        checks.prepare(request(config=config(cwd=cwd)), host(transport), plan)
    assert transport.calls == []


@pytest.mark.parametrize(
    "wanted, plan, asked",
    [
        (request(config=config(cwd="/nonexistent")), ProcessPlan("none", [], True), 1),
        (request(config=PARTIAL), ProcessPlan("restart", [], False), 0),
    ],
)
def test_what_is_not_needed_may_be_missing(host, wanted, plan, asked):
    there = host(FakeTransport([ONLINE]))
    checks.prepare(wanted, there, plan)
    assert there.program.asked == asked


@pytest.mark.parametrize(
    "action, refused", [("create", True), ("recreate", True), ("resurrect", True), ("restart", False)]
)
def test_a_process_is_made_only_where_pm2_has_room_for_its_files(host, monkeypatch, action, refused):
    """One that is there goes on: it can be stopped and restarted on a full disk."""
    make_disk(monkeypatch, **FULL)
    with pytest.raises(PM2Error, match="No space is left for PM2_HOME") if refused else contextlib.nullcontext():
        checks.prepare(request(), host(FakeTransport([ONLINE])), ProcessPlan(action, [], True))


def test_a_home_of_another_user_is_refused(tmp_path):
    with pytest.raises(PM2Error, match="PM2_HOME .* belongs to .*; become that user"):
        checks.refuse(request(), tmp_path, NOTHING, os.geteuid() + 1)


def test_a_home_that_cannot_be_inspected_is_reported(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(PM2Error, match="Cannot inspect PM2_HOME .*; become its user, or set pm2_home"):
        checks.refuse(request(), tmp_path / "loop", NOTHING, os.geteuid())


@pytest.mark.parametrize(
    "wanted, before, asked",
    [(request(), NOTHING, True), (request("stopped"), NOTHING, True), (request("stopped"), state(ONLINE), False)],
)
def test_orphans_are_refused_but_where_the_app_is_stopped_first(monkeypatch, tmp_path, wanted, before, asked):
    seen = []
    monkeypatch.setattr(readiness, "refuse_orphans", lambda *arguments: seen.append(arguments))
    checks.refuse(wanted, tmp_path / "new", before, os.geteuid())
    assert bool(seen) is asked


@pytest.mark.parametrize(
    "interpreter, found",
    [("sh", True), ("none", True), ("node@20", True), ("nonesuch", False), ("/nonexistent/node", False)],
)
def test_an_interpreter_that_is_not_there_is_reported_before_anything_is_touched(host, tmp_path, interpreter, found):
    (tmp_path / "s.js").touch()
    wanted, there = request(config=config(cwd=str(tmp_path), exec_interpreter=interpreter)), host(FakeTransport([]))
    if found:
        checks.prepare(wanted, there, ProcessPlan("create", [], False))
    else:
        with pytest.raises(PM2Error, match=f"The interpreter {interpreter} was not found; correct interpreter"):
            checks.prepare(wanted, there, ProcessPlan("create", [], False))


@pytest.mark.parametrize(
    "action, config, script, refused",
    [
        ("restart", None, "/gone/server.js", True),
        ("reload", None, "/gone/server.js", True),
        ("restart", None, __file__, False),
        ("start", None, "/gone/server.js", False),
        ("restart", config(script="s.js"), "/gone/server.js", False),
    ],
)
def test_a_process_whose_script_is_gone_is_not_restarted(action, config, script, refused):
    given = (
        request("restarted", config=config),
        state(listed(pid=5, pm_exec_path=script)),
        ProcessPlan(action, [], False),
    )
    with pytest.raises(PM2Error, match="of shop is gone; put it back") if refused else contextlib.nullcontext():
        checks.refuse_gone(*given)
