# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import fetch as code_fetch
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code.fetch import Place
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.running import Began
from git_commands import git
from git_repositories import Repositories

OLD_ID = "20260218T020000Z-11111111"


def snapshot(folder):
    """Return every file with its content and time, so that nothing written goes unseen."""
    paths = [Path(base) / name for base, _folders, files in os.walk(folder) for name in files]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


class Host:
    """An app in one of the layouts, at the first of two commits."""

    def __init__(self, tmp_path, kind):
        self.repositories = Repositories(tmp_path)
        self.kind, self.path, self.temporary = kind, self.repositories.path, tmp_path / "rehearsal"
        if kind == "releases":
            self.path = tmp_path / "app"
            (self.path / "releases" / OLD_ID).mkdir(parents=True)
            (self.path / "releases" / OLD_ID / "REVISION").write_text(self.repositories.first)
            (self.path / "current").symlink_to(f"releases/{OLD_ID}")
            repository = self.path / "repository"
            git(tmp_path, "clone", "--quiet", "--bare", f"file://{self.repositories.origin}", str(repository))
            git(repository, "update-ref", "refs/heads/main", self.repositories.first)
            git(repository, "gc", "--quiet", "--prune=now")

    def put_in_place(self):
        """Move the code to the second commit, as somebody does by hand."""
        self.fetch()
        if self.kind == "in_place":
            git(self.path, "checkout", "--quiet", "--detach", self.repositories.second)
        else:
            (self.path / "releases" / OLD_ID / "REVISION").write_text(self.repositories.second)

    def run(self):
        folder = self.path / "repository" if self.kind == "releases" else self.path
        return code_git.make_run(self.repositories.environment, 30, str(folder))

    def fetch(self, rehearse=False, began=None, first=False):
        place = Place(
            self.kind,
            self.path,
            lambda where: code_git.make_run(self.repositories.environment, 30, str(where)),
            self.temporary if rehearse else None,
            began=began,
            first=first,
        )
        return code_fetch.fetch(place, f"file://{self.repositories.origin}", self.repositories.second)


@pytest.fixture(params=["in_place", "releases"])
def host(request, tmp_path):
    return Host(tmp_path, request.param)


def test_a_rehearsal_is_true_and_touches_nothing(host):
    before = snapshot(host.path)
    rehearsed = host.fetch(rehearse=True)
    assert snapshot(host.path) == before
    assert (host.fetch(), rehearsed["changed"]) == (rehearsed, True)
    assert rehearsed["changed_paths"] == ["a", "new/file"]
    assert (rehearsed["commits"][0]["subject"], rehearsed["forced"]) == ("second", False)


def test_a_second_fetch_changes_nothing_and_neither_does_its_rehearsal(host):
    expected = {**host.fetch(), "changed": False}
    before = snapshot(host.path)
    assert (host.fetch(rehearse=True), host.fetch()) == (expected, expected)
    assert (snapshot(host.path), host.temporary.exists()) == (before, False)


def test_a_rehearsal_finds_what_is_in_the_way(tmp_path):
    host = Host(tmp_path, "in_place")
    (host.path / "new").mkdir()
    (host.path / "new" / "file").write_text("mine")
    with pytest.raises(GitError, match="would overwrite new/file"):
        host.fetch(rehearse=True)


def test_a_shallow_checkout_is_rehearsed_as_well(tmp_path):
    host = Host(tmp_path, "in_place")
    host.path = tmp_path / "shallow"
    origin = f"file://{host.repositories.origin}"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=main", origin, str(host.path))
    git(host.path, "checkout", "--quiet", "--detach", host.repositories.second)
    (host.repositories.origin / "a").write_text("3")
    git(host.repositories.origin, "commit", "--quiet", "--all", "--message", "third")
    host.repositories.second = git(host.repositories.origin, "rev-parse", "HEAD")
    before = snapshot(host.path)
    rehearsed = host.fetch(rehearse=True)
    assert snapshot(host.path) == before
    assert (rehearsed["changed_paths"], rehearsed["commit_count"], rehearsed["forced"]) == (["a"], 1, False)
    assert host.fetch() == rehearsed


def test_the_first_release_has_all_paths_changed_and_gets_a_repository(tmp_path):
    host = Host(tmp_path, "releases")
    host.path = tmp_path / "empty"
    host.path.mkdir()
    rehearsed = host.fetch(rehearse=True)
    assert list(host.path.iterdir()) == []
    assert (rehearsed["head"], rehearsed["changed_paths"]) == ("", ["a", "b", "new/file"])
    assert host.fetch() == rehearsed
    assert os.listdir(host.path) == ["repository"]


def test_a_bare_repository_without_a_head_lends_its_objects(tmp_path):
    host = Host(tmp_path, "releases")
    git(host.path / "repository", "symbolic-ref", "HEAD", "refs/heads/nothing")
    assert host.fetch(rehearse=True)["changed_paths"] == ["a", "new/file"]


def test_an_app_without_a_folder_is_reported(tmp_path):
    host = Host(tmp_path, "releases")
    host.path = tmp_path / "nothing"
    with pytest.raises(GitError, match="nothing is not a folder; create it"):
        host.fetch()


def test_what_old_releases_put_aside_is_removed_and_what_cannot_be_is_told(tmp_path, monkeypatch):
    host, asked = Host(tmp_path, "in_place"), []
    monkeypatch.setattr(code_fetch.aside, "prune", lambda _run, path: asked.append(path) or ["old"])
    assert host.fetch()["warnings"] == ["old"]
    host.fetch(rehearse=True)
    (tmp_path / "other").mkdir()
    Host(tmp_path / "other", "releases").fetch()
    assert asked == [host.path]


@pytest.mark.parametrize(
    "at, runs, comes_from, told",
    [
        (None, True, "second", ""),
        (0, True, "second", ""),
        (-3600, False, "second", "Nobody can say which revision"),
    ],
)
def test_what_is_in_place_need_not_be_what_runs(host, at, runs, comes_from, told):
    """Seconds before now at which the only process of the app began, None where nobody asks."""
    host.put_in_place()
    began = None if at is None else [Began(7, time.time() + 5 + at, "", "", "")]
    fetched = host.fetch(began=began)
    assert (fetched["runs_already"], fetched["from_revision"]) == (runs, getattr(host.repositories, comes_from))
    assert [told in warning for warning in fetched.get("warnings", [])] == ([True] if told else [])


def test_an_app_that_runs_an_older_revision_than_is_in_place_is_released_from_it(tmp_path):
    host = Host(tmp_path, "in_place")
    host.put_in_place()
    first = Began(7, 0, "", host.repositories.first, str(host.path))
    fetched = host.fetch(began=[first])
    assert (fetched["runs_already"], fetched["from_revision"]) == (False, host.repositories.first)
    assert (fetched["changed_paths"], fetched["commit_count"]) == (["a", "new/file"], 1)
    assert "the code was moved without a restart" in fetched["warnings"][0]
    unheard = Began(7, 0, "", "c" * 40, str(host.path))
    assert host.fetch(began=[unheard])["from_revision"] == host.repositories.second


def test_that_nothing_runs_is_told_only_where_it_could_be_taken_for_released(tmp_path):
    host = Host(tmp_path, "in_place")
    before = host.fetch(began=[])
    assert (before["runs_already"], before["from_revision"]) == (False, host.repositories.first)
    assert "warnings" not in before
    host.put_in_place()
    assert "No process of the app runs" in host.fetch(began=[])["warnings"][0]


def test_before_the_first_release_all_of_the_commit_is_new(host):
    fetched = host.fetch(first=True)
    assert (fetched["head"], fetched["commits"]) == ("", [])
    assert fetched["changed_paths"] == [each.path for each in code_git.files_of(host.run(), host.repositories.second)]


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("rehearse", [True, False])
def test_a_checkout_that_is_not_there_is_made_for_a_first_release(tmp_path, exists, rehearse):
    host = Host(tmp_path, "in_place")
    host.path = tmp_path / "new" / "app"
    if exists:
        host.path.mkdir(parents=True)
    fetched = host.fetch(rehearse, first=True)
    assert (fetched["changed"], fetched["head"], bool(fetched["changed_paths"])) == (True, "", True)
    assert (host.path / ".git").is_dir() is not rehearse


def test_a_folder_with_something_else_is_no_place_for_a_first_release(tmp_path):
    host = Host(tmp_path, "in_place")
    host.path = tmp_path / "full"
    host.path.mkdir()
    (host.path / "notes.txt").touch()
    with pytest.raises(GitError, match="is not a git checkout"):
        host.fetch(first=True)
