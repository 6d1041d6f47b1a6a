# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import git_commands
import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import checkout, git
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Done, GitError
from git_repositories import Repositories

ONE, TWO = "1" * 40, "2" * 40


@pytest.fixture
def repositories(tmp_path):
    return Repositories(tmp_path)


def test_a_status_is_read_with_every_kind_of_entry():
    output = "\0".join(
        [
            f"# branch.oid {ONE}",
            "# branch.head main",
            "1 .M N... 100644 100644 100644 a b a file",
            "2 R. N... 100644 100644 100644 a b R100 new name",
            "old name",
            "u UU N... 1 2 3 4 a b c conflict",
            "? not tracked",
            "! ignored",
            "",
        ]
    )
    status = checkout.parse_status(output)
    assert (status.head, status.branch) == (ONE, "main")
    assert (status.changed, status.untracked) == (("a file", "new name", "conflict"), ("not tracked",))


def test_a_detached_head_is_on_no_branch():
    assert checkout.parse_status("# branch.head (detached)\0").branch == ""


def test_a_checkout_is_inspected(repositories):
    status = repositories.status()
    assert (status.head, status.branch, status.changed) == (repositories.first, "main", ())


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, repositories):
    with pytest.raises(GitError, match="is not a folder"):
        checkout.read_status(repositories.run, tmp_path / "nothing")
    (repositories.path / "inside").mkdir()
    with pytest.raises(GitError, match="is a folder inside the checkout"):
        checkout.read_status(repositories.run, repositories.path / "inside")


@pytest.mark.parametrize(
    "name, message",
    [
        ("MERGE_HEAD", "in the middle of a git operation .MERGE_HEAD."),
        ("index.lock", "index.lock exists; end the git"),
        ("HEAD.lock", "HEAD.lock exists; end the git"),
    ],
)
def test_an_unfinished_operation_is_refused(repositories, name, message):
    status = repositories.status()
    (repositories.path / ".git" / name).write_text("")
    with pytest.raises(GitError, match=message):
        checkout.refuse_unfinished(repositories.run, repositories.path, status)


def test_local_changes_are_refused_by_name(repositories):
    checkout.refuse_unfinished(repositories.run, repositories.path, repositories.status())
    (repositories.path / "a").write_text("hotfix")
    with pytest.raises(GitError, match="has local changes in a; commit them elsewhere"):
        checkout.refuse_unfinished(repositories.run, repositories.path, repositories.status())


def test_an_untracked_file_in_the_way_is_refused_and_others_are_not(repositories):
    repositories.fetch()
    (repositories.path / ".env").write_text("mine")
    paths = [each.path for each in git.files_of(repositories.run, repositories.second)]
    check = (repositories.run, repositories.path, paths, repositories.second)
    checkout.refuse_in_the_way(*check)
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("mine")
    with pytest.raises(GitError, match="would overwrite new/file in"):
        checkout.refuse_in_the_way(*check)


def test_a_checkout_is_exactly_the_commit_and_runs_no_hook(repositories):
    repositories.fetch()
    hook = repositories.path / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ../hooked hooked\n")
    hook.chmod(0o755)
    checkout.check_out(repositories.run, repositories.path, repositories.second)
    status = repositories.status()
    assert (status.head, status.branch, status.changed, status.untracked) == (repositories.second, "", (), ())


def test_a_checkout_never_goes_over_local_changes(repositories):
    repositories.fetch()
    (repositories.path / "a").write_text("hotfix")
    with pytest.raises(GitError, match="Cannot check out"):
        checkout.check_out(repositories.run, repositories.path, repositories.second)
    assert (repositories.path / "a").read_text() == "hotfix"


def test_a_tree_that_is_not_the_commit_after_the_checkout_is_reported(repositories):
    answers = {"checkout": Done(0, "", ""), "status": Done(0, f"# branch.oid {ONE}\0", "")}

    def run(words):
        return answers.get(words[0]) or Done(0, f"{repositories.path}\n", "")

    with pytest.raises(GitError, match=f"is not {TWO} after the checkout: {ONE}"):
        checkout.check_out(run, repositories.path, TWO)


@pytest.mark.parametrize("locked", [False, True])
def test_a_checkout_that_was_killed_half_way_is_completed(repositories, locked):
    repositories.fetch()
    (repositories.path / "a").write_text("half wri")
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("2")
    (repositories.path / "node_modules").mkdir()
    if locked:
        (repositories.path / ".git" / "index.lock").write_text("")
    checkout.recover(repositories.run, repositories.path, repositories.second, repositories.first)
    status = repositories.status()
    assert (status.head, status.changed, status.untracked) == (repositories.first, (), ())


def test_local_changes_that_no_release_made_survive_a_recovery(repositories):
    repositories.fetch()
    (repositories.path / "b").write_text("hotfix")
    with pytest.raises(GitError, match="has local changes in b, which no release made"):
        checkout.recover(repositories.run, repositories.path, repositories.second, repositories.first)
    assert Path(repositories.path / "b").read_text() == "hotfix"


def test_a_lock_whose_owner_lives_is_left_alone(repositories):
    repositories.fetch()
    lock = repositories.path / ".git" / "index.lock"
    with lock.open("w") as held, subprocess.Popen(["tail", "-f", "/dev/null"], stdin=held) as owner:
        try:
            with pytest.raises(
                GitError, match=rf"index.lock is held by process {owner.pid} \(.*\); wait for it to end"
            ):
                checkout.recover(repositories.run, repositories.path, repositories.second, repositories.first)
        finally:
            owner.kill()
    assert lock.exists()


def test_a_checkout_of_another_user_is_refused(repositories, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    owner = repositories.path.stat().st_uid
    with pytest.raises(GitError, match=f"belongs to user {owner}, not to 12345; run as its owner"):
        repositories.status()


def test_an_ignored_file_is_never_overwritten(repositories):
    repositories.fetch()
    (repositories.path / ".git" / "info" / "exclude").write_text("new\n")
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("mine")
    with pytest.raises(GitError, match="Cannot check out"):
        checkout.check_out(repositories.run, repositories.path, repositories.second)
    assert (repositories.path / "new" / "file").read_text() == "mine"


def test_an_ignored_file_that_a_killed_checkout_or_somebody_left_is_put_aside(repositories):
    repositories.fetch()
    (repositories.path / ".git" / "info" / "exclude").write_text("new\n")
    for text in ("half", "mine"):
        (repositories.path / "new").mkdir(exist_ok=True)
        (repositories.path / "new" / "file").write_text(text)
        checkout.recover(repositories.run, repositories.path, repositories.first, repositories.second)
    checkout.check_out(repositories.run, repositories.path, repositories.second)
    aside = repositories.path / ".git" / "greenlight" / "aside"
    assert [(aside / f"by-hand.{number}" / "new" / "file").read_text() for number in (1, 2)] == ["half", "mine"]


@pytest.mark.parametrize("check_mode, head", [(False, "second"), (True, "first")])
def test_a_checkout_is_brought_to_a_commit_but_not_in_a_rehearsal(repositories, check_mode, head):
    repositories.fetch()
    done = checkout.bring_to(repositories.run, repositories.path, repositories.second, None, check_mode)
    assert done == {"changed": True, "sha": repositories.second, "head": repositories.first, "notes": []}
    assert repositories.status().head == getattr(repositories, head)


def test_a_checkout_that_is_at_the_commit_stays_as_it_is(repositories):
    done = checkout.bring_to(repositories.run, repositories.path, repositories.first, None, False)
    assert done == {"changed": False, "sha": repositories.first, "head": repositories.first, "notes": []}


def test_a_commit_that_was_not_fetched_is_refused(repositories):
    with pytest.raises(GitError, match=f"does not have the commit {repositories.second}; fetch it first"):
        checkout.bring_to(repositories.run, repositories.path, repositories.second, None, False)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_checkout_that_was_killed_is_recovered_only_where_that_is_asked_for_and_done(repositories, check_mode):
    repositories.fetch()
    given = (repositories.run, repositories.path, repositories.first)
    (repositories.path / "a").write_text("half wri")
    with pytest.raises(GitError, match="has local changes in a"):
        checkout.bring_to(*given, None, check_mode)
    if check_mode:
        with pytest.raises(GitError, match="has local changes in a"):
            checkout.bring_to(*given, repositories.second, check_mode)
    else:
        assert not checkout.bring_to(*given, repositories.second, check_mode)["changed"]
        assert repositories.status().changed == ()


def test_a_file_in_the_way_of_the_commit_is_refused_before_anything_is_moved(repositories):
    repositories.fetch()
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("mine")
    with pytest.raises(GitError, match="would overwrite new/file in"):
        checkout.bring_to(repositories.run, repositories.path, repositories.second, None, True)


def test_a_full_disk_is_found_before_a_file_of_the_checkout_is_touched(repositories, monkeypatch):
    repositories.fetch()
    full = {"f_bavail": 1, "f_frsize": 4096, "f_files": 0, "f_favail": 0}
    monkeypatch.setattr(os, "statvfs", lambda _path: type("Free", (), full))
    with pytest.raises(GitError, match="There is no space for the new files"):
        checkout.bring_to(repositories.run, repositories.path, repositories.second, None, False)
    status = repositories.status()
    assert (status.head, status.changed) == (repositories.first, ())


@pytest.mark.parametrize("flag", ["skip-worktree", "assume-unchanged"])
def test_a_change_that_git_was_told_not_to_see_is_refused_by_name(repositories, flag):
    git_commands.git(repositories.path, "update-index", f"--{flag}", "a")
    checkout.refuse_unfinished(repositories.run, repositories.path, repositories.status())
    (repositories.path / "a").write_text("hotfix")
    with pytest.raises(GitError, match=f"has changes in a, which git was told not to see; .*--no-{flag}"):
        checkout.refuse_unfinished(repositories.run, repositories.path, repositories.status())
    (repositories.path / "a").unlink()
    checkout.refuse_unfinished(repositories.run, repositories.path, repositories.status())
