# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that Git LFS keeps, fetched with the revision and put in place by the real git-lfs."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from git_commands import IDENTITY, git
from machine import call_module

FILTERS = ("-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.required=true")
CONTENT = b"\x00a model\xff" * 1000


@pytest.fixture
def origin(tmp_path):
    """A repository whose second commit has a file in Git LFS, and a clone at the first."""
    assert shutil.which("git-lfs"), "git-lfs is not installed; run: apt-get install git-lfs"
    path = tmp_path / "origin"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", path)
    (path / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "first")
    git(tmp_path, "clone", "--quiet", f"file://{path}", tmp_path / "app")
    (path / "model.bin").write_bytes(CONTENT)
    environment = {**os.environ, "HOME": str(tmp_path), **IDENTITY}
    for words in (("add", "--all"), ("commit", "--quiet", "--message", "second")):
        subprocess.run(["git", "-C", path, *FILTERS, *words], env=environment, check=True)
    return path


def act(origin, state, home, **more):
    given = {"state": state, "path": str(origin.parent / "app"), "sha": git(origin, "rev-parse", "main"), **more}
    return call_module("git_revision", given, env={"HOME": str(home)})


def test_files_of_git_lfs_come_with_the_revision_and_not_with_the_switch(origin, tmp_path):
    """Nobody called `git lfs install`, and at the switch the repository cannot be reached any more."""
    assert act(origin, "fetched", tmp_path, repository=f"file://{origin}")["changed"] is True
    sha, app = git(origin, "rev-parse", "main"), tmp_path / "app"
    origin.rename(tmp_path / "gone")
    given = {"state": "checked_out", "path": str(app), "sha": sha}
    assert call_module("git_revision", given, env={"HOME": str(tmp_path)}).get("msg") is None
    assert (app / "model.bin").read_bytes() == CONTENT
    again = call_module("git_revision", {**given, "state": "read"}, env={"HOME": str(tmp_path)})
    assert again["head"] == sha


def test_files_of_git_lfs_are_staged_from_a_bare_repository(origin, tmp_path):
    app = tmp_path / "releases-app"
    app.mkdir()
    where = {"layout": "releases", "path": str(app)}
    assert act(origin, "fetched", tmp_path, repository=str(origin), **where)["changed"] is True
    origin.rename(tmp_path / "gone")
    sha, release = git(tmp_path / "gone", "rev-parse", "main"), "20260219T020000Z-0639294c"
    given = {"state": "staged", "sha": sha, "release_id": release, **where}
    assert call_module("release_tree", given, env={"HOME": str(tmp_path)}).get("msg") is None
    assert (app / "releases" / release / "model.bin").read_bytes() == CONTENT


def test_a_file_that_git_lfs_does_not_have_is_told_before_the_switch(origin, tmp_path):
    shutil.rmtree(origin / ".git" / "lfs")
    message = act(origin, "fetched", tmp_path, repository=f"file://{origin}")["msg"]
    assert message.startswith("Cannot fetch model.bin of "), message
    assert git(tmp_path / "app", "status", "--porcelain") == ""
