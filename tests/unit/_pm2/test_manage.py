# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import manage, process, report
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import plan as pm2_plan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Difference
from ansible_collections.greenlight.release.plugins.module_utils._pm2.manage import NOTHING, Host, Outcome
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Plan, Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness, Wanted
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import (
    NoDaemonError,
    PM2Error,
    ProtocolError,
)
from pm2_fakes import FakeTransport, Time, instance, listed

ONLINE, STOPPED = listed(pid=5), listed(status="stopped")
READY = Readiness(True, "", [instance(pid=5)], [3000])


def request(state="started", config=None, save=False, port=None, timeout=5.0):
    return Request("shop", state, config, Wanted(port), 0.0, timeout, save)


def state(*processes, live=True):
    return State(list(processes), process.instances_of(processes, "shop"), "socket", "7.0.4", 0, live)


def config(**options):
    return pm2_config.make_config("shop", None, {"script": "s.js", "cwd": "/", **options}, Path("/"), 1)


def make_partial(**options):
    return pm2_config.make_config("shop", None, options, Path("/"), 1)


PARTIAL = make_partial(kill_timeout=9)


@pytest.fixture
def kernel(monkeypatch):
    """A kernel where every process but 10 lives, nobody listens, and nothing is stale."""
    fake = manage.proc
    monkeypatch.setattr(fake, "is_alive", lambda pid: pid not in (0, 10))
    monkeypatch.setattr(fake, "with_descendants", set)
    monkeypatch.setattr(fake, "sockets_of", lambda _pids: set())
    monkeypatch.setattr(fake, "listeners", list)
    monkeypatch.setattr(fake, "listening_ports", lambda _pids: [3000])
    monkeypatch.setattr(manage.control, "is_stale", lambda _instance: False)
    monkeypatch.setattr(manage.readiness, "refuse_orphans", lambda *_arguments: None)
    monkeypatch.setattr(manage.readiness, "look", lambda *_arguments: READY)
    monkeypatch.setattr(manage.readiness, "look_at", lambda *_arguments: READY)
    return monkeypatch


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
    plan = pm2_plan.make_plan(wanted, before, tmp_path)
    assert (plan.action, plan.changed) == (action, action != "none")


def test_what_runs_in_an_older_folder_is_restarted(kernel, tmp_path):
    kernel.setattr(manage.control, "is_stale", lambda _instance: True)
    assert pm2_plan.make_plan(request(), state(ONLINE), tmp_path).action == "restart"


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
        pm2_plan.make_plan(wanted, NOTHING, tmp_path)


def test_a_process_that_pm2_forgot_is_started_as_it_was_saved(tmp_path):
    saved = [{"name": "shop"}, {"name": "other"}]
    (tmp_path / "dump.pm2").write_text(json.dumps(saved))
    assert pm2_plan.make_plan(request(), NOTHING, tmp_path).action == "resurrect"
    assert pm2_plan.make_plan(request(config=config()), NOTHING, tmp_path).action == "create"


@pytest.mark.parametrize(
    "save, before, is_saved, planned",
    [
        (True, state(ONLINE), False, True),
        (True, state(ONLINE), True, False),
        (False, state(ONLINE), False, False),
        (True, state(STOPPED), True, True),
    ],
)
def test_the_list_is_saved_where_it_would_not_bring_back_what_runs(kernel, tmp_path, save, before, is_saved, planned):
    kernel.setattr(pm2_plan.dump, "is_saved", lambda *_arguments: is_saved)
    assert pm2_plan.make_plan(request(save=save), before, tmp_path).save is planned


def test_an_empty_list_is_not_saved_where_no_daemon_runs(tmp_path):
    (tmp_path / "dump.pm2").write_text('[{"name": "shop"}]')
    assert pm2_plan.make_plan(request("absent", save=True), NOTHING, tmp_path).save is False


class FakeProgram:
    def __init__(self):
        self.asked, self.environment, self.ran = 0, {"PATH": os.defpath}, []

    def run(self, *words):
        self.ran.append(words)

    def __call__(self):
        self.asked += 1
        return self


@pytest.fixture
def host(tmp_path):
    """Return a function that makes a host from a transport; its program notes how often it was looked for."""

    def make(transport):
        @contextlib.contextmanager
        def connect():
            if transport is None:
                raise NoDaemonError("No PM2 daemon runs")
            yield transport

        return Host(tmp_path, connect, FakeProgram(), Time().clock())

    return make


def test_where_no_daemon_runs_there_is_nothing(host):
    assert manage.read_state(host(None), "shop") == NOTHING
    assert manage.read_state(host(FakeTransport([ONLINE])), "shop").instances[0].pid == 5


@pytest.mark.parametrize(
    "wanted, before, plan, calls",
    [
        (request(), state(ONLINE), Plan("none", [], False), []),
        (request(), state(STOPPED), Plan("start", [], False), [("start", 3)]),
        (request("restarted"), state(ONLINE), Plan("restart", [], False), [("restart", 3)]),
        (request("reloaded"), state(ONLINE), Plan("reload", [], False), [("restart", 3)]),
        (request("stopped"), state(listed(pid=10)), Plan("stop", [], False), [("stop", 3), ("stopped", 3)]),
        (request("stopped", port=3000), NOTHING, Plan("none", [], False), []),
        (
            request("absent"),
            state(listed(pid=10)),
            Plan("delete", [], False),
            [("stop", 3), ("stopped", 3), ("delete", 3)],
        ),
        (
            request("restarted", config=PARTIAL),
            state(ONLINE),
            Plan("restart", [Difference("kill_timeout", None, 9)], False),
            [("restart", 3, {"kill_timeout": 9, "env": {}})],
        ),
    ],
)
def test_a_plan_is_carried_out_over_the_transport(kernel, host, wanted, before, plan, calls):
    transport = FakeTransport([listed(pid=6, kill_timeout=9)])
    outcome = manage.carry_out(wanted, host(transport), before, plan)
    assert (transport.calls, outcome.after.instances[0].pid) == (calls, 6)
    assert (outcome.ready is None) == (wanted.state in ("stopped", "absent"))


def test_a_saved_process_is_made_over_the_transport_of_a_new_daemon(kernel, host, tmp_path):
    (tmp_path / "dump.pm2").write_text(json.dumps([{"name": "shop"}, {"name": "other"}]))
    transport = FakeTransport([STOPPED], [listed(pid=6)])
    there = host(transport)
    outcome = manage.carry_out(request(), there, NOTHING, Plan("resurrect", [], False))
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
    kernel.setattr(manage.ecosystem, "start", lambda _program, text, folder: made.append((text, folder)))
    kernel.setattr(manage.dump, "save", lambda _program, home: made.append(home))
    kernel.setattr(pm2_plan.pm2_config, "differences", lambda _config, _processes: [])
    there = host(FakeTransport([listed(pid=6)]))
    outcome = manage.carry_out(request(config=wanted, save=True), there, before, Plan(action, [], True))
    assert made == [(pm2_config.ecosystem(wanted), tmp_path), tmp_path]
    assert outcome.ready == READY


@pytest.mark.parametrize(
    "cwd, message",
    [("/nonexistent", "The working folder /nonexistent does not"), ("/", "The script /s.js does not exist")],
)
@pytest.mark.parametrize("action", ["create", "restart", "recreate", "reload", "start"])
def test_what_is_not_there_is_told_before_anything_is_touched(host, cwd, message, action):
    transport = FakeTransport([ONLINE])
    with pytest.raises(PM2Error, match=message):
        plan = Plan(action, [], False)
        manage.prepare(request(config=config(cwd=cwd)), host(transport), plan)
    assert transport.calls == []


@pytest.mark.parametrize(
    "wanted, plan, asked",
    [
        (request(config=config(cwd="/nonexistent")), Plan("none", [], True), 1),
        (request(config=PARTIAL), Plan("restart", [], False), 0),
    ],
)
def test_what_is_not_needed_may_be_missing(host, wanted, plan, asked):
    there = host(FakeTransport([ONLINE]))
    manage.prepare(wanted, there, plan)
    assert there.program.asked == asked


@pytest.mark.parametrize(
    "wanted, before, settings",
    [
        (request(config=PARTIAL), state(ONLINE, live=False), "kill_timeout"),
        (request(config=make_partial(env={"A": "1"})), state(ONLINE, live=False), "env.A"),
        (request(config=make_partial(out_file="/o")), state(ONLINE), "pm_out_log_path"),
    ],
)
def test_what_must_be_made_anew_needs_a_whole_description(tmp_path, wanted, before, settings):
    with pytest.raises(PM2Error, match=f"shop must be made anew to change {settings}; give config or script"):
        pm2_plan.make_plan(wanted, before, tmp_path)


def test_a_second_stop_looks_again_at_what_outlived_the_first(kernel, host):
    def refuse(*_arguments):
        raise PM2Error("shop still runs")

    kernel.setattr(manage.readiness, "refuse_orphans", refuse)
    with pytest.raises(PM2Error, match="shop still runs"):
        there = host(FakeTransport([STOPPED]))
        manage.carry_out(request("stopped"), there, state(STOPPED), Plan("none", [], False))


def test_a_process_that_is_not_ready_is_an_error_with_the_reason(kernel, host):
    kernel.setattr(manage.readiness, "look", lambda *_arguments: Readiness(False, "it is deaf", [], []))
    with pytest.raises(PM2Error, match="shop is not ready: it is deaf"):
        manage.carry_out(request(), host(FakeTransport([ONLINE])), state(ONLINE), Plan("none", [], False))


def test_a_reload_that_does_not_serve_is_an_error_with_the_reason(kernel, host):
    kernel.setattr(manage.readiness, "look_at", lambda *_arguments: Readiness(False, "it is deaf", [], []))
    both = [listed(pid=5, exec_mode="cluster_mode"), listed(4, pid=6, exec_mode="cluster_mode")]
    transport = FakeTransport(both)
    with pytest.raises(PM2Error, match="not ready: it is deaf; the other 1 instances were left as they were"):
        manage.carry_out(request("reloaded"), host(transport), state(*both), Plan("reload", [], False))
    assert transport.calls == [("reload", 3)]


def test_a_configuration_that_pm2_did_not_take_over_is_an_error(kernel, host):
    plan = Plan("restart", [Difference("kill_timeout", None, 9)], False)
    with pytest.raises(PM2Error, match="shop runs, but PM2 did not take over kill_timeout, env.A; remove"):
        partial = pm2_config.make_config("shop", None, {"kill_timeout": 9, "env": {"A": "1"}}, Path("/"), 1)
        manage.carry_out(request(config=partial), host(FakeTransport([ONLINE])), state(ONLINE), plan)


def test_whom_pm2_killed_is_read_from_its_log_and_the_port_is_watched(kernel, host, tmp_path):
    log = tmp_path / "pm2.log"
    log.write_text("Process with pid 7 still alive after 9ms, sending it SIGKILL now...\n")

    class Killing(FakeTransport):
        def restart(self, pm_id, changes):
            log.write_text(log.read_text() + log.read_text().replace("pid 7", "pid 5"))

    there = host(Killing([ONLINE]))
    outcome = manage.carry_out(request("restarted"), there, state(ONLINE), Plan("restart", [], False))
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
    kernel.setattr(manage.proc, "listening_ports", lambda _pids: ports)
    assert manage.port_to_watch(wanted, state(*processes)) == port


@pytest.mark.parametrize(
    "way, speaks, used",
    [
        ("auto", True, "socket"),
        ("socket", True, "socket"),
        ("auto", False, "program"),
        ("program", True, "program"),
    ],
)
def test_the_program_steps_in_where_the_socket_speaks_another_protocol(monkeypatch, tmp_path, way, speaks, used):
    def socket(_client):
        if not speaks:
            raise ProtocolError("version 2")
        return "socket"

    monkeypatch.setattr(manage, "Client", lambda *_arguments: contextlib.nullcontext())
    monkeypatch.setattr(manage, "SocketTransport", socket)
    monkeypatch.setattr(manage, "ProgramTransport", lambda _program, _home: "program")
    with manage.connect(way, tmp_path, 1, FakeProgram()) as transport:
        assert transport == used


def test_a_protocol_that_must_be_spoken_and_is_not_is_an_error(monkeypatch, tmp_path):
    def refuse(_client):
        raise ProtocolError("version 2")

    monkeypatch.setattr(manage, "Client", lambda *_arguments: contextlib.nullcontext())
    monkeypatch.setattr(manage, "SocketTransport", refuse)
    with pytest.raises(ProtocolError), manage.connect("socket", tmp_path, 1, FakeProgram()):
        pass


def test_a_home_of_another_user_is_refused(tmp_path):
    with pytest.raises(PM2Error, match="PM2_HOME .* belongs to .*; become that user"):
        manage.refuse(request(), tmp_path, NOTHING, os.geteuid() + 1)


def test_a_home_that_cannot_be_looked_at_is_told(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(PM2Error, match="Cannot look at PM2_HOME .*; become its user, or set pm2_home"):
        manage.refuse(request(), tmp_path / "loop", NOTHING, os.geteuid())


@pytest.mark.parametrize(
    "wanted, before, asked",
    [(request(), NOTHING, True), (request("stopped"), NOTHING, True), (request("stopped"), state(ONLINE), False)],
)
def test_orphans_are_refused_but_where_the_app_is_stopped_first(monkeypatch, tmp_path, wanted, before, asked):
    seen = []
    monkeypatch.setattr(manage.readiness, "refuse_orphans", lambda *arguments: seen.append(arguments))
    manage.refuse(wanted, tmp_path / "new", before, os.geteuid())
    assert bool(seen) is asked


def outcome(after, ready=READY, killed=(), closed=None):
    return Outcome(after, ready, 0.12345, list(killed), closed)


def test_the_result_tells_what_was_done_and_what_is_true(kernel):
    plan = Plan("restart", [], True)
    result = report.done(state(ONLINE), plan, outcome(state(listed(pid=6)), closed=0.98765), 100)
    facts = ("changed", "action", "ready", "killed", "saved", "transport", "pm2_version", "ready_after", "ports")
    assert [result[key] for key in facts] == [True, "restart", True, False, True, "socket", "7.0.4", 0.123, [3000]]
    assert (result["before"][0]["pid"], result["after"][0]["pid"], result["port_closed_for"]) == (5, 6, 0.988)


def test_the_result_of_a_stop_has_no_time_to_be_ready(kernel):
    result = report.done(state(ONLINE), Plan("stop", [], False), outcome(state(STOPPED), ready=None), 100)
    assert (result["ready"], "ready_after" in result, "port_closed_for" in result) == (False, False, False)


@pytest.mark.parametrize("before, ready", [(state(ONLINE), True), (state(STOPPED), False), (NOTHING, False)])
def test_what_is_only_planned_is_told_as_it_is(kernel, before, ready):
    assert report.planned(before, Plan("none", [], False), 100)["ready"] is ready


@pytest.mark.parametrize(
    "action, after",
    [
        ("none", {"instance 3": "stopped"}),
        ("stop", {"instance 3": "stopped"}),
        ("delete", {}),
        ("restart", {"instance 3": "online", "kill_timeout": 9}),
    ],
)
def test_the_diff_tells_settings_and_instances(action, after):
    found = [Difference("kill_timeout", None, 9)] if action == "restart" else []
    diff = report.diff(state(STOPPED), Plan(action, found, False))
    assert diff["before"] == {"instance 3": "stopped", **({"kill_timeout": None} if found else {})}
    assert diff["after"] == after


def test_the_diff_of_a_new_process_is_one_instance():
    assert report.diff(NOTHING, Plan("create", [], False)) == {"before": {}, "after": {"instance": "online"}}


def test_a_message_does_not_tell_secrets():
    hidden = report.hide("it is hunter2-long and hunter2 on 80", ["hunter2", "hunter2-long", "80"])
    assert hidden == "it is ******** and ******** on 80"


def test_every_line_of_a_secret_is_hidden():
    hidden = report.hide("1: first-line\n1: second-line\n", ["first-line\nsecond-line"])
    assert hidden == "1: ********\n1: ********\n"


def test_the_secrets_of_what_runs_are_known_by_their_names():
    running = state(listed(env={"API_TOKEN": "hunter2", "PORT": 80}), listed(4, env=None))
    assert report.running_secrets(running, "shop") == {"hunter2"}


def test_the_log_is_cleaned_of_known_secrets_before_it_is_split_and_cut(kernel, host, tmp_path):
    log = tmp_path / "error.log"
    secret = "first-line\nsecond-line"
    there = dataclasses.replace(host(FakeTransport([ONLINE])), hide=lambda text: report.hide(text, [secret]))
    before = state(listed(pid=5, pm_err_log_path=str(log)))

    def look(*_arguments):
        log.write_text(f"{secret}\n{'x' * 296}{secret}\n")
        return Readiness(False, "it is deaf", before.instances, [])

    kernel.setattr(manage.readiness, "look", look)
    with pytest.raises(PM2Error, match="Its error log ends with: ") as error:
        manage.carry_out(request(), there, before, Plan("none", [], False))
    assert ("first" in str(error.value), "fir" in str(error.value), "line" in str(error.value)) == (False,) * 3


@pytest.mark.parametrize(
    "is_saved, back", [(True, "pm2 resurrect brings it"), (False, "start it again with the configuration that it had")]
)
def test_a_new_start_that_fails_tells_what_was_removed_and_how_to_bring_it_back(kernel, host, is_saved, back):
    def fail(*_arguments):
        raise PM2Error("pm2 start failed")

    kernel.setattr(manage.ecosystem, "start", fail)
    kernel.setattr(manage.dump, "is_saved", lambda *_arguments: is_saved)
    there, before = host(FakeTransport([])), state(listed(pid=10))
    with pytest.raises(PM2Error, match=f"start failed. shop was made anew, so its 1 instances of /s.js in /.*; {back}"):
        manage.carry_out(request(config=config()), there, before, Plan("recreate", [], False))


@pytest.mark.parametrize(
    "interpreter, found",
    [("sh", True), ("none", True), ("node@20", True), ("nonesuch", False), ("/nonexistent/node", False)],
)
def test_an_interpreter_that_is_not_there_is_told_before_anything_is_touched(host, tmp_path, interpreter, found):
    (tmp_path / "s.js").touch()
    wanted, there = request(config=config(cwd=str(tmp_path), exec_interpreter=interpreter)), host(FakeTransport([]))
    if found:
        manage.prepare(wanted, there, Plan("create", [], False))
    else:
        with pytest.raises(PM2Error, match=f"The interpreter {interpreter} was not found; correct interpreter"):
            manage.prepare(wanted, there, Plan("create", [], False))


def test_a_reload_that_makes_the_process_anew_is_warned_about(tmp_path):
    cluster = state(listed(exec_mode="cluster_mode"))
    told = report.warnings(request("reloaded"), cluster, outcome(cluster), tmp_path, 1000, action="recreate")
    assert told == ["shop was made anew, as PM2 cannot hand over what differs, so requests may have been lost"]


@pytest.mark.parametrize(
    "wanted, before, found, warning",
    [
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
    told = report.warnings(wanted, before, found, tmp_path, 1000)
    assert len(told) == (1 if warning else 0)
    assert warning is None or warning in told[0]


@pytest.mark.parametrize("version, count", [("7.0.4", 0), ("7.0.5", 1), ("", 0)])
def test_a_daemon_of_another_version_is_warned_about(tmp_path, version, count):
    told = report.warnings(request(), state(ONLINE), outcome(state(ONLINE)), tmp_path, 1000, version)
    assert len(told) == count


def test_a_list_that_everybody_can_read_is_warned_about_unless_it_is_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(report.dump, "readable_by_others", lambda _home: True)
    found = outcome(state(ONLINE))
    assert len(report.warnings(request(), state(ONLINE), found, tmp_path, 1000)) == 1
    assert report.warnings(request(save=True), state(ONLINE), found, tmp_path, 1000) == []


@pytest.mark.parametrize("owner, count", [(0, 0), (1000, 1)])
def test_a_script_of_a_user_that_runs_as_root_is_warned_about(tmp_path, monkeypatch, owner, count):
    script = tmp_path / "s.js"
    script.touch()
    monkeypatch.setattr(report, "_owners", lambda _script: {owner})
    found = outcome(state(listed(pid=5, pm_exec_path=str(script))))
    assert len(report.warnings(request(), state(ONLINE), found, tmp_path, 0)) == count


def test_the_owners_of_a_script_are_those_of_the_file_and_its_folder(tmp_path):
    assert report._owners(tmp_path / "..") == {os.geteuid()} | {tmp_path.parent.parent.stat().st_uid}


@pytest.mark.parametrize(
    "package, version", [('{"name": "pm2", "version": "7.0.4"}', "7.0.4"), ('{"name": "other"}', ""), ("{", "")]
)
def test_the_version_of_the_program_is_that_of_its_package(tmp_path, package, version):
    program = tmp_path / "pm2" / "bin" / "pm2"
    program.parent.mkdir(parents=True)
    program.touch()
    (tmp_path / "pm2" / "package.json").write_text(package)
    assert report.version_of(str(program)) == version
    assert report.version_of(None) == ""
