# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Done, GitError
from git_commands import commit, git
from git_repositories import Repositories

ONE, TWO = "1" * 40, "2" * 40


@pytest.fixture
def repositories(tmp_path):
    return Repositories(tmp_path)


@pytest.mark.parametrize("revision", ["main", "v1.0", "feature/x", ONE])
def test_a_branch_a_tag_and_a_sha_may_reach_git(revision):
    assert code_git.check_revision(revision) == revision


@pytest.mark.parametrize(
    "revision", ["", "--upload-pack=x", "a b", "a..b", "x;y z", "a~1", "x.lock", "/x", "a:b", "a@{1}"]
)
def test_anything_else_is_refused(revision):
    with pytest.raises(GitError, match="is no branch, tag or commit SHA"):
        code_git.check_revision(revision)


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
    assert code_git.split_credentials(repository) == (clean, header)


@pytest.mark.parametrize("repository", ["", "--upload-pack=touch /x", "ext::sh -c x"])
def test_a_url_that_could_start_a_program_is_refused(repository):
    with pytest.raises(GitError, match="is no repository"):
        code_git.split_credentials(repository)


@pytest.mark.parametrize(
    "repository, secrets",
    [
        ("https://u:p%40w@h/r", ["p%40w", "p@w"]),
        ("https://token@h/r", ["token"]),
        ("ssh://git@h/r", []),
        ("ssh://root@h/r", []),
        ("ssh://root:pw@h/r", ["pw"]),
        ("https://h/r", []),
        ("/srv/r", []),
    ],
)
def test_the_secrets_of_a_url_are_known(repository, secrets):
    assert code_git.secrets_in(repository) == secrets


def test_the_environment_leads_git_nowhere_else():
    made = code_git.make_environment(
        {"PATH": "/nowhere", "GIT_DIR": "/x", "GIT_SSH_COMMAND": "ssh -i k", "GIT_SSL_CAINFO": "/ca"}, {"a.b": "c"}
    )
    assert made == {
        "PATH": "/nowhere",
        "GIT_SSH_COMMAND": "ssh -i k",
        "GIT_SSL_CAINFO": "/ca",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_KEY_0": "a.b",
        "GIT_CONFIG_VALUE_0": "c",
        "GIT_CONFIG_COUNT": "1",
    }


def test_git_lfs_is_used_where_it_is_installed_whatever_a_checkout_calls_it(tmp_path):
    (tmp_path / "git-lfs").write_text("")
    (tmp_path / "git-lfs").chmod(0o755)
    made = code_git.make_environment({"PATH": str(tmp_path)}, {"a.b": "c"})
    names = [made[f"GIT_CONFIG_KEY_{index}"] for index in range(int(made["GIT_CONFIG_COUNT"]))]
    assert names == ["filter.lfs.clean", "filter.lfs.smudge", "filter.lfs.process", "filter.lfs.required", "a.b"]


def test_a_deploy_key_is_the_only_key_that_is_offered(tmp_path):
    key = tmp_path / "my key"
    key.write_text("PRIVATE")
    key.chmod(0o600)
    made = code_git.make_environment({"GIT_SSH_COMMAND": "ssh -i other"}, {}, str(key))
    assert made["GIT_SSH_COMMAND"] == f"ssh -oBatchMode=yes -oIdentitiesOnly=yes -i '{key}'"


def test_a_deploy_key_that_ssh_would_not_use_is_refused(tmp_path):
    key = tmp_path / "key"
    with pytest.raises(GitError, match=r"^The deploy key .*/key cannot be used: No such file or directory; correct"):
        code_git.checked_key(str(key))
    key.mkdir()
    with pytest.raises(GitError, match=r"^The deploy key .*/key is no file; correct greenlight_deploy_key$"):
        code_git.checked_key(str(key))
    key.rmdir()
    key.write_text("PRIVATE")
    key.chmod(0o640)
    with pytest.raises(GitError, match=r"/key has mode 0640, so ssh does not use it; set it to 0600$"):
        code_git.checked_key(str(key))


def test_a_missing_git_is_reported():
    with pytest.raises(GitError, match="git is not installed"):
        code_git.make_run({"PATH": "/nonexistent"}, 5)(["status"])


@pytest.mark.parametrize("prepare", ["", "trap '' TERM\n"])
def test_a_git_that_hangs_is_ended_with_its_children(tmp_path, prepare):
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\n{prepare}/usr/bin/tail -f /dev/null\n")
    program.chmod(0o755)
    with pytest.raises(GitError, match=r"git fetch did not end in 0.2 seconds; check the remote"):
        code_git.make_run({"PATH": str(tmp_path)}, 0.2, grace=0.1)(["fetch"])


@pytest.mark.parametrize(
    "error, message",
    [
        ("hint: x\nfatal: https://u:p@h/r not found\n", "It failed: fatal: https://***@h/r not found"),
        ("", "It failed: git said nothing"),
        (
            "ssh: Could not resolve hostname h: unknown\nfatal: Could not read from remote repository.\n"
            "\nPlease make sure you have the correct access rights\nand the repository exists.\n",
            "It failed: ssh: Could not resolve hostname h: unknown",
        ),
        (
            "t@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
            "It failed: t@h: Permission denied (publickey); let that host know the public key, or name a key that "
            "it knows as greenlight_deploy_key",
        ),
    ],
)
def test_a_failure_is_reported_in_gits_own_words(error, message):
    with pytest.raises(GitError) as raised:
        code_git.demand(Done(1, "", error), "It failed")
    assert str(raised.value) == message


def test_a_git_that_was_killed_says_by_what():
    with pytest.raises(GitError, match=r"^It failed: git was ended by SIGKILL$"):
        code_git.demand(Done(-9, "", ""), "It failed")
    with pytest.raises(GitError, match=r"^It failed: git was ended by signal 99 \| fatal: x$"):
        code_git.demand(Done(-99, "", "fatal: x"), "It failed")


@pytest.mark.parametrize(
    "repository, command, explained",
    [
        ("git@h:r", "touch run", "set greenlight_deploy_key, or GIT_SSH_COMMAND in"),
        ("git@h:r", "ssh -i /k/id -F none", "set greenlight_deploy_key to /k/id, or GIT_SSH_COMMAND in"),
        ("git@h:r", "", ""),
        ("/nonexistent", "touch run", ""),
    ],
)
def test_an_ssh_command_that_only_the_checkout_names_is_not_run_and_named(
    repositories, tmp_path, repository, command, explained
):
    git(repositories.path, "config", "core.sshCommand", command)
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'git@h: Permission denied (publickey).' >&2\nexit 255\n")
    ssh.chmod(0o755)
    environment = {**repositories.environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with pytest.raises(GitError, match="Cannot fetch from") as raised:
        code_git.fetch(code_git.make_run(environment, 30, str(repositories.path)), repository, repositories.second)
    assert (f"core.sshCommand is not run; {explained}" in str(raised.value)) == bool(explained)
    assert ("Permission denied (publickey)" in str(raised.value), (repositories.path / "run").exists()) == (
        repository == "git@h:r",
        False,
    )


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
    assert code_git.resolve(lambda _words: Done(0, refs, ""), "/srv/r", revision) == sha


@pytest.mark.parametrize(
    "refs, message",
    [
        ("", "/srv/r has no branch or tag x"),
        (f"{ONE}\trefs/heads/x\n{TWO}\trefs/tags/x\n", "x is a branch and a tag of /srv/r, at different commits"),
    ],
)
def test_a_revision_that_is_nothing_or_two_things_is_refused(refs, message):
    with pytest.raises(GitError, match=message):
        code_git.resolve(lambda _words: Done(0, refs, ""), "/srv/r", "x")


def test_an_unreachable_repository_is_reported_without_its_token(tmp_path):
    run = code_git.make_run(code_git.make_environment(os.environ, {}), 30)
    with pytest.raises(GitError, match="The repository /nonexistent cannot be asked for main: fatal:"):
        code_git.resolve(run, "/nonexistent", "main")


def test_a_fetch_touches_nothing_but_its_own_refs(repositories):
    before = (repositories.status(), git(repositories.path, "rev-parse", "origin/main"))
    assert not code_git.has_commit(repositories.run, repositories.second)
    repositories.fetch()
    assert code_git.has_commit(repositories.run, repositories.second)
    assert (repositories.status(), git(repositories.path, "rev-parse", "origin/main")) == before


def test_a_commit_that_is_on_no_branch_is_fetched_by_its_sha(repositories):
    git(repositories.origin, "checkout", "--quiet", "--detach")
    loose = commit(repositories.origin, {"a": "3"})
    git(repositories.origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    code_git.fetch(repositories.run, str(repositories.origin), loose)
    assert code_git.has_commit(repositories.run, loose)


def test_a_commit_that_the_repository_does_not_have_is_reported(repositories):
    with pytest.raises(GitError, match=f"does not have the commit {ONE}"):
        code_git.fetch(repositories.run, str(repositories.origin), ONE)


@pytest.mark.parametrize("backwards", [False, True])
def test_two_commits_are_compared(repositories, backwards):
    repositories.fetch()
    commits = [repositories.first, repositories.second]
    result = code_git.compare(repositories.run, *(reversed(commits) if backwards else commits))
    listed = [] if backwards else [{"sha": repositories.second, "subject": "second"}]
    assert result == {
        "changed_paths": ["a", "new/file"],
        "commits": listed,
        "commit_count": len(listed),
        "forced": backwards,
    }


def test_the_text_of_a_file_is_read_from_a_commit(tmp_path):
    git(tmp_path, "init", "--quiet")
    sha = commit(tmp_path, {"backend/ecosystem.config.js": "module.exports = {}"})
    run = code_git.make_run(code_git.make_environment(os.environ, {}), 20, str(tmp_path))
    assert code_git.text_of(run, sha, "backend/ecosystem.config.js") == "module.exports = {}"
    assert code_git.text_of(run, sha, "backend") is None
    assert code_git.text_of(run, sha, "other.js") is None


def test_a_listing_of_a_tree_is_read():
    output = "100644 blob aaaa      12\tdir/a name\x00120000 blob bbbb       3\tlink\x00"
    entries, links = code_git.parse_tree(f"{output}160000 commit cccc       -\tlib\x00")
    assert (entries, links) == ([code_git.Entry("dir/a name", 12), code_git.Entry("link", 3)], {"lib": "cccc"})
