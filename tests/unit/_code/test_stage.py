# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import layout, stage_plan
from ansible_collections.greenlight.release.plugins.module_utils._code import stage as code_stage
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.stage_plan import Wanted
from git_repositories import Repositories, commit, git

ID, OLD_ID = "20260219T020000Z-0639294c", "20260218T020000Z-11111111"


class Host:
    """An app in one of the layouts, with a commit to stage, built paths and, in releases, shared ones."""

    def __init__(self, tmp_path, kind):
        self.repositories = Repositories(tmp_path)
        self.kind, self.path, self.sha = kind, self.repositories.path, self.repositories.second
        self.running = self.path
        if kind == "releases":
            self.path = tmp_path / "app"
            self.running = self.path / "releases" / OLD_ID
            self.running.mkdir(parents=True)
            (self.running / "REVISION").write_text(f"{self.repositories.first}\n")
            (self.path / "current").symlink_to(f"releases/{OLD_ID}")
            (self.path / "shared" / "data").mkdir(parents=True)
            git(tmp_path, "clone", "--quiet", "--bare", str(self.repositories.origin), str(self.path / "repository"))
        else:
            self.repositories.fetch()
        (self.running / "node_modules").mkdir()
        (self.running / "node_modules" / "x").write_text("built")
        self.where = layout.repository_of(kind, self.path)
        self.run = code_git.make_run(self.repositories.environment, 30, str(self.where))
        index = {**self.repositories.environment, "GIT_INDEX_FILE": str(tmp_path / "index")}
        self.run_with_index = code_git.make_run(index, 30, str(self.where))

    def commit(self, files):
        """Let the commit to stage hold further files."""
        self.sha = commit(self.repositories.origin, files)
        code_git.fetch(self.run, str(self.repositories.origin), self.sha)

    def wanted(self, built=("node_modules",), shared=(), anew=(), database=None):
        return Wanted(Move(self.kind, self.path, ID, self.sha, self.sha, built, shared), anew, database)

    def plan(self, **more):
        return stage_plan.plan(self.run, self.wanted(**more))

    def stage(self, **more):
        planned = self.plan(**more)
        code_stage.stage(self.run_with_index, self.wanted(**more).move, planned)
        return planned

    def snapshot(self):
        """Return what exists, without what is kept outside of the running tree."""
        found = {}
        for folder, _folders, files in os.walk(self.path):
            for name in files:
                path = Path(folder) / name
                found[str(path.relative_to(self.path))] = path.read_bytes() if not path.is_symlink() else b"->"
        return found


@pytest.fixture(params=["in_place", "releases"])
def host(request, tmp_path):
    return Host(tmp_path, request.param)


@pytest.fixture
def in_place(tmp_path):
    return Host(tmp_path, "in_place")


@pytest.fixture
def releases(tmp_path):
    return Host(tmp_path, "releases")


def read(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_tree_is_the_commit_and_what_was_built_for_the_running_one(host):
    before = host.snapshot()
    planned = host.stage()
    marker = {"REVISION": f"{host.sha}\n"} if host.kind == "releases" else {}
    assert read(planned.path) == {"a": "2", "b": "1", "new/file": "2", "node_modules/x": "built", **marker}
    assert (planned.carry_over, planned.done, host.plan().done) == (("node_modules",), False, True)
    inside = str(planned.path.parent.relative_to(host.path))
    assert {name: text for name, text in host.snapshot().items() if not name.startswith(inside)} == {
        name: text for name, text in before.items() if not name.startswith(inside)
    }
    assert (host.running / "node_modules" / "x").read_text() == "built"


def test_what_is_built_anew_is_not_carried_over(host):
    planned = host.stage(anew=("node_modules",))
    assert (planned.carry_over, (planned.path / "node_modules").exists()) == ((), False)


def test_shared_paths_lead_to_what_outlives_a_release(releases):
    releases.commit({"data/.gitkeep": ""})
    (releases.path / "shared" / "etc").mkdir()
    (releases.path / "shared" / "etc" / "app.env").write_text("secret")
    planned = releases.stage(shared=("data", "etc/app.env"))
    assert os.readlink(planned.path / "data") == "../../shared/data"
    assert os.readlink(planned.path / "etc" / "app.env") == "../../../shared/etc/app.env"
    assert (planned.path / "etc" / "app.env").read_text() == "secret"


def test_the_first_release_carries_nothing_over(releases):
    (releases.path / "current").unlink()
    assert releases.stage().carry_over == ()


def test_the_rights_follow_the_folder_of_the_app(releases):
    releases.path.chmod(0o750)
    before = os.umask(0o007)
    planned = releases.stage()
    assert os.umask(before) == 0o007
    assert [path.stat().st_mode & 0o777 for path in (planned.path, planned.path / "a")] == [0o750, 0o640]


@pytest.mark.parametrize("when", ["export", "finish"])
def test_a_failure_leaves_nothing_and_the_running_tree_as_it_was(host, monkeypatch, when):
    before, planned = host.snapshot(), host.plan()

    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    if when == "export":
        monkeypatch.setattr(code_stage, "_carry_over", fail)
    else:
        monkeypatch.setattr(os, "sync", fail)
    with pytest.raises(OSError, match="No space left"):
        code_stage.stage(host.run_with_index, host.wanted().move, planned)
    after = {name: text for name, text in host.snapshot().items() if not name.endswith("staged")}
    assert (after, planned.path.exists()) == (before, False)


@pytest.mark.parametrize("free, message", [(1 << 30, "Cannot export .*: fatal: x"), (10, "There is no space left in")])
def test_an_export_that_failed_says_whether_the_disk_is_full(tmp_path, monkeypatch, free, message):
    monkeypatch.setattr(os, "statvfs", lambda _path: type("Free", (), {"f_bavail": free, "f_frsize": 1}))
    with pytest.raises(GitError, match=message):
        code_stage._export(lambda _words: code_git.Done(1, "", "fatal: x"), "1" * 40, tmp_path / "new")


def test_what_a_killed_staging_left_is_replaced(host):
    planned = host.plan()
    partial = planned.path.with_name(f".{planned.path.name}.partial")
    partial.mkdir(parents=True)
    (partial / "half").write_text("x")
    host.stage()
    assert (partial.exists(), (planned.path / "half").exists()) == (False, False)


@pytest.mark.parametrize("kind, place", [("in_place", "new"), ("releases", ID)])
@pytest.mark.parametrize("revision", [None, "1" * 40])
def test_another_tree_under_that_name_is_refused(tmp_path, kind, place, revision):
    host = Host(tmp_path, kind)
    path = layout.stage_path(host.run, host.wanted().move)
    path.mkdir(parents=True)
    assert path.name == place
    if revision:
        stage_plan.marker_of(host.wanted().move, path).write_text(revision)
    with pytest.raises(GitError, match=f"holds {revision or 'nothing that was staged'}, not {host.sha}"):
        host.plan()


def test_a_release_that_was_moved_already_is_not_staged_again(in_place):
    in_place.stage()
    move = Move("in_place", in_place.path, ID, in_place.repositories.first, in_place.sha, ("node_modules",))
    layout.forward(in_place.run, move)
    with pytest.raises(GitError, match="has been moved in place already; start a new release"):
        in_place.plan()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"anew": ("dist",)}, "'dist' is to be built anew but is no built path"),
        ({"built": ("new",)}, "The built path new is a part of"),
        ({"built": ("a/b",)}, "a/b is a link or a file"),
    ],
)
def test_paths_that_cannot_be_built_are_refused(host, given, message):
    (host.running / "a").write_text("x")
    with pytest.raises(GitError, match=message):
        host.plan(**given)


def test_a_commit_that_is_not_there_is_told(host):
    host.sha = "1" * 40
    with pytest.raises(GitError, match=f"does not have the commit {'1' * 40}; fetch it first"):
        host.plan()


@pytest.mark.parametrize(
    "files, shared, message",
    [
        ({"data/rows": "x"}, ("data",), "The shared path data is a part of"),
        ({"data": "x"}, ("data",), "The shared path data is a part of"),
        ({}, ("logs",), "shared/logs does not exist; create it"),
        ({"REVISION": "x"}, (), "has a file REVISION"),
    ],
)
def test_what_the_layout_releases_cannot_place_is_refused(releases, files, shared, message):
    releases.commit({"c": "1", **files})
    with pytest.raises(GitError, match=message):
        releases.plan(shared=shared)


@pytest.mark.parametrize("given", [{"built": ("web/dist",)}, {"built": (), "shared": ("web/data",)}])
def test_a_link_in_the_commit_leads_nothing_out_of_the_tree(releases, tmp_path, given):
    (tmp_path / "elsewhere").mkdir()
    (releases.repositories.origin / "web").symlink_to(tmp_path / "elsewhere")
    releases.commit({})
    (releases.running / "web" / "dist").mkdir(parents=True)
    (releases.path / "shared" / "web" / "data").mkdir(parents=True)
    with pytest.raises(GitError, match=r"A folder on the way to web/\w+ is a link or a file in"):
        releases.stage(**given)
    assert (os.listdir(tmp_path / "elsewhere"), os.listdir(releases.path / "releases")) == ([], [OLD_ID])


@pytest.mark.parametrize(
    "kind, planted", [("in_place", ".git/greenlight"), ("releases", f"releases/{ID}"), ("releases", "releases")]
)
@pytest.mark.parametrize("is_link", [True, False])
def test_a_link_or_a_file_that_was_planted_is_refused(tmp_path, kind, planted, is_link):
    host = Host(tmp_path, kind)
    (tmp_path / "elsewhere").mkdir()
    place = host.path / planted
    if planted == "releases":
        place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "elsewhere") if is_link else place.write_text("x")
    with pytest.raises(GitError, match=f"{place} is not a plain folder, and nothing is staged through links"):
        host.plan()
    assert os.listdir(tmp_path / "elsewhere") == []


def test_an_app_without_a_folder_is_told(releases):
    wanted = Wanted(Move("releases", Path("/nonexistent"), ID, releases.sha, releases.sha))
    with pytest.raises(GitError, match="/nonexistent is not a folder"):
        stage_plan.plan(releases.run, wanted)


@pytest.mark.parametrize(
    "kind, database, replaced",
    [
        ("releases", f"releases/{OLD_ID}/data/app.db", "releases"),
        ("releases", "current/data/app.db", "releases"),
        ("in_place", "node_modules/app.db", "node_modules"),
        ("in_place", ".git/app.db", ".git"),
        ("in_place", "data/app.db", None),
        ("releases", "shared/data/app.db", None),
        ("releases", "current/shared-data/app.db", None),
    ],
)
def test_a_database_that_the_next_release_would_not_see_is_refused(tmp_path, kind, database, replaced):
    host = Host(tmp_path, kind)
    if kind == "releases":
        (host.running / "shared-data").symlink_to("../../shared/data")
    if replaced:
        with pytest.raises(GitError, match=f"lies in {host.path / replaced}, which a release replaces"):
            host.plan(database=host.path / database)
    else:
        assert host.plan(database=host.path / database).done is False
