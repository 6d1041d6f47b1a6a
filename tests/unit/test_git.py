# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _git
from ansible_collections.greenlight.release.plugins.module_utils._git import Done, GitError
from git_repositories import Repositories, commit, git

ONE, TWO = "1" * 40, "2" * 40


@pytest.fixture
def repositories(tmp_path):
    return Repositories(tmp_path)


@pytest.mark.parametrize("revision", ["main", "v1.0", "feature/x", ONE])
def test_a_branch_a_tag_and_a_sha_may_reach_git(revision):
    assert _git.check_revision(revision) == revision


@pytest.mark.parametrize(
    "revision", ["", "--upload-pack=x", "a b", "a..b", "x;y z", "a~1", "x.lock", "/x", "a:b", "a@{1}"]
)
def test_anything_else_is_refused(revision):
    with pytest.raises(GitError, match="is no branch, tag or commit SHA"):
        _git.check_revision(revision)


@pytest.mark.parametrize(
    "repository, clean, header",
    [
        (
            "https://u:p%40w@h/r.git",
            "https://h/r.git",
            {"http.https://h/.extraHeader": "Authorization: Basic dTpwQHc="},
        ),
        ("https://tok@h:8/r", "https://h:8/r", {"http.https://h:8/.extraHeader": "Authorization: Basic dG9rOg=="}),
        ("https://h/r.git", "https://h/r.git", {}),
        ("git@h:r.git", "git@h:r.git", {}),
        ("ssh://git@h/r", "ssh://git@h/r", {}),
        ("/srv/r", "/srv/r", {}),
    ],
)
def test_credentials_travel_apart_from_the_url(repository, clean, header):
    assert _git.split_credentials(repository) == (clean, header)


@pytest.mark.parametrize("repository", ["", "--upload-pack=touch /x", "ext::sh -c x"])
def test_a_url_that_could_start_a_program_is_refused(repository):
    with pytest.raises(GitError, match="is no repository"):
        _git.split_credentials(repository)


@pytest.mark.parametrize(
    "repository, secrets",
    [
        ("https://u:p%40w@h/r", ["p%40w", "p@w"]),
        ("https://token@h/r", ["token"]),
        ("ssh://git@h/r", []),
        ("https://h/r", []),
        ("/srv/r", []),
    ],
)
def test_the_secrets_of_a_url_are_known(repository, secrets):
    assert _git.secrets_in(repository) == secrets


def test_the_environment_leads_git_nowhere_else():
    made = _git.make_environment({"PATH": "/bin", "GIT_DIR": "/x", "GIT_SSH_COMMAND": "ssh -i k"}, {"a.b": "c"})
    assert made == {
        "PATH": "/bin",
        "GIT_SSH_COMMAND": "ssh -i k",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_KEY_0": "a.b",
        "GIT_CONFIG_VALUE_0": "c",
        "GIT_CONFIG_COUNT": "1",
    }


def test_a_missing_git_is_told():
    with pytest.raises(GitError, match="git is not installed"):
        _git.make_run({"PATH": "/nonexistent"}, 5)(["status"])


def test_a_git_that_hangs_is_killed_with_its_children(tmp_path):
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec /usr/bin/tail -f /dev/null\n")
    program.chmod(0o755)
    with pytest.raises(GitError, match=r"git fetch did not end in 0.2 seconds; look at the remote"):
        _git.make_run({"PATH": str(tmp_path)}, 0.2)(["fetch"])


@pytest.mark.parametrize(
    "error, message",
    [
        ("hint: x\nfatal: https://u:p@h/r not found\n", "It failed: fatal: https://***@h/r not found"),
        ("", "It failed: git said nothing"),
    ],
)
def test_a_failure_is_told_in_gits_own_words(error, message):
    with pytest.raises(GitError) as raised:
        _git.demand(Done(1, "", error), "It failed")
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "refs, revision, sha",
    [
        (f"{ONE}\trefs/heads/main\n", "main", ONE),
        (f"{ONE}\trefs/tags/v1\n", "v1", ONE),
        (f"{ONE}\trefs/tags/v1\n{TWO}\trefs/tags/v1^{{}}\n", "v1", TWO),
        (f"{ONE}\trefs/heads/x\n{ONE}\trefs/tags/x\n", "x", ONE),
        (f"{ONE}\tHEAD\n", TWO, TWO),
    ],
)
def test_a_revision_is_resolved_to_its_commit(refs, revision, sha):
    assert _git.resolve(lambda _words: Done(0, refs, ""), "/srv/r", revision) == sha


@pytest.mark.parametrize(
    "refs, message",
    [
        ("", "/srv/r has no branch or tag x"),
        (f"{ONE}\trefs/heads/x\n{TWO}\trefs/tags/x\n", "x is a branch and a tag of /srv/r, at different commits"),
    ],
)
def test_a_revision_that_is_nothing_or_two_things_is_refused(refs, message):
    with pytest.raises(GitError, match=message):
        _git.resolve(lambda _words: Done(0, refs, ""), "/srv/r", "x")


def test_an_unreachable_repository_is_told_without_its_token(tmp_path):
    run = _git.make_run(_git.make_environment(os.environ, {}), 30)
    with pytest.raises(GitError, match="The repository /nonexistent cannot be asked for main: fatal:"):
        _git.resolve(run, "/nonexistent", "main")


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
    status = _git.parse_status(output)
    assert (status.head, status.branch) == (ONE, "main")
    assert (status.changed, status.untracked) == (("a file", "new name", "conflict"), ("not tracked",))


def test_a_detached_head_is_on_no_branch():
    assert _git.parse_status("# branch.head (detached)\0").branch == ""


def test_a_checkout_is_looked_at(repositories):
    status = repositories.status()
    assert (status.head, status.branch, status.changed) == (repositories.first, "main", ())


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, repositories):
    with pytest.raises(GitError, match="is not a folder"):
        _git.read_status(repositories.run, tmp_path / "nothing")
    (repositories.path / "inside").mkdir()
    with pytest.raises(GitError, match="is a folder inside the checkout"):
        _git.read_status(repositories.run, repositories.path / "inside")


@pytest.mark.parametrize(
    "name, message",
    [("MERGE_HEAD", "in the middle of a git operation .MERGE_HEAD."), ("index.lock", "index.lock exists; end the git")],
)
def test_an_unfinished_operation_is_refused(repositories, name, message):
    status = repositories.status()
    (repositories.path / ".git" / name).write_text("")
    with pytest.raises(GitError, match=message):
        _git.refuse_unfinished(repositories.run, repositories.path, status)


def test_local_changes_are_refused_by_name(repositories):
    _git.refuse_unfinished(repositories.run, repositories.path, repositories.status())
    (repositories.path / "a").write_text("hotfix")
    with pytest.raises(GitError, match="has local changes in a; commit them elsewhere"):
        _git.refuse_unfinished(repositories.run, repositories.path, repositories.status())


def test_a_long_list_is_cut():
    assert _git._list([str(number) for number in range(8)]) == "0, 1, 2, 3, 4 and 3 more"


def test_a_fetch_touches_nothing_but_its_own_refs(repositories):
    before = (repositories.status(), git(repositories.path, "rev-parse", "origin/main"))
    assert not _git.has_commit(repositories.run, repositories.second)
    repositories.fetch()
    assert _git.has_commit(repositories.run, repositories.second)
    assert (repositories.status(), git(repositories.path, "rev-parse", "origin/main")) == before


def test_a_commit_that_is_on_no_branch_is_fetched_by_its_sha(repositories):
    git(repositories.origin, "checkout", "--quiet", "--detach")
    loose = commit(repositories.origin, {"a": "3"})
    git(repositories.origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    _git.fetch(repositories.run, str(repositories.origin), loose)
    assert _git.has_commit(repositories.run, loose)


def test_a_commit_that_the_repository_does_not_have_is_told(repositories):
    with pytest.raises(GitError, match=f"does not have the commit {ONE}"):
        _git.fetch(repositories.run, str(repositories.origin), ONE)


def test_an_untracked_file_in_the_way_is_refused_and_others_are_not(repositories):
    repositories.fetch()
    (repositories.path / ".env").write_text("mine")
    paths = _git.paths_of(repositories.run, repositories.second)
    check = (repositories.run, repositories.path, paths, repositories.second)
    _git.refuse_in_the_way(*check)
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("mine")
    with pytest.raises(GitError, match="would overwrite new/file in"):
        _git.refuse_in_the_way(*check)


def test_submodules_are_refused(repositories):
    third = commit(repositories.origin, {".gitmodules": ""})
    _git.fetch(repositories.run, str(repositories.origin), third)
    with pytest.raises(GitError, match="has submodules"):
        _git.paths_of(repositories.run, third)


@pytest.mark.parametrize("backwards", [False, True])
def test_two_commits_are_compared(repositories, backwards):
    repositories.fetch()
    commits = [repositories.first, repositories.second]
    result = _git.compare(repositories.run, *(reversed(commits) if backwards else commits))
    listed = [] if backwards else [{"sha": repositories.second, "subject": "second"}]
    assert result == {
        "changed_paths": ["a", "new/file"],
        "commits": listed,
        "commit_count": len(listed),
        "forced": backwards,
    }


def test_a_checkout_is_exactly_the_commit_and_runs_no_hook(repositories):
    repositories.fetch()
    hook = repositories.path / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ../hooked hooked\n")
    hook.chmod(0o755)
    _git.check_out(repositories.run, repositories.path, repositories.second)
    status = repositories.status()
    assert (status.head, status.branch, status.changed, status.untracked) == (repositories.second, "", (), ())


def test_a_checkout_never_goes_over_local_changes(repositories):
    repositories.fetch()
    (repositories.path / "a").write_text("hotfix")
    with pytest.raises(GitError, match="Cannot check out"):
        _git.check_out(repositories.run, repositories.path, repositories.second)
    assert (repositories.path / "a").read_text() == "hotfix"


def test_a_tree_that_is_not_the_commit_after_the_checkout_is_told(repositories):
    answers = {"checkout": Done(0, "", ""), "status": Done(0, f"# branch.oid {ONE}\0", "")}

    def run(words):
        return answers.get(words[0]) or Done(0, f"{repositories.path}\n", "")

    with pytest.raises(GitError, match=f"is not {TWO} after the checkout: {ONE}"):
        _git.check_out(run, repositories.path, TWO)


@pytest.mark.parametrize("locked", [False, True])
def test_a_checkout_that_was_killed_half_way_is_completed(repositories, locked):
    repositories.fetch()
    (repositories.path / "a").write_text("half wri")
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("2")
    (repositories.path / "node_modules").mkdir()
    if locked:
        (repositories.path / ".git" / "index.lock").write_text("")
    _git.recover(repositories.run, repositories.path, repositories.second, repositories.first)
    status = repositories.status()
    assert (status.head, status.changed, status.untracked) == (repositories.first, (), ())


def test_local_changes_that_no_release_made_survive_a_recovery(repositories):
    repositories.fetch()
    (repositories.path / "b").write_text("hotfix")
    with pytest.raises(GitError, match="has local changes in b, which no release made"):
        _git.recover(repositories.run, repositories.path, repositories.second, repositories.first)
    assert Path(repositories.path / "b").read_text() == "hotfix"
