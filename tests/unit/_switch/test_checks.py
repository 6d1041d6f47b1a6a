# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Done, GitError
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Ruling
from ansible_collections.greenlight.release.plugins.module_utils._switch import checks, processes
from pm2_fakes import FakeTransport, fake_kernel, listed
from switch_fakes import make_inputs, open_release


@pytest.fixture
def asked(monkeypatch):
    """Note which checks of the code and of the database are asked for."""
    fake_kernel(monkeypatch)
    seen = []
    monkeypatch.setattr(checks.layout, "refuse_database", lambda *_given: None)
    for name in ("check_forward", "check_back"):
        monkeypatch.setattr(checks.layout, name, lambda *_given, name=name: seen.append(name))
    monkeypatch.setattr(checks.ecosystem, "warnings", lambda _inputs: ["changed"])
    for name in ("check_backup", "check_restore"):
        monkeypatch.setattr(checks.database, name, lambda *_given, name=name, **_more: seen.append(name))
    return seen


@pytest.mark.parametrize(
    "stage, given, expected",
    [
        ("backed_up", {}, ["check_forward", "check_backup"]),
        ("backed_up", {"phase": "before_migrate"}, ["check_forward", "check_backup"]),
        ("switched", {"phase": "from_migrate"}, ["check_forward"]),
        ("rolling_back", {"direction": "back"}, ["check_back", "check_restore"]),
    ],
)
def test_everything_that_the_switch_needs_is_checked(asked, tmp_path, stage, given, expected):
    open_release(tmp_path, tmp_path, stage)
    before, _ruling, warnings = checks.check(make_inputs(tmp_path, **given))
    assert warnings == (["changed"] if "check_backup" in expected else [])
    assert (asked, [each.pid for each in before.instances]) == (expected, [5])


def test_a_database_that_git_tracks_is_refused_before_anything_is_stopped(asked, tmp_path, monkeypatch):
    open_release(tmp_path, tmp_path, "backed_up")
    asked_of = []

    def refuse(_run, _move, database):
        asked_of.append(database)
        raise GitError("the database is a part of the revision")

    monkeypatch.setattr(checks.layout, "refuse_database", refuse)
    with pytest.raises(GitError):
        checks.check(make_inputs(tmp_path))
    assert (asked, len(asked_of)) == ([], 1)


def test_a_rollback_that_is_done_needs_nothing_more(asked, tmp_path):
    open_release(tmp_path, tmp_path, "rolling_back", rolled_back={"run_id": "run-1", "results": {}})
    before, rulings, warnings = checks.check(make_inputs(tmp_path, direction="back"))
    assert (asked, [each.pid for each in before.instances], rulings, warnings) == ([], [5], [], [])


@pytest.mark.parametrize("is_rehearsal, said", [(False, "and was ended"), (True, "a rollback ends it")])
def test_a_migration_that_outlived_its_run_is_ended_before_the_database_is_judged(
    asked, tmp_path, monkeypatch, is_rehearsal, said
):
    open_release(tmp_path, tmp_path, "rolling_back")
    left = {9: "node"}
    monkeypatch.setattr(checks.leftovers, "find", lambda *_given: left)
    monkeypatch.setattr(checks.leftovers, "end", lambda *_given: asked.append("ended") or "9 (node)")
    inputs = make_inputs(tmp_path, direction="back", is_rehearsal=is_rehearsal)
    _before, _rulings, warnings = checks.check(inputs)
    assert "still at work in process 9 (node)" in warnings[0]
    assert warnings[0].endswith(said)
    assert asked == ["check_back", *([] if is_rehearsal else ["ended"]), "check_restore"]


def test_nothing_is_said_where_no_migration_is_left(asked, tmp_path):
    open_release(tmp_path, tmp_path, "rolling_back")
    for is_rehearsal in (True, False):
        inputs = make_inputs(tmp_path, direction="back", is_rehearsal=is_rehearsal)
        assert checks.check(inputs)[2] == []


CLUSTER = listed(pid=5, exec_mode="cluster_mode")
KEPT = Ruling(False, "the schema is that of the backup")


@pytest.mark.parametrize(
    "direction, strategy, instances, ruling, reloads",
    [
        ("back", "reload", [CLUSTER], KEPT, True),
        ("back", "reload", [listed(status="errored", exec_mode="cluster_mode"), CLUSTER], KEPT, True),
        ("forward", "reload", [CLUSTER], KEPT, False),
        ("back", "restart", [CLUSTER], KEPT, False),
        ("back", None, [CLUSTER], KEPT, False),
        ("back", "reload", [CLUSTER], None, False),
        ("back", "reload", [CLUSTER], Ruling(True, "the schema changed"), False),
        ("back", "reload", [], KEPT, False),
        ("back", "reload", [listed(status="errored", exec_mode="cluster_mode")], KEPT, False),
        ("back", "reload", [CLUSTER, listed(pid=6)], KEPT, False),
        ("back", "reload", [listed(pid=5, exec_mode="cluster_mode", watch=True)], KEPT, False),
    ],
)
def test_a_rollback_reloads_only_where_the_release_did_and_nothing_else_is_needed(
    asked, tmp_path, direction, strategy, instances, ruling, reloads
):
    open_release(tmp_path, tmp_path, "rolling_back", **({"strategy": strategy} if strategy else {}))
    inputs = make_inputs(tmp_path, FakeTransport(instances), direction=direction)
    settled = checks.settle(inputs, processes.read(inputs.processes), [ruling])
    assert (settled.plan.reloads, settled.processes.state == "reloaded") == (reloads, reloads)
    assert (settled is inputs) == (not reloads)


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({"migrate": [["npm", 1]]}, CommandError, "migrate.0. must be a list of words"),
        ({"subfolder": "../other"}, CommandError, "'../other' must lie in the repository"),
        ({"port": -1}, PM2Error, "port must be from 0 to 65535"),
        ({"trial_port": 0}, CommandError, "trial_port must be from 1 to 65535, not 0; set greenlight_trial_port"),
        ({"run_id": "run-2", "by": "bob"}, RecordError, "is held by alice"),
        (
            {"phase": "from_migrate"},
            RecordError,
            "cannot be switched forward from there; that needs stage switched",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_touched(asked, tmp_path, given, error, message):
    open_release(tmp_path, tmp_path)
    with pytest.raises(error, match=message):
        checks.check(make_inputs(tmp_path, **given))
    assert asked == []


def test_a_log_of_the_record_that_could_not_be_marked_is_refused(asked, tmp_path):
    open_release(tmp_path, tmp_path, log_files=[{"path": "relative"}])
    with pytest.raises(LogError, match="files needs mappings of an absolute path"):
        checks.check(make_inputs(tmp_path))


def test_check_mode_does_not_ask_for_the_stage_of_a_record_that_is_not_on_the_host(asked, tmp_path):
    planned = {**open_release(tmp_path, tmp_path), "status": "planned"}
    inputs = replace(make_inputs(tmp_path, is_rehearsal=True, record=planned), git=lambda _words: Done(0, "", ""))
    assert checks.check(inputs)[0].instances


@pytest.mark.parametrize(
    "direction, is_rehearsal, known, expected",
    [
        ("forward", False, True, ["check_forward"]),
        ("forward", True, True, ["check_forward"]),
        ("forward", True, False, []),
        ("back", True, False, ["check_back"]),
    ],
)
def test_the_code_is_checked_for_its_direction(asked, tmp_path, direction, is_rehearsal, known, expected):
    open_release(tmp_path, tmp_path)
    inputs = make_inputs(tmp_path, is_rehearsal=is_rehearsal, direction=direction)
    checks.check_code(replace(inputs, git=lambda _words: Done(0 if known else 1, "", "")))
    assert asked == expected


def test_code_that_could_not_be_moved_is_refused(asked, tmp_path, monkeypatch):
    def refuse(*_given):
        raise GitError("The checkout is dirty")

    monkeypatch.setattr(checks.layout, "check_forward", refuse)
    open_release(tmp_path, tmp_path)
    with pytest.raises(GitError, match="dirty"):
        checks.check(make_inputs(tmp_path))


@pytest.mark.parametrize("strategy, watch, refused", [("reload", True, 1), ("reload", False, 0), ("restart", True, 0)])
def test_a_watched_app_is_not_reloaded(tmp_path, asked, strategy, watch, refused):
    open_release(tmp_path, tmp_path, "backed_up")
    mode = {"exec_mode": "cluster_mode", "pm_exec_path": str(tmp_path / "s.js")}
    transport = FakeTransport([listed(pid=5, watch=watch, **mode)])
    inputs = make_inputs(tmp_path, transport, strategy=strategy)
    message = "PM2 watches the files of shop and would restart it when its code is moved"
    with pytest.raises(PM2Error, match=message) if refused else contextlib.nullcontext():
        checks.check(inputs)


@pytest.mark.parametrize(
    "given, looks",
    [
        ({"migrate": [["true"]]}, True),
        ({"phase": "before_migrate"}, True),
        ({}, False),
        ({"migrate": [["true"]], "restart_app": False}, False),
    ],
)
def test_who_holds_the_database_matters_where_it_is_migrated(asked, tmp_path, monkeypatch, given, looks):
    seen = []
    monkeypatch.setattr(checks.database, "refuse_strangers", lambda *given: seen.append(given[2]))
    open_release(tmp_path, tmp_path, "backed_up")
    checks.check(make_inputs(tmp_path, **given))
    assert seen == ([["litestream"]] if looks else [])


def test_of_an_app_without_a_database_nothing_of_one_is_checked(asked, tmp_path):
    open_release(tmp_path, tmp_path, databases=[])
    before, rulings, _warnings = checks.check(make_inputs(tmp_path, backups=[], migrate=[["true"]]))
    assert ([each.pid for each in before.instances], rulings) == ([5], [])
    assert "check_backup" not in asked
    back = make_inputs(tmp_path, FakeTransport([CLUSTER]), direction="back", backups=[])
    reloading = replace(back, record={**back.record, "facts": {**back.record["facts"], "strategy": "reload"}})
    settled = checks.settle(reloading, processes.read(back.processes), [])
    assert settled.plan.reloads, "there is no database that could be touched"
