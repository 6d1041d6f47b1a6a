# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import EndedError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._switch import actions, at_once
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress, SwitchError, failed
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import steps_of
from pm2_fakes import FakeTransport, fake_kernel, listed
from switch_fakes import ID, make_inputs, open_release

BEGUN = Progress(pm2.NOTHING)
RESTORED = {"path": "/srv/shop.db", "restored": False, "reason": "its schema is that of the backup"}
BEGIN = {"version": 2, "at": 1.0, "files": [{"path": "/out.log", "device": 1, "inode": 2, "offset": 3}]}
END = {"version": 2, "at": 2.0, "files": [{"path": "/out.log", "device": 1, "inode": 2, "offset": 9}]}


class Switch:
    """A switch whose step fails, and the steps of the rollback that were taken after it."""

    def __init__(self, monkeypatch, folder, error, step="start", **given):
        fake_kernel(monkeypatch)
        open_release(folder, folder, "switched", cursor=BEGIN)
        self.taken, self.stopping, self.cursor, self.back_fails = [], [], END, []
        self.transport = FakeTransport([listed(pid=10)], [listed(pid=10)], [listed(status="stopped")])
        self.inputs = make_inputs(folder, self.transport, **{"roll_back": True, **given})
        self.steps = {name: lambda _inputs, progress: progress for name in steps_of(self.inputs.plan)}
        self.steps[step] = self.fail(error)
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.setattr(actions, "STEPS", self.steps)
        monkeypatch.setattr(actions.checks, "check", lambda _inputs: (pm2.NOTHING, [], []))

    def fail(self, error):
        def step(_inputs, _progress):
            raise error

        return step

    def read_back(self):
        back = make_inputs(self.folder, self.transport, direction="back")
        self.monkeypatch.setattr(actions, "STEPS", {name: self.taking(name) for name in steps_of(back.plan)})
        return back

    def taking(self, name):
        def take(_inputs, progress):
            self.taken.append(name)
            self.stopping.append(progress.stopping is not None)
            for error in self.back_fails:
                raise error
            return progress.found({"cursor": self.cursor, "restored": [RESTORED]}).warned("the log was lost")

        return take

    def run(self, progress=BEGUN):
        with pytest.raises(SwitchError) as caught:
            at_once.run(self.inputs, progress, self.read_back)
        return caught.value

    def facts(self):
        return store.find_record(store.read_records(self.folder), ID)["facts"]


@pytest.fixture
def make(monkeypatch, tmp_path):
    return lambda *given, **more: Switch(monkeypatch, tmp_path, *given, **more)


def test_a_switch_that_succeeds_is_not_rolled_back(make):
    switch = make(PM2Error("never"), step="unused")
    assert at_once.run(switch.inputs, BEGUN, switch.read_back).results == {}
    assert switch.taken == []


@pytest.mark.parametrize("step, given", [("start", {"roll_back": False}), ("stop", {}), ("restart_others", {})])
def test_only_a_new_revision_that_is_down_is_rolled_back_where_that_is_wanted(make, step, given):
    switch = make(PM2Error("it is not ready"), step, **given)
    assert "What is true now: " in str(switch.run())
    assert (switch.taken, "rolled_back" in switch.facts()) == ([], False)


def test_a_crash_is_stopped_at_once_and_rolled_back_and_the_record_says_all(make):
    switch = make(EndedError("it is errored"))
    error = switch.run()
    told = "it is errored. What was true before the rollback: the code is bbbbbbbb, and the app does not serve as it "
    assert str(error) == f"{told}should. It was rolled back to aaaaaaaa at once"
    assert (error.step, error.warnings[0]) == ("start", "the log was lost")
    assert list(error.progress.results["rolled_back"]["seconds"]) == ["check", *switch.taken]
    assert (switch.transport.calls[0], switch.stopping[0]) == (("stop", 3), True)
    record = store.find_record(store.read_records(switch.folder), ID)
    assert (record["stage"], record["decision"], record["reason"][:13]) == ("rolling_back", "rollback", "it is errored")
    facts = record["facts"]
    assert (facts["rejects"], facts["last_seen"]["processes"][0]["pid"]) == (True, 10)
    assert facts["rolled_back"] == {"run_id": "run-1", "results": {"cursor": END, "restored": [RESTORED]}}
    assert facts["cursor"]["files"][0]["until"] == {"device": 1, "inode": 2, "offset": 9}


@pytest.mark.parametrize(
    "error, step, given, is_stopping",
    [
        (PM2Error("it does not listen"), "start", {}, False),
        (EndedError("it ended"), "start", {"strategy": "reload"}, False),
        (CommandError("no such table"), "migrate", {}, True),
    ],
)
def test_what_does_not_crash_is_stopped_by_the_rollback_and_what_was_stopped_already_is_not(
    make, error, step, given, is_stopping
):
    switch = make(error, step, **given)
    progress = Progress(pm2.NOTHING, stopping=list)
    assert "at once" in str(switch.run(progress))
    assert (switch.stopping[0], switch.transport.calls) == (is_stopping, [])


def test_logs_that_could_not_be_marked_are_read_to_their_end(make):
    switch = make(EndedError("it is errored"))
    switch.cursor = {}
    switch.run()
    assert switch.facts()["cursor"] == BEGIN


def test_a_rollback_that_fails_says_both_and_leaves_the_rest_to_the_next_one(make):
    switch = make(EndedError("it is errored"))
    switch.back_fails = [PM2Error("the disk is on fire")]
    error = switch.run()
    assert "should. It was not rolled back at once: the disk is on fire. What is true now: the app may be " in str(
        error
    )
    assert (error.step, "rolled_back" in switch.facts()) == ("start", False)
    assert store.find_record(store.read_records(switch.folder), ID)["stage"] == "rolling_back"


def test_a_record_that_cannot_be_written_leaves_everything_as_it_was(make, monkeypatch):
    def refuse(*_given):
        raise RecordError("the disk is full")

    switch = make(EndedError("it is errored"))
    monkeypatch.setattr(at_once, "note", refuse)
    assert str(switch.run()).endswith("does not serve as it should. It was not rolled back at once: the disk is full")
    assert switch.taken == []


def test_the_rollback_of_the_same_run_finds_that_it_is_done(make):
    switch = make(EndedError("it is errored"))
    switch.run()
    own = make_inputs(switch.folder, switch.transport, direction="back")
    other = make_inputs(switch.folder, switch.transport, direction="back", run_id="run-2")
    assert (own.plan.is_done, other.plan.is_done, steps_of(own.plan)) == (True, False, [])
    assert actions.check(own).results == {"cursor": END, "restored": [RESTORED]}


def test_a_step_that_failed_without_a_progress_has_nothing_to_roll_back(make):
    switch = make(PM2Error("never"), step="unused")
    error = failed(switch.inputs.plan, "start", PM2Error("no progress"))
    switch.steps["mark"] = switch.fail(error)
    assert switch.run() is error
