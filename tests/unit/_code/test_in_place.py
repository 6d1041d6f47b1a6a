# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import in_place
from ansible_collections.greenlight.release.plugins.module_utils._code import layout as code_layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from code_layouts import ID, ONE, Checkout, Killed
from git_commands import git


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.mark.parametrize("sha", ["from_sha", "to_sha"])
def test_a_commit_that_is_gone_is_reported_before_anything_is_moved(checkout, sha):
    with pytest.raises(GitError, match=f"does not have the commit {ONE}"):
        in_place.check_forward(checkout.run, replace(checkout.move, **{sha: ONE}))
    with pytest.raises(GitError, match=f"does not have the commit {ONE} any more"):
        in_place.check_back(checkout.run, replace(checkout.move, from_sha=ONE))


def test_both_commits_are_kept_although_their_branch_is_rewritten(checkout):
    in_place.forward(checkout.run, checkout.move)
    git(checkout.path, "update-ref", "-d", "refs/heads/main")
    git(checkout.path, "update-ref", "-d", "refs/remotes/origin/main")
    git(checkout.path, "update-ref", "-d", "refs/remotes/origin/HEAD")
    git(checkout.path, "update-ref", "-d", "refs/greenlight/heads/main")
    git(checkout.path, "reflog", "expire", "--expire=now", "--all")
    git(checkout.path, "gc", "--quiet", "--prune=now")
    in_place.back(checkout.run, checkout.move)
    assert checkout.seen() == checkout.old


def test_a_move_that_can_be_made_is_found_good_until_the_disk_is_full(checkout, monkeypatch):
    in_place.check_forward(checkout.run, checkout.move)
    shutil.rmtree(code_layout.stage_path(checkout.run, checkout.move))
    in_place.check_forward(checkout.run, replace(checkout.move, built_paths=()))
    full = {"f_bavail": 1, "f_frsize": 4096, "f_files": 0, "f_favail": 0}
    monkeypatch.setattr(os, "statvfs", lambda _path: type("Free", (), full))
    with pytest.raises(GitError, match="There is no space for the new files"):
        in_place.check_forward(checkout.run, checkout.move)


def test_what_was_known_before_the_stop_is_not_asked_again_while_users_wait(checkout):
    asked = []

    def run(words):
        asked.append(words[0])
        return checkout.run(words)

    in_place.check_forward(run, checkout.move)
    assert {"rev-parse", "cat-file", "ls-tree"} <= set(asked)
    asked.clear()
    in_place.forward(run, checkout.move)
    assert not {"rev-parse", "cat-file", "ls-tree"} & set(asked)
    in_place.back(run, checkout.move)
    assert "rev-parse" not in asked
    assert checkout.seen() == checkout.old


def test_a_checkout_that_somebody_else_moved_is_refused(checkout):
    git(checkout.path, "commit", "--quiet", "--allow-empty", "--message", "local")
    with pytest.raises(GitError, match="it was moved by hand"):
        in_place.check_forward(checkout.run, checkout.move)


def change_what_is_tracked(checkout):
    """Change a file, remove another, and add one to the index."""
    (checkout.path / "a").write_text("hotfix")
    (checkout.path / "b").unlink()
    (checkout.path / "c").write_text("made here")
    git(checkout.path, "add", "c")


def test_local_changes_are_refused_with_their_names(checkout):
    change_what_is_tracked(checkout)
    with pytest.raises(GitError, match="has local changes in a, b, c; .* or set greenlight_local_changes to keep"):
        in_place.check_forward(checkout.run, checkout.move)


def test_local_changes_are_put_aside_with_a_patch_that_brings_them_back(checkout):
    move = replace(checkout.move, keeps_changes=True)
    change_what_is_tracked(checkout)
    in_place.check_forward(checkout.run, move)
    aside = checkout.path / ".git" / "greenlight" / "aside" / f"{checkout.move.release_id}.1"
    (note,) = in_place.forward(checkout.run, move)
    assert note == f"a, b, c in {checkout.path} held what no revision of the release has, and is kept in {aside}"
    assert checkout.seen() == checkout.new
    assert ((aside / "a").read_text(), (aside / "c").read_text(), (aside / "b").exists()) == (
        "hotfix",
        "made here",
        False,
    )
    without = f"The local changes that the release put aside are in {aside}; {checkout.path} runs without them"
    assert in_place.back(checkout.run, move) == [without]
    assert checkout.seen() == checkout.old
    git(checkout.path, "apply", str(aside / "changes.diff"))
    assert ((checkout.path / "a").read_text(), (checkout.path / "b").exists(), (checkout.path / "c").read_text()) == (
        "hotfix",
        False,
        "made here",
    )


def test_where_nothing_was_changed_nothing_is_put_aside(checkout):
    assert in_place.forward(checkout.run, replace(checkout.move, keeps_changes=True)) == []
    assert not (checkout.path / ".git" / "greenlight" / "aside").exists()


def test_a_rollback_leaves_a_hotfix_where_it_is_and_puts_aside_what_it_would_overwrite(checkout):
    in_place.forward(checkout.run, checkout.move)
    (checkout.path / "b").write_text("hotfix of what both have")
    (checkout.path / "a").write_text("hotfix of what changed")
    in_place.check_back(checkout.run, checkout.move)
    aside = checkout.path / ".git" / "greenlight" / "aside" / f"{checkout.move.release_id}.1"
    assert in_place.back(checkout.run, checkout.move) == [
        f"a in {checkout.path} held what no revision of the release has, and is kept in {aside}",
        f"{checkout.path} has local changes in b, which no release made; they were left as they are",
    ]
    status = checkout.repositories.status()
    assert (status.changed, status.untracked, (checkout.path / "a").read_text()) == (("b",), (), "1")
    assert ((checkout.path / "b").read_text(), (checkout.path / "node_modules" / "x").read_text()) == (
        "hotfix of what both have",
        "old",
    )
    assert checkout.head() == checkout.move.from_sha
    assert ((aside / "a").read_text(), "+hotfix of what" in (aside / "changes.diff").read_text()) == (
        "hotfix of what changed",
        True,
    )
    assert in_place.back(checkout.run, checkout.move)[-1].endswith("they were left as they are")


def test_a_database_that_git_has_is_refused(checkout, tmp_path):
    in_place.refuse_database(checkout.run, checkout.move, checkout.path / "web" / "shop.db")
    in_place.refuse_database(checkout.run, checkout.move, tmp_path / "elsewhere" / "a")
    for name in ("a", "new/file"):
        with pytest.raises(GitError, match=f"^{name} is a part of .* would replace the database .*; move the database"):
            in_place.refuse_database(checkout.run, checkout.move, checkout.path / name)


def test_a_hotfix_in_the_checkout_is_refused_and_kept(checkout):
    (checkout.path / "b").write_text("hotfix")
    for verb in (in_place.check_forward, in_place.forward):
        with pytest.raises(GitError, match="has local changes in b"):
            verb(checkout.run, checkout.move)
    assert ((checkout.path / "b").read_text(), (checkout.path / "node_modules" / "x").read_text()) == ("hotfix", "old")


@pytest.mark.parametrize(
    "built, message",
    [
        ("a", "The built path a is a part of"),
        ("b/x", "A folder above .*b/x is a link or a file"),
        ("linked/x", "A folder above .*linked/x is a link or a file"),
    ],
)
def test_built_paths_that_cannot_be_swapped_are_refused(checkout, built, message):
    (checkout.path / "linked").symlink_to("/etc")
    with pytest.raises(GitError, match=message):
        in_place.check_forward(checkout.run, replace(checkout.move, built_paths=(built,)))


def test_a_built_path_on_another_filesystem_is_refused(checkout, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path.endswith("node_modules"))
    with pytest.raises(GitError, match="node_modules is a mount of its own"):
        in_place.check_forward(checkout.run, checkout.move)


def test_what_others_made_where_nothing_was_before_is_left_alone(checkout):
    def run(words):
        if words[0] == "checkout":
            raise Killed
        return checkout.run(words)

    with pytest.raises(Killed):
        in_place.forward(run, checkout.move)
    (checkout.path / "web" / "dist").mkdir(parents=True)
    (checkout.path / "web" / "dist" / "y").write_text("theirs")
    in_place.back(checkout.run, checkout.move)
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
        for verb, files in ((in_place.forward, checkout.new), (in_place.back, checkout.old)):
            with pytest.MonkeyPatch.context() as monkeypatch:
                monkeypatch.setattr(os, "rename", once(os.rename))
                with pytest.raises(Killed):
                    verb(checkout.run, checkout.move)
            (checkout.path / "node_modules").mkdir(exist_ok=True)
            (checkout.path / "node_modules" / "y").write_text("theirs")
            verb(checkout.run, checkout.move)
            assert checkout.seen() == files
        assert (folder / f"other-{2 * number}" / "node_modules" / "y").read_text() == "theirs"


def test_old_built_paths_that_are_gone_are_reported_before_anything_is_moved_back(checkout):
    in_place.forward(checkout.run, checkout.move)
    (checkout.path / ".git" / "greenlight" / ID / "old" / "node_modules").rename(checkout.path / "web" / "moved")
    with pytest.raises(GitError, match="old/node_modules is gone, so .*node_modules cannot be restored; rebuild it"):
        in_place.check_back(checkout.run, checkout.move)


def test_a_stage_without_a_built_path_leaves_the_old_one_in_its_place(checkout):
    move = replace(checkout.move, built_paths=("node_modules", "cache"))
    in_place.forward(checkout.run, move)
    assert checkout.seen() == {**checkout.old, "a": "2", "new/file": "2", "node_modules/x": "new"}


def test_commits_that_were_made_on_the_server_are_kept_and_named(checkout):
    git(checkout.path, "commit", "--quiet", "--allow-empty", "--message", "mended here")
    made = git(checkout.path, "rev-parse", "HEAD").strip()
    git(checkout.path, "update-ref", "refs/greenlight/keep/older/from", made)
    notes = in_place.forward(checkout.run, replace(checkout.move, from_sha=made))
    assert notes == [
        f"{made} in {checkout.path} is in no branch or tag that was fetched: 1 commit was made there, or taken out of "
        f"its branch. It is kept as refs/greenlight/aside/{made}"
    ]
    assert git(checkout.path, "rev-parse", f"refs/greenlight/aside/{made}").strip() == made


def test_a_move_that_was_begun_is_completed_whatever_lies_in_its_stage(checkout):
    in_place.forward(checkout.run, checkout.move)
    (code_layout.stage_path(checkout.run, checkout.move) / "made").write_text("by a migration that was tried")
    in_place.check_forward(checkout.run, checkout.move)
    git(checkout.path, "checkout", "--quiet", checkout.move.from_sha)
