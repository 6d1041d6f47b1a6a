# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import make_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import MissingModuleError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import ecosystem, preview
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Described
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress, SwitchError
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess
from pm2_fakes import FakeTransport, make_fake_host, running
from switch_fakes import NEW, OLD, make_inputs, open_release

PATH = "ecosystem.config.js"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return a function that makes the inputs of a switch between revisions with these entries for the app."""
    (tmp_path / "server.js").touch()

    def make(old, new, runs=None, has_commit=True, direction="forward", **given):
        entries, seen = {OLD: old, NEW: new}, []

        def read(_inputs, file):
            entry = entries[file.elsewhere.name]
            seen.append((file.elsewhere.read_text(), oct(file.elsewhere.stat().st_mode & 0o777), dict(file.variables)))
            if isinstance(entry, Exception):
                raise entry
            return {"shop": make_config("shop", {"script": "server.js", **entry}, {}, tmp_path, 1)}

        def text_of(_run, sha, path):
            if path == PATH:
                return None if entries[sha] is None else "text"
            return "" if path in entries.get(f"{sha} has", ("server.js",)) else None

        monkeypatch.setattr(git, "has_commit", lambda _run, _sha: has_commit)
        monkeypatch.setattr(git, "text_of", text_of)
        monkeypatch.setattr(layout, "stage_path", lambda _run, _move: tmp_path / "stage")
        monkeypatch.setattr(ecosystem, "read", read)
        facts = {"ecosystem": {"path": PATH, "env_name": None}} if direction == "back" else {}
        open_release(tmp_path, tmp_path, "rolling_back" if direction == "back" else "backed_up", **facts)
        runs = running(
            make_config("shop", {"script": "server.js", **(old or {} if runs is None else runs)}, {}, tmp_path, 1)
        )
        given = {"ecosystem": PATH, "direction": direction, **given}
        inputs = make_inputs(tmp_path, FakeTransport([runs]), **given)
        return inputs, seen, entries

    return make


def test_without_a_file_nothing_is_looked_at(host):
    inputs, seen, _entries = host({}, {}, ecosystem=None)
    settled, found = preview.settle(inputs)
    progress = Progress(pm2.NOTHING)
    assert (settled.plan, found, found.told(settled, progress), seen) == (inputs.plan, preview.Preview(), progress, [])


def test_what_the_new_revision_changes_is_found_and_starts_the_app(host):
    old = {"env": {"A": 1, "GONE": 1}}
    runs = {"env": {"A": 1, "GONE": 1, "BY_A_TASK": 1}}
    inputs, seen, _entries = host(old, {"env": {"A": 2}, "node_args": "--x"}, runs, restart_app=False)
    settled, found = preview.settle(inputs)
    assert found.settings == {"shop": ["node_args", "env.A", "env.GONE"]}
    assert (settled.plan.restart_app, settled.gone, settled.beside) == (True, {"shop": {"GONE"}}, {"BY_A_TASK": "1"})
    assert settled.wanted.env == {"A": "2"}
    assert {each[:2] for each in seen} == {("text", "0o600")}
    progress = found.told(settled, Progress(pm2.NOTHING))
    assert (progress.results, progress.warnings) == ({"settings": found.settings}, ())
    (shown,) = progress.diffs
    assert (shown["before_header"], shown["after_header"]) == ("shop as it runs", f"shop by {PATH}")
    assert shown["before"] == {"node_args": [], "env.A": "hidden value", "env.GONE": "hidden value"}
    assert shown["after"] == {"node_args": ["--x"], "env.A": "another hidden value", "env.GONE": None}


def test_a_rehearsal_says_what_would_change(host):
    inputs, _seen, _entries = host({}, {"env": {"A": 2}})
    settled, found = preview.settle(replace(inputs, is_rehearsal=True))
    assert found.told(settled, Progress(pm2.NOTHING)).warnings == (f"{PATH} would change env.A of shop",)


def test_what_does_not_change_starts_nothing(host):
    settled, found = preview.settle(host({"env": {"A": 1}}, {"env": {"A": 1}}, restart_app=False)[0])
    assert (settled.plan.restart_app, found.changes, found.settings) == (False, False, {})


@pytest.mark.parametrize(
    "new, others",
    [
        ({"shop": {"env": {"A": 2}}}, ("queue", "extra")),
        ({"queue": {"env": {"A": 2}}}, ("queue", "extra")),
        ({}, ("extra",)),
    ],
    ids=["the app changes", "another process changes", "nothing changes"],
)
def test_what_changes_starts_all_processes_of_the_release(host, monkeypatch, tmp_path, new, others):
    def read(inputs, file):
        entries = new if file.elsewhere.name == NEW else {}
        names = [name for name in ("shop", "queue") if name in ("shop", *inputs.processes.others)]
        given = {name: {"script": "server.js", **entries.get(name, {})} for name in names}
        return {name: make_config(name, entry, {}, tmp_path, 1) for name, entry in given.items()}

    inputs, _seen, _entries = host({}, {}, restart_app=False, restart=["extra"])
    monkeypatch.setattr(ecosystem, "read", read)
    runs = [
        {**running(make_config(name, {"script": "server.js"}, {}, tmp_path, 1)), "name": name}
        for name in ("shop", "queue")
    ]
    listed = (AppProcess("queue", "works"), AppProcess("shop"))
    known = replace(inputs.processes, listed=listed, host=make_fake_host(tmp_path, FakeTransport(runs)))
    settled, found = preview.settle(replace(inputs, processes=known))
    assert (settled.plan.restart_app, list(found.settings)) == (bool(new), list(new))
    assert settled.processes.others == others


def test_the_file_is_read_with_the_variables_that_come_from_elsewhere(host):
    inputs, seen, _entries = host({"env": {"A": 1}}, {"env": {"A": 1}}, runs={"env": {"A": 2, "HAND": 3}})
    settled, found = preview.settle(inputs)
    beside = {"A": "2", "HAND": "3"}
    assert ([each[2] for each in seen], settled.beside) == ([{}, beside, beside], beside)
    message = (
        f"shop runs with other settings than {PATH} of aaaaaaaa has, which a rollback applies; they differ in env.A"
    )
    assert found.warnings == [message]


@pytest.mark.parametrize(
    "old, new, given, message",
    [
        ({}, None, {}, f"bbbbbbbb has no {PATH}; correct greenlight_ecosystem, or leave it out"),
        ({}, PM2Error("SyntaxError"), {}, "SyntaxError"),
        (None, {"env": {"A": 1}}, {}, "would change env.A of shop, and aaaaaaaa has no such file, so that a rollback"),
        ({}, {"instances": 2}, {"strategy": "reload"}, "must be created again to change exec_mode, instances by"),
        ({}, {"env_x": {"A": 1}}, {"runs": {"env": {"A": 1}}}, "set greenlight_ecosystem_env to x"),
    ],
    ids=["no file", "unusable", "no way back", "reload", "block"],
)
def test_what_cannot_be_applied_or_undone_is_refused_before_anything_is_touched(host, old, new, given, message):
    with pytest.raises(SwitchError, match=message) as refused:
        preview.settle(host(old, new, **given)[0])
    assert refused.value.step == "check"
    assert "nothing was changed" in str(refused.value)


def test_a_change_that_can_be_handed_over_may_be_reloaded(host):
    assert preview.settle(host({}, {"env": {"A": 1}}, strategy="reload")[0])[1].changes


def test_a_file_that_changes_nothing_needs_no_way_back(host):
    assert preview.settle(host(None, {})[0])[1].settings == {}


def test_an_old_file_that_cannot_be_used_is_told(host):
    found = preview.settle(host(PM2Error("no such block"), {"env": {"A": 1}}, runs={})[0])[1]
    assert found.warnings == ["A rollback to aaaaaaaa leaves the settings as they are then: no such block"]


def test_a_module_that_is_not_there_yet_is_told_and_starts_the_app(host):
    inputs, _seen, _entries = host({}, MissingModuleError("no dotenv"), runs={"env": {"HAND": 3}}, restart_app=False)
    settled, found = preview.settle(inputs)
    assert (settled.plan.restart_app, settled.beside, found.changes) == (True, {"HAND": "3"}, True)
    assert found.warnings == ["What it would change is only known at the switch: no dotenv"]


@pytest.mark.parametrize(
    "script, tracked, built, refused",
    [
        ("main.js", {}, False, True),
        ("main.js", {NEW: ["main.js"]}, False, False),
        ("main.js", {OLD: ["main.js"]}, True, True),
        ("dist/main.js", {}, True, False),
        ("/usr/bin/env", {}, False, False),
    ],
)
def test_a_script_that_the_new_revision_does_not_have_is_refused(host, tmp_path, script, tracked, built, refused):
    inputs, _seen, entries = host({}, {"script": script})
    entries.update({f"{sha} has": tracked.get(sha, []) for sha in (OLD, NEW)})
    if built:
        (tmp_path / script).parent.mkdir(exist_ok=True)
        (tmp_path / script).touch()
    if refused:
        with pytest.raises(SwitchError, match=f"bbbbbbbb has no script {script}; correct it in {PATH}"):
            preview.settle(inputs)
    else:
        assert "pm_exec_path" in preview.settle(inputs)[1].settings["shop"]


def test_a_shell_command_has_no_script_to_look_for(host):
    assert preview.settle(host({}, {"script": "npm start"})[0])[1].changes


def test_a_rollback_is_told_what_it_changes_back_and_stopped_by_nothing(host):
    new = {"env": {"A": 2, "NEW": 1}}
    inputs, _seen, _entries = host({"env": {"A": 1}}, new, runs=new, direction="back")
    assert inputs.ecosystem == Described(PATH, None)
    assert preview.settle(inputs)[1].settings == {"shop": ["env.A", "env.NEW"]}
    inputs, _seen, _entries = host(PM2Error("odd"), {}, runs={}, direction="back")
    found = preview.settle(inputs)[1]
    assert (found.settings, found.warnings) == (
        {},
        ["A rollback to aaaaaaaa leaves the settings as they are then: odd"],
    )


def test_a_rehearsal_fetches_what_is_not_there_elsewhere(host, monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(git, "lend_objects", lambda *given: done.append("lent"))
    monkeypatch.setattr(git, "fetch", lambda _run, repository, sha: done.append((repository, sha)))
    inputs, _seen, _entries = host({}, {}, has_commit=False, repository="https://git.example.com/shop.git")
    assert preview.settle(replace(inputs, is_rehearsal=True))[1].settings == {}
    assert done == ["lent", ("https://git.example.com/shop.git", NEW)]


@pytest.mark.parametrize("is_rehearsal, repository", [(True, None), (False, "r")])
def test_a_revision_that_is_not_there_is_told(host, is_rehearsal, repository):
    inputs, _seen, _entries = host({}, {}, has_commit=False, repository=repository)
    found = preview.settle(replace(inputs, is_rehearsal=is_rehearsal))[1]
    assert found.warnings == [f"What {PATH} would change is not known: its revision is not on this host yet"]
    assert found.changes


def test_root_reads_no_file_that_another_user_can_change(host, monkeypatch):
    def refuse(_name, code, uid, _allow):
        raise PM2Error(f"{os.path.basename(code[0])} by {uid}")

    monkeypatch.setattr(pm2, "refuse_foreign", refuse)
    with pytest.raises(SwitchError, match=rf"{PATH} by \d+"):
        preview.settle(host({}, {})[0])
