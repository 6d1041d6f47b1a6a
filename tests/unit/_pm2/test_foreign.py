# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import checks, foreign, options
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import NOTHING
from pm2_fakes import config, listed, make_partial, request, state


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return a script in a folder of the shop."""
    path = tmp_path / "app" / "s.js"
    path.parent.mkdir()
    path.touch()
    owners = {path.parent: 12345}
    monkeypatch.setattr(foreign.trust, "owner_of_place", lambda place: owners.get(place, 0))
    monkeypatch.setattr(foreign.trust, "name_of_user", lambda _uid: "shop")
    return path


def refused(path):
    return pytest.raises(
        PM2Error,
        match=rf"shop would run {path} as root, but .*/app belongs to shop, who could so become root; run as that user "
        r"\(become_user: shop, in the roles greenlight_app_user\), or set allow_root of pm2_process",
    )


@pytest.mark.parametrize("uid, allow_root, is_refused", [(0, False, True), (0, True, False), (12345, False, False)])
def test_root_runs_no_code_that_another_user_can_change(script, uid, allow_root, is_refused):
    with refused(script) if is_refused else contextlib.nullcontext():
        foreign.refuse("shop", [script], uid, allow_root)


def test_what_belongs_to_root_or_is_not_there_is_no_foreign_code(script, tmp_path):
    assert foreign.foreign_places(tmp_path / "x.js") == []
    assert foreign.foreign_places(Path("/nonexistent/x.js")) == []
    assert foreign.foreign_places(script) == [script.parent]


@pytest.mark.parametrize("mode, is_foreign", [(0o755, False), (0o775, False), (0o757, True), (0o1777, False)], ids=oct)
@pytest.mark.parametrize("above", ["app", "."])
def test_root_runs_no_code_in_a_folder_that_others_can_write_to(tmp_path, monkeypatch, mode, is_foreign, above):
    script = tmp_path / "app" / "s.js"
    script.parent.mkdir()
    script.touch()
    folder = (tmp_path / above).resolve()
    folder.chmod(mode)
    assert foreign.foreign_places(script) == ([folder] if is_foreign else [])
    message = f"but others can write to {folder} and could so become root; chmod it to 0755, or set allow_root"
    with pytest.raises(PM2Error, match=message) if is_foreign else contextlib.nullcontext():
        foreign.refuse("shop", [script], 0, allow_root=False)
    assert [f"others can write to {folder} and can so" in text for text in foreign.warnings("shop", script)] == (
        [True] if is_foreign else []
    )


def test_a_group_that_is_not_roots_can_be_others(tmp_path):
    script = tmp_path / "s.js"
    script.touch()
    os.chown(str(script), 0, 12345)
    for mode, found in ((0o644, []), (0o664, [script])):
        script.chmod(mode)
        assert foreign.foreign_places(script) == found


def test_a_link_of_a_user_may_lead_elsewhere_tomorrow(tmp_path):
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "s.js").touch()
    link = tmp_path / "current"
    link.symlink_to("release")
    assert foreign.foreign_places(link / "s.js") == []
    os.chown(str(link), 12345, 12345, follow_symlinks=False)
    assert foreign.foreign_places(link / "s.js") == [link]


def test_a_link_of_root_leads_to_code_all_the_same(script, tmp_path):
    (tmp_path / "current").symlink_to("app")
    assert foreign.foreign_places(tmp_path / "current" / "s.js") == [script.parent]


def test_the_folder_in_which_root_lets_npm_start_is_code_as_well(tmp_path):
    npm = state(listed(pid=5, pm_exec_path="/usr/bin/npm", pm_cwd="/srv/shop"))
    assert foreign.code_of(request(), npm, tmp_path) == [Path("/usr/bin/npm"), Path("/srv/shop")]


@pytest.mark.parametrize("partial", [None, make_partial(kill_timeout=9)])
def test_the_code_is_the_wanted_script_or_the_one_that_runs_or_was_saved(tmp_path, partial):
    running = state(listed(pid=5, pm_exec_path="/srv/run.js"))
    wanted = request(config=config(script="/srv/new.js"))
    assert foreign.code_of(wanted, running, tmp_path) == [Path("/srv/new.js")]
    assert foreign.code_of(request(config=partial), running, tmp_path) == [Path("/srv/run.js")]
    assert foreign.code_of(request(), NOTHING, tmp_path) == []
    (tmp_path / "dump.pm2").write_text(json.dumps([{"name": "shop", "pm_exec_path": "/srv/saved.js"}]))
    assert foreign.code_of(request(), NOTHING, tmp_path) == [Path("/srv/saved.js")]


@pytest.mark.parametrize("wanted, is_refused", [("started", True), ("reloaded", True), ("stopped", False)])
def test_a_process_is_not_started_as_root_but_it_may_be_ended(script, monkeypatch, wanted, is_refused):
    monkeypatch.setattr(checks, "refuse", lambda *_arguments: None)
    monkeypatch.setattr(checks, "prepare", lambda *_arguments: None)
    before, host = state(listed(pid=5, pm_exec_path=str(script))), SimpleNamespace(home=script.parent)
    with refused(script) if is_refused else contextlib.nullcontext():
        checks.checked_plan(request(wanted), host, before, 0)
    checks.checked_plan(replace(request(wanted), allow_root=True), host, before, 0)


def test_an_ecosystem_file_is_code_as_well(script):
    names = ("args", "cwd", "error_file", "exec_mode", "instances", "interpreter", "kill_timeout", "listen_timeout")
    names += ("max_memory_restart", "node_args", "out_file", "script", "time", "wait_ready")
    given = {**dict.fromkeys(names), "name": "shop", "state": "started", "config": str(script), "allow_root": False}
    with refused(script):
        options.read_config(given, {}, None, 1, "/bin", 0)
