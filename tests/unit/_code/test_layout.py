# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import layout as code_layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.move import check_move, read_plan
from git_repositories import Repositories, git

ID = "20260219T020000Z-0639294c"
OLD_ID = "20260218T020000Z-11111111"
ONE, TWO = "1" * 40, "2" * 40
BUILT = ("node_modules", "web/dist")
# Every call of the system and every git command that changes something is a step before which a move can die.
STEPS = ("rename", "replace", "mkdir", "unlink", "symlink", "fsync", "open")
GIT_STEPS = ("update-ref", "checkout", "reset")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Checkout:
    """The layout in_place, with a stage that holds built paths: one that is replaced, one that is new."""

    def __init__(self, tmp_path):
        self.repositories = Repositories(tmp_path)
        self.run, self.path = self.repositories.run, self.repositories.path
        self.repositories.fetch()
        (self.path / ".git" / "info" / "exclude").write_text("node_modules\nweb/dist\n")
        self.move = Move("in_place", self.path, ID, self.repositories.first, self.repositories.second, BUILT)
        (self.path / "node_modules").mkdir()
        (self.path / "node_modules" / "x").write_text("old")
        stage = code_layout.stage_path(self.run, self.move)
        for name in BUILT:
            (stage / name).mkdir(parents=True)
            (stage / name / "x").write_text("new")
        self.old = {"a": "1", "b": "1", "node_modules/x": "old"}
        self.new = {"a": "2", "b": "1", "new/file": "2", "node_modules/x": "new", "web/dist/x": "new"}

    def copy(self, target):
        """Return the same in another place, which saves the time to make it anew."""
        shutil.copytree(self.path.parent, target, symlinks=True)
        other = copy(self)
        other.path = target / self.path.name
        other.repositories = copy(self.repositories)
        other.repositories.path = other.path
        other.repositories.run = other.run = code_git.make_run(self.repositories.environment, 30, str(other.path))
        other.move = replace(self.move, app_path=other.path)
        return other

    def seen(self):
        files = [path for path in self.path.rglob("*") if path.is_file() and ".git" not in path.parts]
        status = self.repositories.status()
        assert (status.changed, status.untracked) == ((), ())
        return {str(path.relative_to(self.path)): path.read_text() for path in files}

    def head(self):
        return code_layout.head(self.run, "in_place", self.path)


class Releases:
    """The layout releases, with the release that runs and one that is staged."""

    def __init__(self, tmp_path):
        self.path = tmp_path
        for release, sha in ((OLD_ID, ONE), (ID, TWO)):
            (tmp_path / "releases" / release).mkdir(parents=True)
            (tmp_path / "releases" / release / "REVISION").write_text(f"{sha}\n")
        (tmp_path / "current").symlink_to(f"releases/{OLD_ID}")
        self.move = Move("releases", tmp_path, ID, ONE, TWO)
        self.old, self.new = OLD_ID, ID

    def run(self, words):
        raise AssertionError(f"git {words} was run")

    def copy(self, target):
        shutil.copytree(self.path, target, symlinks=True)
        other = copy(self)
        other.path, other.move = target, replace(self.move, app_path=target)
        return other

    def seen(self):
        return (self.path / "current").resolve().name

    def head(self):
        return code_layout.head(self.run, "releases", self.path)


@pytest.fixture(params=[Checkout, Releases])
def layout(request, tmp_path):
    return request.param(tmp_path / "app") if request.param is Releases else request.param(tmp_path)


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def releases(tmp_path):
    return Releases(tmp_path)


def dying_at(monkeypatch, layout, number):
    """Let the move die before its step `number`, and return a run of git that counts as well."""
    left = [number]

    def count():
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def counted(function):
        return lambda *arguments, **more: (count(), function(*arguments, **more))[1]

    for name in STEPS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return lambda words: (words[0] in GIT_STEPS and count(), layout.run(words))[1]


def die(layout, verb, number):
    """Do a verb until it dies at a step; say whether it did."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        run = dying_at(monkeypatch, layout, number)
        try:
            verb(run, layout.move)
        except Killed:
            return True
    return False


def test_forward_and_back_lead_there_and_back_and_may_be_repeated(layout):
    for verb, files, sha in (
        (code_layout.back, layout.old, layout.move.from_sha),
        (code_layout.forward, layout.new, layout.move.to_sha),
        (code_layout.forward, layout.new, layout.move.to_sha),
        (code_layout.back, layout.old, layout.move.from_sha),
        (code_layout.back, layout.old, layout.move.from_sha),
        (code_layout.forward, layout.new, layout.move.to_sha),
        (code_layout.back, layout.old, layout.move.from_sha),
    ):
        code_layout.check_back(layout.run, layout.move)
        verb(layout.run, layout.move)
        assert (layout.seen(), layout.head()) == (files, sha)


@pytest.mark.parametrize("verb", [code_layout.forward, code_layout.back])
@pytest.mark.parametrize("kind", [Checkout, Releases])
def test_wherever_a_move_is_killed_both_ways_are_open(tmp_path, kind, verb):
    (tmp_path / "origin").mkdir()
    original = kind(tmp_path / "origin")
    if verb is code_layout.back:
        code_layout.forward(original.run, original.move)
    number, died = 0, True
    while died:
        for after, files in ((code_layout.back, "old"), (code_layout.forward, "new")):
            layout = original.copy(tmp_path / f"{number}-{files}")
            died = die(layout, verb, number)
            code_layout.check_back(layout.run, layout.move)
            for _time in range(2):
                after(layout.run, layout.move)
                assert layout.seen() == getattr(layout, files)
        number += 1
    assert number > 5


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "docker"}, "The layout must be one of in_place, releases, not 'docker'"),
        ({"app_path": Path("srv")}, "The path of the app must be absolute, not 'srv'"),
        ({"release_id": "../x"}, "The release id must look like 20260219T020000Z-0639294c, not '../x'"),
        ({"from_sha": "main"}, "A revision must be a full commit SHA in lower case, not 'main'"),
        ({"to_sha": "A" * 40}, "A revision must be a full commit SHA in lower case, not 'AAAA"),
        ({"built_paths": ("/etc",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("../x",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": (".git/x",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("x/",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("x", "x")}, "The built path 'x' is given twice"),
        ({"shared_paths": ("x", "x/y")}, "The shared path 'x/y' is given twice, or lies in another one"),
        ({"built_paths": ("x/y",), "shared_paths": ("x",)}, "The built and shared path 'x/y' is given twice"),
    ],
)
def test_a_move_that_cannot_be_meant_is_refused(change, message):
    with pytest.raises(GitError) as raised:
        check_move(replace(Move("in_place", Path("/srv"), ID, ONE, TWO, ("node_modules",), ("data",)), **change))
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_plan_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(GitError, match="look what changed it"):
        read_plan(tmp_path / "plan.json")


def test_an_error_of_the_system_is_told_with_its_file(releases):
    (releases.path / f".current.{ID}.partial").mkdir()
    with pytest.raises(GitError, match=r"The code in .* cannot be moved: Is a directory \(.*partial\)"):
        code_layout.forward(releases.run, releases.move)


@pytest.mark.parametrize("sha", ["from_sha", "to_sha"])
def test_a_commit_that_is_gone_is_told_before_anything_is_moved(checkout, sha):
    with pytest.raises(GitError, match=f"does not have the commit {ONE}"):
        code_layout.check_forward(checkout.run, replace(checkout.move, **{sha: ONE}))
    with pytest.raises(GitError, match=f"does not have the commit {ONE} any more"):
        code_layout.check_back(checkout.run, replace(checkout.move, from_sha=ONE))


def test_both_commits_are_kept_although_their_branch_is_rewritten(checkout):
    code_layout.forward(checkout.run, checkout.move)
    git(checkout.path, "update-ref", "-d", "refs/heads/main")
    git(checkout.path, "update-ref", "-d", "refs/remotes/origin/main")
    git(checkout.path, "update-ref", "-d", "refs/remotes/origin/HEAD")
    git(checkout.path, "update-ref", "-d", "refs/greenlight/heads/main")
    git(checkout.path, "reflog", "expire", "--expire=now", "--all")
    git(checkout.path, "gc", "--quiet", "--prune=now")
    code_layout.back(checkout.run, checkout.move)
    assert checkout.seen() == checkout.old


def test_a_move_that_can_be_made_is_found_good_until_the_disk_is_full(checkout, monkeypatch):
    code_layout.check_forward(checkout.run, checkout.move)
    code_layout.check_forward(checkout.run, replace(checkout.move, built_paths=()))
    full = {"f_bavail": 1, "f_frsize": 4096, "f_files": 0, "f_favail": 0}
    monkeypatch.setattr(os, "statvfs", lambda _path: type("Free", (), full))
    with pytest.raises(GitError, match="There is no space for the new files"):
        code_layout.check_forward(checkout.run, checkout.move)


def test_a_checkout_that_somebody_else_moved_is_refused(checkout):
    git(checkout.path, "commit", "--quiet", "--allow-empty", "--message", "local")
    with pytest.raises(GitError, match="somebody moved it"):
        code_layout.check_forward(checkout.run, checkout.move)


def test_a_hotfix_after_the_move_is_told_before_anything_is_moved_back(checkout):
    code_layout.forward(checkout.run, checkout.move)
    (checkout.path / "b").write_text("hotfix")
    for verb in (code_layout.check_back, code_layout.back):
        with pytest.raises(GitError, match="has local changes in b, which no release made"):
            verb(checkout.run, checkout.move)
    assert (checkout.path / "node_modules" / "x").read_text() == "new"


def test_a_link_to_a_release_by_its_real_path_is_followed(releases, tmp_path):
    (tmp_path / "linked").symlink_to(releases.path)
    (releases.path / "current").unlink()
    (releases.path / "current").symlink_to(releases.path / "releases" / OLD_ID)
    assert code_layout.head(releases.run, "releases", tmp_path / "linked") == ONE


def test_a_hotfix_in_the_checkout_is_refused_and_kept(checkout):
    (checkout.path / "b").write_text("hotfix")
    for verb in (code_layout.check_forward, code_layout.forward, code_layout.back):
        with pytest.raises(GitError, match="has local changes in b"):
            verb(checkout.run, checkout.move)
    assert ((checkout.path / "b").read_text(), (checkout.path / "node_modules" / "x").read_text()) == ("hotfix", "old")


@pytest.mark.parametrize(
    "built, message",
    [
        ("a", "The built path a is a part of"),
        ("b/x", "A folder on the way to .*b/x is a link or a file"),
        ("linked/x", "A folder on the way to .*linked/x is a link or a file"),
    ],
)
def test_built_paths_that_cannot_be_swapped_are_refused(checkout, built, message):
    (checkout.path / "linked").symlink_to("/etc")
    with pytest.raises(GitError, match=message):
        code_layout.check_forward(checkout.run, replace(checkout.move, built_paths=(built,)))


def test_a_built_path_on_another_filesystem_is_refused(checkout, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path.endswith("node_modules"))
    with pytest.raises(GitError, match="node_modules is a mount of its own"):
        code_layout.check_forward(checkout.run, checkout.move)


def test_what_others_made_where_nothing_was_before_is_left_alone(checkout):
    def run(words):
        if words[0] == "checkout":
            raise Killed
        return checkout.run(words)

    with pytest.raises(Killed):
        code_layout.forward(run, checkout.move)
    (checkout.path / "web" / "dist").mkdir(parents=True)
    (checkout.path / "web" / "dist" / "y").write_text("theirs")
    code_layout.back(checkout.run, checkout.move)
    assert checkout.seen() == {**checkout.old, "web/dist/y": "theirs"}


def once(function):
    """Return a function that can be called once; the second call is the last of its process."""
    done = []

    def call(*arguments):
        if done:
            raise Killed
        done.append(function(*arguments))

    return call


def test_what_others_put_in_the_place_of_a_built_path_is_kept(checkout):
    folder = checkout.path / ".git" / "greenlight" / ID
    for number in (1, 2):
        for verb, files in ((code_layout.forward, checkout.new), (code_layout.back, checkout.old)):
            with pytest.MonkeyPatch.context() as monkeypatch:
                monkeypatch.setattr(os, "rename", once(os.rename))
                with pytest.raises(Killed):
                    verb(checkout.run, checkout.move)
            (checkout.path / "node_modules").mkdir(exist_ok=True)
            (checkout.path / "node_modules" / "y").write_text("theirs")
            verb(checkout.run, checkout.move)
            assert checkout.seen() == files
        assert (folder / f"other-{2 * number}" / "node_modules" / "y").read_text() == "theirs"


def test_old_built_paths_that_are_gone_are_told_before_anything_is_moved_back(checkout):
    code_layout.forward(checkout.run, checkout.move)
    (checkout.path / ".git" / "greenlight" / ID / "old" / "node_modules").rename(checkout.path / "web" / "moved")
    with pytest.raises(GitError, match="old/node_modules is gone, so .*node_modules cannot be put back; build it anew"):
        code_layout.check_back(checkout.run, checkout.move)


def test_a_stage_without_a_built_path_leaves_the_old_one_in_its_place(checkout):
    move = replace(checkout.move, built_paths=("node_modules", "cache"))
    code_layout.forward(checkout.run, move)
    assert checkout.seen() == {**checkout.old, "a": "2", "new/file": "2", "node_modules/x": "new"}


@pytest.mark.parametrize(
    "leads_to, message",
    [
        ("/etc", "leads to /etc, which is no release"),
        ("releases/x", "leads to .*releases/x, which is no release"),
        (None, "does not exist; make it lead to the release that"),
        ("", "is no symbolic link"),
        ("releases/20260101T000000Z-00000000", "The release folder .* is gone"),
    ],
)
def test_a_current_release_that_is_none_is_told(releases, leads_to, message):
    (releases.path / "current").unlink()
    if leads_to == "":
        (releases.path / "current").mkdir()
    elif leads_to:
        (releases.path / "current").symlink_to(leads_to)
    for look in (releases.head, lambda: code_layout.check_back(releases.run, releases.move)):
        with pytest.raises(GitError, match=message):
            look()


def test_the_first_release_has_no_way_back(releases):
    (releases.path / "current").unlink()
    code_layout.forward(releases.run, releases.move)
    assert releases.seen() == ID
    with pytest.raises(GitError, match=f"Nothing is noted in .* of a release before {ID}"):
        code_layout.back(releases.run, releases.move)


@pytest.mark.parametrize("verb", [code_layout.check_forward, code_layout.forward])
def test_a_tree_that_is_not_the_wanted_one_never_becomes_current(releases, verb):
    (releases.path / "releases" / ID / "REVISION").write_text(ONE)
    with pytest.raises(GitError, match=f"holds {ONE}, not {TWO}"):
        verb(releases.run, releases.move)
    (releases.path / "releases" / ID / "REVISION").unlink()
    with pytest.raises(GitError, match="is not a whole release"):
        verb(releases.run, releases.move)
    assert releases.seen() == OLD_ID


def test_going_back_twice_or_after_the_clock_was_set_back_leads_to_what_ran_before(releases):
    newer = "20270101T000000Z-33333333"
    (releases.path / "releases" / newer).mkdir()
    (releases.path / "releases" / newer / "REVISION").write_text("3" * 40)
    code_layout.forward(releases.run, releases.move)
    os.utime(releases.path / "releases" / OLD_ID, (1, 1))
    for _time in range(2):
        code_layout.back(releases.run, releases.move)
        assert releases.seen() == OLD_ID


def test_a_way_back_to_a_folder_that_was_removed_is_told_and_current_stays(releases):
    code_layout.forward(releases.run, releases.move)
    (releases.path / "releases" / OLD_ID).rename(releases.path / "moved")
    for verb in (code_layout.check_back, code_layout.back):
        with pytest.raises(GitError, match=f"{OLD_ID} is gone"):
            verb(releases.run, releases.move)
    assert releases.seen() == ID


@pytest.mark.parametrize("kind, folder", [("in_place", "/srv"), ("releases", "/srv/repository")])
def test_git_runs_where_the_objects_are(kind, folder):
    assert code_layout.repository_of(kind, Path("/srv")) == Path(folder)


def test_releases_are_staged_where_they_run(releases):
    assert code_layout.stage_path(releases.run, releases.move) == releases.path / "releases" / ID
