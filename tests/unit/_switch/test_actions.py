# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Ruling
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._switch import actions, processes
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress, SwitchError
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import steps_of
from pm2_fakes import FakeTransport, fake_kernel, instance, listed
from switch_fakes import ID, make_inputs, open_release

RUNNING, STOPPED = listed(pid=10), listed(status="stopped")
# For the fake kernel a process 10 has just ended, and any other one is alive.
SERVING = listed(pid=5)
BEGUN = Progress(pm2.NOTHING)
KEPT = Ruling(False, "the schema is that of the backup")
REHEARSED = {"migrate": [["true"]], "rehearse": "auto"}


@pytest.fixture
def kernel(monkeypatch):
    return fake_kernel(monkeypatch)


@pytest.fixture
def make(tmp_path, kernel):
    """Return a function that makes the inputs of a switch, whose release is on record at a stage."""

    def make(stage="backed_up", transport=None, facts=None, **given):
        open_release(tmp_path, tmp_path, stage, **facts or {})
        return make_inputs(tmp_path, transport, **given)

    return make


def noted(inputs):
    return store.find_record(store.read_records(inputs.state_path), ID)


def databases(inputs):
    return noted(inputs)["facts"]["databases"]


def fail(*_given):
    raise GitError("the disk is on fire.")


def test_every_step_of_every_plan_has_an_action(make):
    plans = [make(**given).plan for given in (REHEARSED, {"restart_app": False}, {"direction": "back"})]
    assert {step for plan in plans for step in steps_of(plan)} == set(actions.STEPS)


def test_every_step_gets_what_the_steps_before_it_found_and_how_long_it_took_is_reported(make, monkeypatch):
    inputs = make(direction="back")
    seen = []

    def step(name):
        def take(_inputs, progress):
            seen.append((name, dict(progress.results)))
            inputs.system.clock.sleep(1)
            return progress.found({name: "done"})

        return take

    names = steps_of(inputs.plan)
    monkeypatch.setattr(actions, "STEPS", {name: step(name) for name in names})
    ended = actions.run(inputs, BEGUN)
    assert [name for name, _results in seen] == names
    assert seen[1][1] == {"stop": "done"}
    assert (ended.results, ended.seconds) == (dict.fromkeys(names, "done"), dict.fromkeys(names, 1))


@pytest.mark.parametrize("failing", ["mark", "stop", "migrate", "restart_others"])
def test_a_step_that_fails_ends_the_switch_and_says_what_is_true(make, monkeypatch, failing):
    inputs = make()
    taken = []
    names = steps_of(inputs.plan)
    steps = {name: lambda _inputs, progress, name=name: taken.append(name) or progress for name in names}
    monkeypatch.setattr(actions, "STEPS", {**steps, failing: fail})
    with pytest.raises(SwitchError, match="the disk is on fire. What is true now: ") as caught:
        actions.run(inputs, BEGUN)
    assert (caught.value.step, list(caught.value.progress.seconds)) == (failing, [*taken, failing])


def test_what_is_no_failure_of_a_step_is_not_explained_away(make, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        actions.take("mark", lambda _inputs, _progress: 1 / 0, make(), BEGUN)


def test_the_check_is_timed_and_says_that_nothing_was_changed(make, monkeypatch):
    inputs = make()
    monkeypatch.setattr(actions.checks, "check", lambda _inputs: inputs.system.clock.sleep(2) or (pm2.NOTHING, [], []))
    assert actions.check(inputs) == BEGUN.took("check", 2)
    monkeypatch.setattr(actions.checks, "check", fail)
    with pytest.raises(SwitchError, match="What is true now: nothing was changed") as caught:
        actions.check(inputs)
    assert (caught.value.step, caught.value.progress) == ("check", None)


def test_options_that_contradict_each_other_are_refused_first(make):
    with pytest.raises(SwitchError, match="restart_app is for the direction forward") as caught:
        actions.check(make(direction="back", restart_app=False))
    assert caught.value.step == "check"


def test_the_end_of_the_log_is_marked_and_noted(make, tmp_path):
    log = tmp_path / "out.log"
    log.write_text("a line\n")
    inputs = make(facts={"log_files": [{"path": str(log), "stream": "out"}]})
    progress = actions.note_switching(inputs, actions.mark(inputs, BEGUN))
    assert (noted(inputs)["stage"], databases(inputs)[0]["backup"]) == ("switching", "/b/shop.pages")
    assert noted(inputs)["facts"]["strategy"] == "restart"
    assert noted(inputs)["facts"]["cursor"] == json.loads(json.dumps(progress.results["cursor"]))


@pytest.mark.parametrize("direction, goes_on", [("forward", False), ("back", True)])
def test_a_log_that_cannot_be_marked_fails_only_a_switch_forward(make, monkeypatch, direction, goes_on):
    def refuse(*_given):
        raise OSError("no such disk")

    monkeypatch.setattr(actions.logs_files, "take_cursor", refuse)
    inputs = make(direction=direction)
    if goes_on:
        progress = actions.mark(inputs, BEGUN)
        assert (progress.results, progress.facts) == ({"cursor": {}}, {"cursor": {}})
        assert progress.warnings == ("The log was not marked, so all of it is read: no such disk",)
    else:
        with pytest.raises(OSError, match="no such disk"):
            actions.mark(inputs, BEGUN)


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_the_code_is_moved_in_the_direction_of_the_plan(make, monkeypatch, direction):
    moved = []
    for name in ("forward", "back"):
        monkeypatch.setattr(actions.layout, name, lambda _run, _move, name=name: moved.append(name) or ["kept"])
    monkeypatch.setattr(actions.layout, "put_aside", lambda _run, _move: [])
    inputs = make(direction=direction)
    assert actions.move(inputs, BEGUN).warnings == ("kept",)
    assert (moved, "put_aside" in noted(inputs)["facts"]) == ([direction], False)


def test_the_folders_of_what_a_move_put_aside_are_in_the_record(make, monkeypatch):
    inputs = make()
    monkeypatch.setattr(actions.layout, "forward", lambda _run, _move: ["kept"])
    monkeypatch.setattr(actions.layout, "put_aside", lambda _run, _move: ["/aside/r1.1"])
    actions.move(inputs, BEGUN)
    assert noted(inputs)["facts"]["put_aside"] == ["/aside/r1.1"]
    monkeypatch.setattr(actions.layout, "forward", lambda _run, _move: [])
    monkeypatch.setattr(actions.layout, "put_aside", None)
    assert actions.move(inputs, BEGUN) == BEGUN


def test_the_database_is_migrated_in_the_tree_of_the_new_revision(make, tmp_path):
    words = [["sh", "-c", "pwd > where"], ["sh", "-c", "echo $NODE_ENV >> where"]]
    inputs = make(
        transport=FakeTransport([STOPPED]),
        migrate=words,
        environment={"PATH": "/bin:/usr/bin", "NODE_ENV": "production"},
    )
    assert actions.migrate(inputs, BEGUN) is BEGUN
    assert (tmp_path / "where").read_text().split() == [str(tmp_path), "production"]


def test_output_of_a_migration_that_cannot_be_kept_is_a_warning(make, tmp_path):
    (tmp_path / "output").write_text("no folder")
    inputs = make(transport=FakeTransport([STOPPED]), migrate=[["true"]], environment={"PATH": "/bin:/usr/bin"})
    (warning,) = actions.migrate(inputs, BEGUN).warnings
    assert warning.startswith("The output of true cannot be kept in ")


@pytest.mark.parametrize("fails", [False, True])
def test_when_a_migration_ended_is_noted_also_when_it_failed(make, fails):
    given = {"migrate": [["false" if fails else "true"]], "environment": {"PATH": "/bin:/usr/bin"}}
    inputs = make("switched", transport=FakeTransport([STOPPED]), **given)
    with pytest.raises(CommandError) if fails else contextlib.nullcontext():
        actions.migrate(inputs, BEGUN)
    assert (noted(inputs)["facts"]["migrated_at"], noted(inputs)["stage"]) == ("2026-02-19T02:00:00Z", "switched")


def test_a_migration_need_not_be_noted(make):
    given = {"migrate": [["true"]], "environment": {"PATH": "/bin:/usr/bin"}}
    inputs = make("switched", transport=FakeTransport([STOPPED]), **given)
    other = replace(inputs, change=replace(inputs.change, run_id="run-2", by="bob"))
    assert actions.migrate(other, BEGUN) is BEGUN
    assert actions.migrate(make(), BEGUN) is BEGUN
    assert "migrated_at" not in noted(inputs)["facts"]


def test_a_rehearsed_rollback_says_what_would_become_of_the_database(make, monkeypatch):
    monkeypatch.setattr(
        actions.checks, "check", lambda _inputs: (pm2.NOTHING, [Ruling(False, "the schema is new")], [])
    )
    for rehearsal in (True, False):
        progress = actions.check(make("rolling_back", direction="back", is_rehearsal=rehearsal))
        told = [each["reason"] for each in progress.results.get("restored", [])]
        assert told == (["the schema is new"] if rehearsal else [])


def test_the_next_steps_are_taken_before_pm2_knows_that_the_app_ended(make):
    transport = FakeTransport([RUNNING], [STOPPED])
    inputs = make(transport=transport)
    stopped = actions.stop(inputs, BEGUN)
    assert transport.calls == [("stop", 3)]
    started = actions.start(inputs, stopped)
    assert transport.calls == [("stop", 3), ("stopped", 3), ("start", 3)]
    assert [each.plan.action for each in started.completed] == ["stop", "start"]
    assert (started.stopping, started.results["process"]["ready"]) == (None, True)


def test_an_old_revision_that_does_not_start_leaves_no_rollback_unfinished(make, monkeypatch):
    def refuse(_processes, _known):
        raise PM2Error("it is not ready")

    monkeypatch.setattr(actions.processes, "start", refuse)
    monkeypatch.setattr(actions.processes, "was_started", lambda _seen: False)
    ended = actions.start(make("rolling_back", direction="back"), BEGUN)
    assert ended.warnings == ("The old revision did not start as it should: it is not ready",)
    with pytest.raises(PM2Error):
        actions.start(make(), BEGUN)


def make_reloading(make, transport, **given):
    inputs = make("rolling_back", transport, direction="back", **given)
    plan, app = replace(inputs.plan, strategy="reload"), replace(inputs.processes, state="reloaded")
    return replace(inputs, plan=plan, processes=app)


def test_a_rollback_that_reloads_stops_nothing(make):
    transport = FakeTransport([listed(pid=5, exec_mode="cluster_mode")])
    actions.start(make_reloading(make, transport), BEGUN)
    assert transport.calls == [("reload", 3)]


def test_an_app_that_cannot_be_reloaded_to_the_old_revision_is_stopped_and_started(make, monkeypatch):
    begin, states = actions.processes.start, []

    def refuse_to_reload(app, known):
        states.append(app.state)
        if app.state == "reloaded":
            raise PM2Error("it is not ready")
        return begin(app, known)

    monkeypatch.setattr(actions.processes, "start", refuse_to_reload)
    transport = FakeTransport([RUNNING], [RUNNING], [RUNNING], [STOPPED])
    started = actions.start(make_reloading(make, transport), BEGUN)
    assert (states, transport.calls) == (["reloaded", "started"], [("stop", 3), ("stopped", 3), ("start", 3)])
    told = "The app could not be reloaded to the old revision, and was stopped and started: it is not ready"
    assert started.warnings[0] == told


def test_what_a_check_showed_settles_how_the_app_goes_back(make, monkeypatch):
    seen = []
    monkeypatch.setattr(actions.checks, "check", lambda _inputs: (pm2.NOTHING, [KEPT], []))
    monkeypatch.setattr(actions.checks, "settle", lambda inputs, *known: seen.append(known) or inputs)
    inputs = make("rolling_back", direction="back")
    assert actions.begin(inputs) == (inputs, Progress(pm2.NOTHING, {"check": 0}, rulings=(KEPT,)))
    assert seen == [(pm2.NOTHING, (KEPT,))]


@pytest.mark.parametrize("holders, others", [({5, 6}, ["worker"]), ({5}, [])])
def test_what_shares_the_database_with_the_app_is_stopped_with_it(make, monkeypatch, holders, others):
    worker = {**listed(4, pid=6), "name": "worker"}
    monkeypatch.setattr(actions.database, "holders", lambda _database: holders)
    stopped = []
    monkeypatch.setattr(actions.processes, "stop", lambda _processes, names, with_app: stopped.append(names) or list)
    inputs = make(transport=FakeTransport([listed(pid=5), worker]), restart=["worker"])
    assert (actions.stop(inputs, BEGUN).stopping(), stopped) == ([], [others])


LISTED = [{"name": "queue", "role": "works"}, {"name": "shop", "role": "serves"}, {"name": "job", "role": "runs"}]
QUEUE, JOB = {**listed(4, pid=6), "name": "queue"}, {**listed(5, status="stopped", pm_uptime=1), "name": "job"}


def test_what_is_listed_is_stopped_also_beside_an_app_that_is_being_stopped_already(make):
    transport = FakeTransport([RUNNING, {**QUEUE, "pid": 10}, JOB])

    def app_ends():
        transport.calls.append("the app has ended")
        return ["app"]

    inputs = make("rolling_back", transport, {"processes": LISTED}, direction="back")
    done = actions.stop(inputs, replace(BEGUN, stopping=app_ends))
    assert transport.calls == [("stop", 4)]
    assert done.facts["jobs"] == {"job": [0, 1]}
    assert (done.stopping()[0], transport.calls[1:]) == ("app", ["the app has ended", ("stopped", 4)])


def test_a_job_that_began_since_the_stop_fails_the_migration(make):
    transport = FakeTransport([STOPPED, {**QUEUE, "pid": 10}, JOB])
    inputs = make("switched", transport, {"processes": LISTED}, migrate=[["true"]], environment={"PATH": "/bin"})
    with pytest.raises(PM2Error, match="The job job began while the app was stopped for its migration"):
        actions.migrate(inputs, BEGUN.learned({"jobs": {"job": [0, 0]}}))


def test_what_is_being_stopped_is_not_stopped_again(make):
    transport = FakeTransport([RUNNING])
    stopping = Progress(pm2.NOTHING, stopping=list)
    assert actions.stop(make(transport=transport, direction="back"), stopping) is stopping
    assert transport.calls == []


def test_a_switch_that_ends_before_the_start_waits_until_pm2_knows_that_the_app_ended(make, monkeypatch):
    transport = FakeTransport([RUNNING], [STOPPED])
    inputs = make(transport=transport, phase="before_migrate")
    rest = {name: lambda _inputs, progress: progress for name in steps_of(inputs.plan)}
    monkeypatch.setattr(actions, "STEPS", {**rest, "stop": actions.stop})
    ended = actions.run(inputs, BEGUN)
    assert transport.calls == [("stop", 3), ("stopped", 3)]
    assert ([each.plan.action for each in ended.completed], ended.results) == (["stop"], {})


def test_a_pm2_that_never_knows_that_the_app_ended_fails_the_stop(make, monkeypatch):
    inputs = make(phase="before_migrate")
    rest = {name: lambda _inputs, progress: progress for name in steps_of(inputs.plan)}
    stop = {"stop": lambda _inputs, progress: replace(progress, stopping=fail)}
    monkeypatch.setattr(actions, "STEPS", {**rest, **stop})
    with pytest.raises(SwitchError, match="the disk is on fire. What is true now: the app may be stopped") as caught:
        actions.run(inputs, BEGUN)
    assert caught.value.step == "stop"


def test_an_app_that_is_left_alone_is_observed(make):
    assert actions.look(make(restart_app=False), BEGUN).results["process"]["ready"] is True


def test_for_how_long_the_port_is_closed_is_measured_over_all_steps(make, monkeypatch, kernel):
    inputs = make(port=3000)
    ports = {3000}
    kernel.setattr(pm2.pm2_carry_out.proc, "open_ports", lambda: ports)

    def close(_inputs, progress):
        ports.clear()
        for _sample in range(2):
            for sample in inputs.processes.host.idle:
                sample()
            inputs.processes.host.clock.sleep(1)
        return progress

    rest = {name: lambda _inputs, progress: progress for name in steps_of(inputs.plan)}
    monkeypatch.setattr(actions, "STEPS", {**rest, "move": close})
    assert actions.run(inputs, BEGUN).results == {"port_closed_for": 2}


def test_warnings_of_pm2_are_passed_on(make, monkeypatch):
    inputs = make(transport=FakeTransport([listed(pid=5)]), strategy="reload")
    rest = {name: lambda _inputs, progress: progress for name in steps_of(inputs.plan)}
    monkeypatch.setattr(actions, "STEPS", {**rest, "start": actions.start})
    assert ["in fork mode" in warning for warning in actions.run(inputs, BEGUN).warnings] == [True]


@pytest.mark.parametrize("reason, warnings", [("", ()), ("no room", ("not tried on a copy of the database: no room",))])
def test_what_a_rehearsal_came_to_is_reported(make, monkeypatch, reason, warnings):
    monkeypatch.setattr(actions.migration, "rehearse", lambda _inputs, _before: reason)
    done = actions.rehearse(make(**REHEARSED), BEGUN)
    assert done.results["rehearsal"] == {"done": not reason, "reason": reason, "seconds": 0}
    assert [warning.partition("was ")[2] for warning in done.warnings] == list(warnings)


@pytest.mark.parametrize(
    "reason, given, rehearsed",
    [
        ("", {"migrate": [["true"]], "rehearse": "auto"}, False),
        ("no room", {"migrate": [["true"]], "rehearse": "auto"}, True),
        ("no room", {"migrate": [["true"]]}, False),
        ("no room", {}, False),
    ],
)
def test_a_trial_rehearses_the_migration_which_is_rehearsed_alone_where_there_can_be_none(
    make, monkeypatch, reason, given, rehearsed
):
    monkeypatch.setattr(actions.migration, "try_out", lambda _inputs, _before: actions.migration.Tried(reason))
    monkeypatch.setattr(actions.migration, "rehearse", lambda _inputs, _before: "")
    inputs = make(trial_port=3001, **given)
    assert steps_of(inputs.plan)[0] == "rehearse"
    done = actions.rehearse(inputs, BEGUN)
    assert done.results["trial"] == {"done": not reason, "reason": reason, "seconds": 0}
    told = [f"The new revision was not tried beside the old one: {reason}"] if reason else []
    assert (list(done.warnings), "rehearsal" in done.results) == (told, rehearsed)


@pytest.mark.parametrize("problem", ["", "it ended with status 3"])
def test_what_the_old_revision_did_with_the_migrated_copy_is_remembered_for_a_rollback(make, monkeypatch, problem):
    monkeypatch.setattr(actions.migration, "try_out", lambda *_given: actions.migration.Tried("", problem))
    inputs = make(trial_port=3001, migrate=[["true"]], rehearse="auto")
    done = actions.rehearse(inputs, BEGUN)
    (record,) = store.read_records(inputs.state_path)
    assert record["facts"]["old_code"] == done.facts["old_code"] == problem
    assert [problem in warning for warning in done.warnings] == ([True] if problem else [])


@pytest.mark.parametrize("lists", [[[SERVING]], [[STOPPED], [SERVING]]], ids=["before", "meanwhile"])
def test_nothing_is_migrated_while_something_else_has_started_the_app(make, lists):
    inputs = make(transport=FakeTransport(*lists), migrate=[["true"]], environment={"PATH": "/bin:/usr/bin"})
    with pytest.raises(PM2Error, match="shop was started by something else while it was stopped for its migration"):
        actions.migrate(inputs, BEGUN)


def test_nothing_is_migrated_while_somebody_has_opened_the_database_meanwhile(make, monkeypatch):
    def refuse(_database, stopped_first, allowed):
        raise SqliteError(f"open beside {stopped_first} and {allowed}")

    monkeypatch.setattr(actions.database, "refuse_strangers", refuse)
    inputs = make(transport=FakeTransport([STOPPED]), migrate=[["false"]], environment={"PATH": "/bin:/usr/bin"})
    with pytest.raises(SqliteError, match=r"open beside set\(\) and \['litestream'\]"):
        actions.migrate(inputs, BEGUN)


def test_a_reload_migrates_while_the_app_runs(make):
    given = {"strategy": "reload", "migrate": [["true"]], "environment": {"PATH": "/bin:/usr/bin"}}
    assert actions.migrate(make(transport=FakeTransport([RUNNING]), **given), BEGUN) is BEGUN


def test_pm2_is_asked_once_before_the_app_is_started(make, monkeypatch):
    asked, read = [], pm2.read_state

    def count(*given):
        asked.append(given)
        return read(*given)

    monkeypatch.setattr(pm2, "read_state", count)
    transport = FakeTransport([STOPPED])
    actions.start(make(transport=transport), BEGUN)
    assert (len(asked), transport.calls) == (1, [("start", 3)])


def test_what_was_started_meanwhile_is_stopped_again_and_then_started(make, monkeypatch):
    monkeypatch.setattr(actions.processes, "was_started", lambda _seen: True)
    transport = FakeTransport([RUNNING], [RUNNING], [STOPPED])
    started = actions.start(make(transport=transport), BEGUN)
    assert transport.calls == [("stop", 3), ("stopped", 3), ("start", 3)]
    assert started.warnings == ("shop was started by something else while it was stopped, and was stopped again",)


def test_what_pm2_watched_is_noted_before_the_stop_and_watched_again(make):
    watching = listed(pid=10, watch=["src"])
    transport = FakeTransport([watching], [STOPPED])
    inputs = make("opened", transport=transport)
    marked = actions.note_switching(inputs, actions.mark(inputs, BEGUN))
    assert noted(inputs)["facts"]["watch"] == {"shop": ["src"]}
    actions.start(inputs, marked)
    assert transport.calls == [("restart", 3, {"watch": ["src"]})]


def test_a_schedule_is_noted_before_the_stop_forgotten_by_it_and_set_again(make):
    scheduled = listed(pid=10, cron_restart="0 3 * * *")
    transport = FakeTransport([scheduled], [scheduled], [STOPPED])
    inputs = make(transport=transport)
    progress = actions.note_switching(inputs, actions.mark(inputs, BEGUN))
    assert noted(inputs)["facts"]["schedules"] == {"shop": "0 3 * * *"}
    actions.await_stop(actions.stop(inputs, progress))
    assert transport.calls == [("unschedule", 3), ("stop", 3), ("stopped", 3)]
    transport.calls.clear()
    processes.start(actions.others.as_before(inputs, progress), processes.read(inputs.processes))
    assert transport.calls == [("restart", 3, {"cron_restart": "0 3 * * *"})]


@pytest.mark.parametrize(
    "facts, running, watched",
    [({}, {}, None), ({"watch": {"shop": True}}, {}, {"shop": True}), ({}, {"watch": True}, {"shop": True})],
)
def test_a_rollback_knows_what_was_watched_before_any_stop(make, facts, running, watched):
    transport = FakeTransport([listed(pid=10, **running)], [STOPPED])
    stopped = actions.stop(make(transport=transport, facts=facts, direction="back"), BEGUN)
    assert stopped.facts.get("watch") == watched


@pytest.fixture
def crashing(kernel):
    seen = Readiness(False, "instance 3 is errored", [instance(status="errored")], [])
    kernel.setattr(readiness, "measure", lambda *_arguments: seen)
    return FakeTransport([STOPPED], [listed(status="errored")])


@pytest.mark.parametrize(
    "stage, given, calls",
    [
        ("switched", {}, [("start", 3), ("stop", 3), ("stopped", 3)]),
        ("switched", {"strategy": "reload"}, [("start", 3)]),
    ],
)
def test_a_new_revision_that_ends_before_it_serves_is_stopped(make, crashing, stage, given, calls):
    with pytest.raises(PM2Error, match="shop is not ready: instance 3 is errored") as caught:
        actions.start(make(stage, crashing, **given), BEGUN)
    assert crashing.calls == calls
    assert ("It was stopped, so that PM2 does not start it again" in str(caught.value)) == (len(calls) > 1)


def test_a_new_revision_that_cannot_even_be_stopped_is_told_with_both_reasons(make, crashing, monkeypatch):
    def stop(_processes):
        raise PM2Error("process 5 still runs")

    monkeypatch.setattr(actions.processes, "stop", stop)
    with pytest.raises(PM2Error, match="is errored.*It could not be stopped either: process 5 still runs"):
        actions.start(make("switched", crashing), BEGUN)


def test_a_switch_that_lost_its_release_takes_no_further_step(make, monkeypatch):
    inputs = make()
    taken = []

    def take_over(_inputs, progress):
        record = noted(inputs)
        with store.exclusive(inputs.state_path, inputs.system.uid):
            store.write_record(inputs.state_path, {**record, "lock": {**record["lock"], "run_id": "run-2"}})
        return progress

    names = steps_of(inputs.plan)
    steps = {name: lambda _inputs, progress, name=name: taken.append(name) or progress for name in names}
    monkeypatch.setattr(actions, "STEPS", {**steps, "mark": take_over})
    with pytest.raises(
        SwitchError, match="This run lost the release to another: .* What is true now: nothing was changed"
    ):
        actions.run(inputs, BEGUN)
    assert taken == []


def test_what_keeps_pm2_from_saying_who_has_a_database_open_fails_the_check(make, monkeypatch):
    def refuse(_inputs):
        raise PM2Error("the daemon hangs")

    monkeypatch.setattr(actions.others, "join", refuse)
    with pytest.raises(SwitchError, match="the daemon hangs. What is true now: nothing was changed") as caught:
        actions.begin(make())
    assert caught.value.step == "check"
