# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.build_place import build_place
from staged_host import Host


@pytest.fixture(params=["in_place", "releases"])
def host(tmp_path, request):
    return Host(tmp_path, request.param)


def ask_git(folder, *words):
    return subprocess.run(["git", *words], cwd=str(folder), check=True, capture_output=True, text=True).stdout.strip()


def test_git_in_the_new_tree_knows_the_new_revision(host):
    stage = host.stage().path
    (stage / ".git").mkdir()
    with build_place(host.run, host.wanted().move, stage, [""]) as place:
        assert ask_git(place, "rev-parse", "HEAD") == host.sha
        assert ask_git(place, "rev-parse", "--show-toplevel") == str(place)
        assert ask_git(place, "status", "--porcelain", "--untracked-files=no") == ""
    assert not (stage / ".git").exists()


def test_nothing_is_built_in_a_git_directory(host):
    """Vite's plugins pass over every path with a .git in it, without a word."""
    stage = host.stage().path
    killed = host.path / ".greenlight" / host.wanted().move.release_id / "new"
    killed.mkdir(parents=True)
    (killed / "half").write_text("")
    with build_place(host.run, host.wanted().move, stage, [""]) as place:
        assert (".git" in place.parts, (place / "half").exists()) == (False, False)
        (place / "dist").mkdir()
    assert (stage / "dist").is_dir()
    assert (host.path / ".greenlight").exists() == (host.kind == "releases")


def test_a_tree_on_another_filesystem_is_built_where_it_lies(tmp_path, monkeypatch):
    host = Host(tmp_path, "in_place")
    stage, real = host.stage().path, Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **how: os.stat("/proc") if path == host.path else real(path, **how))
    with build_place(host.run, host.wanted().move, stage, [""]) as place:
        assert place == stage


def test_two_apps_in_one_checkout_are_built_at_once(tmp_path):
    host = Host(tmp_path, "in_place")
    stage, other = host.stage().path, host.path / ".greenlight" / "20260218T020000Z-11111111"
    other.mkdir(parents=True)
    with build_place(host.run, host.wanted().move, stage, [""]):
        assert other.is_dir()
    assert other.is_dir()


def test_the_settings_files_of_a_checkout_are_there_while_commands_build(tmp_path):
    host = Host(tmp_path, "in_place")
    host.commit({"backend/server.js": "1", ".env.example": "A=example"})
    stage = host.stage().path
    for name in (".env", "backend/.env", "backend/.env.production", ".env.example"):
        (host.path / name).parent.mkdir(exist_ok=True)
        (host.path / name).write_text("A=host")
    (host.path / ".env.folder").mkdir()
    given = (host.run, host.wanted().move, stage, ["", "backend", "", "none"])
    with pytest.raises(RuntimeError), build_place(*given) as place:
        shown = {name: (place / name).read_text() for name in (".env", "backend/.env", ".env.example")}
        assert shown == {".env": "A=host", "backend/.env": "A=host", ".env.example": "A=example"}
        assert not (place / ".env.folder").exists()
        (place / "backend" / ".env.production").unlink()
        (place / "backend" / ".env.production").write_text("made by the build")
        raise RuntimeError("a command failed")
    left = sorted(path.name for path in [*stage.glob(".env*"), *(stage / "backend").glob(".env*")])
    assert left == [".env.example", ".env.production"]
    assert (host.path / ".env").read_text() == "A=host"


def test_settings_that_are_shared_need_no_links(tmp_path):
    host = Host(tmp_path, "releases")
    (host.running / ".env").write_text("A=old")
    stage = host.stage().path
    with build_place(host.run, host.wanted().move, stage, [""]):
        assert not (stage / ".env").exists()
